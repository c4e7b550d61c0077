"""The page of one's own factors: password, authenticator app, passkeys, recovery codes."""

from flask import Blueprint, Response, request

from servicekit import access
from servicekit.problems import NotFound
from services.identity import authenticator_apps
from services.identity.citizens import citizens
from services.identity.domain import names, passwords, totp
from services.identity.parts import parts
from services.identity.routes import browser, changes, codes, second_factor
from services.identity.routes.account import (
    Own,
    moment_in_words,
    own_page,
    sign_in_first,
    whose,
)
from services.identity.routes.registration import add_passkey, new_passkey
from services.identity.storage import accounts, audit, factors, recoveries
from services.identity.storage.citizen_tables import Passkey

blueprint = Blueprint("factors", __name__)
PATH = "/identity/factors"
DONE = (
    "password-changed",
    "app-added",
    "app-removed",
    "passkey-added",
    "passkey-removed",
    "passkey-renamed",
    "recovery-stopped",
)


@blueprint.get(PATH)
@access.public
@own_page("factors")
def show_factors(own: Own) -> Response:
    now = parts().clock.now()
    before = audit.last_but_one(own.session, own.person.sub, "signed-in")
    failed = audit.count_since(
        own.session, own.person.sub, ["sign-in-failed"], before.at if before else own.here.auth_time
    )
    done = request.args.get("done")
    return browser.form_page(
        "factors.html",
        done=done if done in DONE else None,
        name=own.name,
        username=own.person.username,
        identity_level=own.person.identity_level,
        evidence=own.person.evidence,
        session_level=own.here.acr,
        has_app=bool(own.person.totp_secret),
        passkeys=[
            (one, moment_in_words(one.created_at), _used(one))
            for one in factors.passkeys(own.session, own.person.sub)
        ],
        codes_left=factors.recovery_codes_left(own.session, own.person.sub),
        reached=[one for one in (own.person.email, own.person.phone) if one],
        recovering=[
            (one.id_hash, moment_in_words(one.started_at), one.kind)
            for one in recoveries.of_person(own.session, own.person.sub, now)
        ],
        failed=failed,
        can_have_passkeys=citizens().passkeys.rp_id is not None,
    )


@blueprint.get(f"{PATH}/password")
@access.public
@own_page("factors", fresh=True)
def show_password(own: Own) -> Response:
    return browser.form_page("password.html", username=own.person.username, errors={})


@blueprint.post(f"{PATH}/password")
@access.public
def change_password() -> Response:
    browser.check_own_form()
    new = request.form.get("password", "")
    with parts().database.snapshot() as session:
        own = whose(session)
    if own is None or not own.is_fresh:
        return sign_in_first("factors")
    person = own.person
    personal = [person.name, person.username, person.email or "", person.phone or ""]
    if fault := passwords.fault(new, personal):
        return browser.form_page(
            "password.html",
            422,
            username=person.username,
            errors={"password": f"password_{fault}"},
        )
    with parts().passwords.turn():
        password_hash = parts().passwords.hash(new)
    with parts().database.transaction() as session:
        own = whose(session)
        if own is None:
            return sign_in_first("factors")
        accounts.change(session, own.person, password_hash=password_hash)
        changes.changed(session, own.person, "password-changed", here=own.here)
    return browser.go(PATH, done="password-changed")


@blueprint.get(f"{PATH}/authenticator")
@access.public
@own_page("factors", fresh=True)
def show_authenticator(own: Own) -> Response:
    return _authenticator(own)


@blueprint.post(f"{PATH}/authenticator")
@access.public
@own_page("factors", fresh=True)
def set_up_authenticator(own: Own) -> Response:
    sealed = request.form.get("set_up", "")
    secret = authenticator_apps.unseal(parts().vault, browser.own_id(), sealed)
    code, now = request.form.get("code", ""), parts().clock.now()
    step = totp.matching_step(secret, code, now, None) if secret else None
    if secret is None or step is None:
        return _authenticator(own, {"code": "wrong_code"}, 422, sealed)
    accounts.change(
        own.session,
        own.person,
        totp_secret=parts().vault.seal(secret, own.person.sub),
        totp_last_step=step,
    )
    changes.changed(own.session, own.person, "app-added", here=own.here)
    return browser.go(PATH, done="app-added")


