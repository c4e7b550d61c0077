"""Getting an account back: a message and a second factor, never one alone; announced; and slow.

Whoever forgot the password shows the code of a message and a one-time code or one on paper. Whoever
lost everything shows the code of a message and one on paper, and waits; on every channel the owner
reads how to stop it. Every answer is the same for names that nobody has.
"""

import secrets
from datetime import timedelta
from math import ceil

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from servicekit import access
from services.identity import authenticator_apps
from services.identity.domain import passwords, recovery_codes, totp
from services.identity.domain.digests import fingerprint
from services.identity.domain.sign_in import SET_UP_TRIES, Form
from services.identity.parts import parts
from services.identity.routes import browser, changes, codes, limits, second_factor
from services.identity.routes.account import Own, moment_in_words, own_page
from services.identity.storage import accounts, audit, factors, people, recoveries, sessions
from services.identity.storage.citizen_tables import Recovery
from services.identity.storage.tables import Person

blueprint = Blueprint("recovery", __name__)
PATH = "/identity/recovery"
PROOF, FINISH, CANCEL = f"{PATH}/proof", f"{PATH}/finish", f"{PATH}/cancel"
KINDS = ("password", "everything")
BEGIN_WITHIN, FINISH_WITHIN = timedelta(hours=1), timedelta(days=3)
MESSAGES_AN_HOUR = 3  # a stranger must not fill somebody's telephone


@blueprint.get(PATH)
@access.public
def show_recovery() -> Response:
    return _page(request.args.get("username", "")[:64])


@blueprint.post(PATH)
@access.public
def begin_recovery() -> Response:
    browser.check_own_form()
    account = Form(username=request.form.get("username", "")).account
    kind = request.form.get("lost", "")
    errors = {} if account else {"username": "missing_username"}
    if kind not in KINDS:
        errors["lost"] = "missing_lost"
    if errors:
        return _page(account, errors, 422)
    with parts().database.transaction() as session:
        attempt = limits.by_network(session, "recovery")
        if attempt.wait:
            return _page(account, {"username": "wait"}, 429, attempt.wait)
        secret = secrets.token_urlsafe(32)
        _begin(session, people.by_username(session, account), kind, secret)
    response = browser.go(PROOF)
    browser.keep_recovery(response, secret)
    return response


@blueprint.get(PROOF)
@access.public
def show_proof() -> Response:
    with parts().database.snapshot() as session:
        found = _of_browser(session)
    return _proof_page(found) if found else browser.go(PATH)


@blueprint.post(PROOF)
@access.public
def prove() -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        found = _of_browser(session)
        if found is None:
            return browser.go(PATH)
        if found.ready_at is not None:
            return browser.go(FINISH)
        if not recoveries.count_try(session, found, SET_UP_TRIES):
            recoveries.end(session, found, parts().clock.now())
            return _page("", {"username": "begin_anew"}, 422)
        person = _proved(session, found)
        if person is None:
            owner = people.by_subject(session, found.sub) if found.sub else None
            changes.note_unproved(session, "recovery-proof-failed", owner)
            return _proof_page(found, {"message_code": "wrong_proofs"}, 422)
        _make_ready(session, found, person)
    return browser.go(FINISH)


@blueprint.get(FINISH)
@access.public
def show_finish() -> Response:
    with parts().database.snapshot() as session:
        found = _of_browser(session)
        person = people.by_subject(session, found.sub) if found and found.sub else None
    if found is None or person is None or found.ready_at is None:
        return browser.go(PROOF)
    return _finish_page(found, person)


@blueprint.post(FINISH)
@access.public
def finish_recovery() -> Response:
    browser.check_own_form()
    new, sealed = request.form.get("password", ""), request.form.get("set_up", "")
    now, own = parts().clock.now(), browser.own_id()
    with parts().database.snapshot() as session:
        found = _of_browser(session)
        person = people.by_subject(session, found.sub) if found and found.sub else None
    if found is None or person is None or found.ready_at is None or now < found.ready_at:
        return browser.go(FINISH)
    everything, errors = found.kind == "everything", {}
    if fault := passwords.fault(new, [person.name, person.username, person.email or ""]):
        errors["password"] = f"password_{fault}"
    secret = authenticator_apps.unseal(parts().vault, own, sealed) if everything else None
    step = totp.matching_step(secret, request.form.get("code", ""), now, None) if secret else None
    if everything and step is None:
        errors["code"] = "wrong_code"
    if errors:
        return _finish_page(found, person, errors, 422, sealed)
    with parts().passwords.turn():
        password_hash = parts().passwords.hash(new)
    with parts().database.transaction() as session:
        if not recoveries.end(session, found, now):  # stopped or finished meanwhile
            return browser.go(PATH)
        accounts.change(session, person, password_hash=password_hash)
        response = browser.go("/identity/sign-in", done="recovered")
        if secret is not None:
            _replace_factors(session, person, secret, step, response)
        changes.changed(session, person, "recovered", here=None)
    browser.forget(response, browser.RECOVERY)
    return response


@blueprint.get(CANCEL)
@access.public
def show_cancel() -> Response:
    done = request.args.get("done") == "stopped"
    return browser.form_page("recovery-cancel.html", errors={}, done=done)


@blueprint.post(CANCEL)
@access.public
def cancel_recovery() -> Response:
    browser.check_own_form()
    code = request.form.get("cancel_code", "")
    with parts().database.transaction() as session:
        attempt = limits.by_network(session, "cancel")
        found = (
            None
            if attempt.wait
            else recoveries.by_cancel_code(session, _hash("cancel", code), parts().clock.now())
        )
        if found is None:
            return _cancel_page(attempt.wait)
        _stop(session, found)
    return browser.go(CANCEL, done="stopped")


