"""A new account: who and how to reach, a password, then a second factor. No papers are needed.

Nothing is made before the second factor works. The user name ends in a number that the platform
draws, so no answer tells whether somebody else has an account.
"""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from math import ceil

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.pages import language
from services.identity import authenticator_apps
from services.identity.citizens import citizens
from services.identity.domain import assurance, names, passwords, totp
from services.identity.domain.assurance import Proof
from services.identity.domain.digests import random_id
from services.identity.domain.sign_in import SET_UP_TRIES
from services.identity.parts import parts
from services.identity.passkeys import Given, Spent, credential_hash
from services.identity.routes import browser, changes, codes, limits, second_factor, sign_in
from services.identity.storage import accounts, factors, pending, people
from services.identity.storage.tables import Person

blueprint = Blueprint("registration", __name__)
PATH = "/identity/register"
FACTOR = f"{PATH}/second-factor"
FIELDS = ("name", "name_dv", "username", "email", "phone", "password")
KIND, LIFE = "registration", timedelta(hours=1)


@dataclass(frozen=True)
class Begun:
    """A registration between its two pages."""

    sub: str
    username: str
    name: str
    name_dv: str | None
    email: str | None
    phone: str | None
    language: str
    password_hash: str
    tries: int = 0


@blueprint.get(PATH)
@access.public
def show_registration() -> Response:
    return _page({})


@blueprint.post(PATH)
@access.public
def begin_registration() -> Response:
    browser.check_own_form()
    form = {field: request.form.get(field, "") for field in FIELDS}
    errors = _faults(form)
    if errors:
        return _page(form, errors, status=422)
    with parts().database.transaction() as session:
        attempt = limits.by_network(session, "register")
    if attempt.wait:
        return _page(form, {"name": "wait"}, status=429, wait=attempt.wait)
    with parts().passwords.turn():
        password_hash = parts().passwords.hash(form["password"])
    with parts().database.transaction() as session:
        begun = Begun(
            random_id(),
            _free_username(session, str(names.stem(form["username"]))),
            names.clean(form["name"]),
            names.clean(form["name_dv"]) or None,
            names.email(form["email"]),
            names.phone(form["phone"]),
            language(),
            password_hash,
        )
        _keep(session, begun)
    return browser.go(FACTOR)


@blueprint.get(FACTOR)
@access.public
def show_second_factor() -> Response:
    with parts().database.snapshot() as session:
        begun = _begun(session)
    return _factor_page(begun) if begun else browser.go(PATH)


@blueprint.post(FACTOR)
@access.public
def register_with_app() -> Response:
    browser.check_own_form()
    sealed = request.form.get("set_up", "")
    with parts().database.transaction() as session:
        begun = _begun(session)
        if begun is None:
            return browser.go(PATH)
        secret = authenticator_apps.unseal(parts().vault, browser.own_id(), sealed)
        code, now = request.form.get("code", ""), parts().clock.now()
        step = totp.matching_step(secret, code, now, None) if secret else None
        if secret is None or step is None:
            return _tried(session, begun, sealed)
        begun = _still_free(session, begun)
        person = _make(session, begun, parts().vault.seal(secret, begun.sub), step)
        return _welcome(session, person, assurance.PASSWORD_AND_CODE)


@blueprint.post(f"{PATH}/passkey")
@access.public
def register_with_passkey() -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        begun = _begun(session)
        if begun is None:
            return browser.go(PATH)
        given = new_passkey(session)
        if given is None:
            return _factor_page(begun, {"passkey": "passkey_not_added"}, status=422)
        person = _make(session, _still_free(session, begun), b"", None)
        add_passkey(session, person, given, "")
        return _welcome(session, person, assurance.passkey(device_bound=given.device_bound))


def new_passkey(session: Session) -> Given | None:
    """Return the passkey that this browser's device made, or None when the answer is wrong."""
    now = parts().clock.now()

    def spend(spent: Spent) -> bool:
        return factors.spend_challenge(session, spent.digest, spent.expires_at, now)

    given = citizens().passkeys.added(
        browser.cookie(browser.SESSION), request.form.get("credential", ""), now, spend
    )
    taken = given and factors.passkey(session, credential_hash(given.credential_id))
    return None if taken else given