@blueprint.post(f"{PATH}/authenticator/remove")
@access.public
@own_page("factors", fresh=True)
def remove_authenticator(own: Own) -> Response:
    if not factors.passkeys(own.session, own.person.sub):
        raise NotFound("This is your only second factor. Add a passkey first, then remove the app.")
    accounts.change(own.session, own.person, totp_secret=b"", totp_last_step=None)
    changes.changed(own.session, own.person, "app-removed", here=own.here)
    return browser.go(PATH, done="app-removed")


@blueprint.get(f"{PATH}/passkeys")
@access.public
@own_page("factors", fresh=True)
def show_new_passkey(own: Own) -> Response:
    return _passkey(own)


@blueprint.post(f"{PATH}/passkeys")
@access.public
@own_page("factors", fresh=True)
def add_own_passkey(own: Own) -> Response:
    given = new_passkey(own.session)
    if given is None:
        return _passkey(own, {"passkey": "passkey_not_added"}, 422)
    add_passkey(own.session, own.person, given, request.form.get("label", ""))
    changes.changed(own.session, own.person, "passkey-added", here=own.here)
    return browser.go(PATH, done="passkey-added")


@blueprint.post(f"{PATH}/passkeys/<passkey_id>/rename")
@access.public
@own_page("factors")
def rename_passkey(own: Own, passkey_id: str) -> Response:
    label = names.clean(request.form.get("label", ""))[:60]
    if label:
        _own_passkey(own, passkey_id).label = label
        changes.note(own.session, "passkey-renamed", own.person)
    return browser.go(PATH, done="passkey-renamed")


@blueprint.post(f"{PATH}/passkeys/<passkey_id>/remove")
@access.public
@own_page("factors", fresh=True)
def remove_passkey(own: Own, passkey_id: str) -> Response:
    found = _own_passkey(own, passkey_id)
    if not own.person.totp_secret and len(factors.passkeys(own.session, own.person.sub)) == 1:
        raise NotFound("This is your only second factor. Set up an app first, then remove the key.")
    own.session.delete(found)
    own.session.flush()
    changes.changed(own.session, own.person, "passkey-removed", here=own.here)
    return browser.go(PATH, done="passkey-removed")


@blueprint.post(f"{PATH}/recovery-codes")
@access.public
@own_page("factors", fresh=True)
def renew_recovery_codes(own: Own) -> Response:
    made = second_factor.new_recovery_codes(own.session, own.person.sub)
    changes.changed(own.session, own.person, "recovery-codes-renewed", here=own.here)
    response = browser.go(codes.PATH)
    codes.show_next(own.session, response, made)
    return response


def _own_passkey(own: Own, passkey_id: str) -> Passkey:
    found = factors.own_passkey(own.session, own.person.sub, passkey_id)
    if found is None:
        raise NotFound("You have no such passkey.")
    return found


def _used(one: Passkey) -> tuple[str, str] | None:
    return moment_in_words(one.last_used_at) if one.last_used_at else None


def _authenticator(
    own: Own, errors: dict[str, str] | None = None, status: int = 200, sealed: str = ""
) -> Response:
    return browser.form_page(
        "authenticator.html",
        status,
        errors=errors or {},
        has_app=bool(own.person.totp_secret),
        set_up=authenticator_apps.begin(
            parts().vault, browser.own_id(), own.person.username, sealed
        ),
    )


def _passkey(own: Own, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    have = [one.credential_id for one in factors.passkeys(own.session, own.person.sub)]
    return browser.form_page(
        "passkey.html",
        status,
        errors=errors or {},
        passkey_options=citizens().passkeys.to_add(
            browser.own_id(),
            own.person.sub,
            own.person.username,
            own.person.name,
            have,
            parts().clock.now(),
        ),
    )