@blueprint.post(f"{PATH}/stop")
@access.public
@own_page("factors")
def stop_own_recoveries(own: Own) -> Response:
    for found in recoveries.of_person(own.session, own.person.sub, parts().clock.now()):
        _stop(own.session, found)
    return browser.go("/identity/factors", done="recovery-stopped")


def _begin(session: Session, person: Person | None, kind: str, secret: str) -> None:
    """Remember the request and write to its owner; as much work for a name that nobody has."""
    now = parts().clock.now()
    if person is not None and not _may_write(session, person):
        person = None  # the answer stays the same
    message = str(secrets.randbelow(10**8)).zfill(8)
    cancel = recovery_codes.one()
    recoveries.add(
        session,
        Recovery(
            id_hash=fingerprint(secret),
            sub=person.sub if person else None,
            kind=kind,
            message_hash=_hash("message", message),
            cancel_hash=_hash("cancel", cancel),
            tries=0,
            started_at=now,
            expires_at=now + BEGIN_WITHIN,
            ready_at=None,
            ended_at=None,
        ),
        now,
    )
    changes.note_unproved(session, "recovery-started", person, lost=kind)
    stop = f"{parts().settings.public_url}{CANCEL}"
    changes.tell(session, person, "told_recovery_started", code=message, cancel=cancel, stop=stop)


def _may_write(session: Session, person: Person) -> bool:
    """Whether the owner gets another message; a device of their own is not held up by strangers."""
    if sessions.is_known_device(session, browser.cookie(browser.DEVICE), person.sub):
        return True
    hour_ago = parts().clock.now() - timedelta(hours=1)
    begun = audit.count_since(session, person.sub, ["recovery-started"], hour_ago)
    return begun < MESSAGES_AN_HOUR


def _proved(session: Session, found: Recovery) -> Person | None:
    """Return whose account it is when both proofs are right; a code on paper is taken then."""
    person = people.by_subject(session, found.sub) if found.sub else None
    code = request.form.get("code", "")
    given = _hash("message", request.form.get("message_code", ""))
    if person is None or not secrets.compare_digest(given, found.message_hash):
        return None
    if found.kind == "everything" and not recovery_codes.is_one(code):
        return None
    return person if second_factor.proof(session, person, code) else None


def _make_ready(session: Session, found: Recovery, person: Person) -> None:
    """Let the request be finished: at once with an old factor left, else after the wait."""
    now = parts().clock.now()
    wait = parts().settings.recovery_wait if found.kind == "everything" else timedelta()
    found.ready_at, found.expires_at = now + wait, now + wait + FINISH_WITHIN
    session.flush()
    changes.note(session, "recovery-proved", person, lost=found.kind)
    if wait:
        cancel = recovery_codes.one()  # the earlier message may be gone; this one stops it, too
        found.cancel_hash = _hash("cancel", cancel)
        ready = found.ready_at.astimezone(changes.MALDIVES).strftime("%Y-%m-%d %H:%M")
        stop = f"{parts().settings.public_url}{CANCEL}"
        changes.tell(session, person, "told_recovery_waits", ready=ready, cancel=cancel, stop=stop)


def _replace_factors(
    session: Session, person: Person, secret: str, step: int | None, response: Response
) -> None:
    sealed = parts().vault.seal(secret, person.sub)
    accounts.change(session, person, totp_secret=sealed, totp_last_step=step)
    factors.remove_passkeys(session, person.sub)
    codes.show_next(session, response, second_factor.new_recovery_codes(session, person.sub))


def _stop(session: Session, found: Recovery) -> None:
    if recoveries.end(session, found, parts().clock.now()) and found.sub:
        person = people.by_subject(session, found.sub)
        changes.note_unproved(session, "recovery-stopped", person)
        changes.tell(session, person, "told_recovery_stopped")


def _cancel_page(wait: timedelta) -> Response:
    wait_s = ceil(wait.total_seconds())
    response = browser.form_page(
        "recovery-cancel.html",
        429 if wait_s else 422,
        errors={"cancel_code": "wait" if wait_s else "wrong_cancel_code"},
        wait_s=wait_s,
        done=False,
    )
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def _hash(use: str, code: str) -> str:
    return recovery_codes.keyed(parts().vault.key_for("recovery-messages"), use, code)


def _of_browser(session: Session) -> Recovery | None:
    secret = browser.cookie(browser.RECOVERY)
    if not secret:
        return None
    return recoveries.find(session, fingerprint(secret), parts().clock.now())


def _page(
    username: str,
    errors: dict[str, str] | None = None,
    status: int = 200,
    wait: timedelta = timedelta(),
) -> Response:
    wait_s = ceil(wait.total_seconds())
    response = browser.form_page(
        "recovery.html",
        status,
        username=username,
        lost=request.form.get("lost", ""),
        errors=errors or {},
        wait_s=wait_s,
    )
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def _proof_page(
    found: Recovery, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    return browser.form_page("recovery-proof.html", status, kind=found.kind, errors=errors or {})


def _finish_page(
    found: Recovery,
    person: Person,
    errors: dict[str, str] | None = None,
    status: int = 200,
    sealed: str = "",
) -> Response:
    assert found.ready_at is not None  # noqa: S101 (both callers looked)
    waits = parts().clock.now() < found.ready_at
    set_up = None
    if not waits and found.kind == "everything":
        set_up = authenticator_apps.begin(parts().vault, browser.own_id(), person.username, sealed)
    return browser.form_page(
        "recovery-finish.html",
        status,
        errors=errors or {},
        username=person.username,
        set_up=set_up,
        ready=moment_in_words(found.ready_at) if waits else None,
    )