def add_passkey(session: Session, person: Person, given: Given, label: str) -> None:
    """Give a person a passkey under a name that they will recognise."""
    factors.add_passkey(
        session,
        person.sub,
        credential_hash=credential_hash(given.credential_id),
        credential_id=given.credential_id,
        public_key=given.public_key,
        sign_count=given.sign_count,
        device_bound=given.device_bound,
        label=names.clean(label)[:60] or browser.whence().device or "-",
        now=parts().clock.now(),
    )


def _welcome(session: Session, person: Person, proof: Proof) -> Response:
    pending.remove(session, browser.cookie(browser.SESSION), KIND)
    made = second_factor.new_recovery_codes(session, person.sub)
    changes.note(session, "registered", person, way=proof.way)
    response = sign_in.finish(session, person, proof)
    codes.show_next(session, response, made)
    return response


def _make(session: Session, begun: Begun, totp_secret: bytes, step: int | None) -> Person:
    values = {k: v for k, v in asdict(begun).items() if k != "tries"}
    return accounts.add(session, **values, totp_secret=totp_secret, totp_last_step=step)


def _faults(form: dict[str, str]) -> dict[str, str]:
    """Return the text of the error of each faulty field."""
    errors = {}
    if not names.is_name(names.clean(form["name"])):
        errors["name"] = "bad_name"
    if len(names.clean(form["name_dv"])) > names.LONGEST_NAME:
        errors["name_dv"] = "bad_name"
    if names.stem(form["username"]) is None:
        errors["username"] = "bad_username"
    for field, parse in (("email", names.email), ("phone", names.phone)):
        if form[field].strip() and parse(form[field]) is None:
            errors[field] = f"bad_{field}"
    personal = [form["name"], form["username"], form["email"], form["phone"]]
    if fault := passwords.fault(form["password"], personal):
        errors["password"] = f"password_{fault}"
    return errors


def _tried(session: Session, begun: Begun, sealed: str) -> Response:
    if begun.tries + 1 >= SET_UP_TRIES:
        pending.remove(session, browser.cookie(browser.SESSION), KIND)
        return _page({}, {"name": "begin_anew"}, status=422)
    _keep(session, Begun(**{**asdict(begun), "tries": begun.tries + 1}))
    return _factor_page(begun, {"code": "wrong_code"}, status=422, sealed=sealed)


def _free_username(session: Session, stem: str) -> str:
    while people.by_username(session, found := names.username(stem)) is not None:
        pass
    return found


def _still_free(session: Session, begun: Begun) -> Begun:
    if people.by_username(session, begun.username) is None:
        return begun
    stem = begun.username.rpartition("-")[0]
    return Begun(**{**asdict(begun), "username": _free_username(session, stem)})


def _keep(session: Session, begun: Begun) -> None:
    owner, now = browser.cookie(browser.SESSION), parts().clock.now()
    sealed = parts().vault.seal(json.dumps(asdict(begun)), f"{KIND}:{owner}")
    pending.put(session, owner, KIND, sealed, now, now + LIFE)


def _begun(session: Session) -> Begun | None:
    owner = browser.cookie(browser.SESSION)
    sealed = pending.get(session, owner, KIND, parts().clock.now())
    if sealed is None:
        return None
    return Begun(**json.loads(parts().vault.open(sealed, f"{KIND}:{owner}")))


def _page(
    form: dict[str, str],
    errors: dict[str, str] | None = None,
    status: int = 200,
    wait: timedelta = timedelta(),
) -> Response:
    wait_s = ceil(wait.total_seconds())
    response = browser.form_page(
        "register.html", status, form=form, errors=errors or {}, wait_s=wait_s
    )
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def _factor_page(
    begun: Begun, errors: dict[str, str] | None = None, status: int = 200, sealed: str = ""
) -> Response:
    own, now = browser.own_id(), parts().clock.now()
    return browser.form_page(
        "register-factor.html",
        status,
        errors=errors or {},
        username=begun.username,
        set_up=authenticator_apps.begin(parts().vault, own, begun.username, sealed),
        passkey_options=citizens().passkeys.to_add(
            own, begun.sub, begun.username, begun.name, [], now
        ),
    )
