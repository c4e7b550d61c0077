"""Where a person is signed in, and what happened to the account: lists, and ways to end things."""

from dataclasses import dataclass

from flask import Blueprint, Response, current_app, request

from servicekit import access
from servicekit.pages import text
from servicekit.problems import NotFound
from services.identity.parts import parts
from services.identity.routes import browser, changes
from services.identity.routes.account import Own, moment_in_words, own_page
from services.identity.storage import accounts, audit, grants, sessions
from services.identity.storage.citizen_tables import AuditEvent
from services.identity.storage.tables import SignInSession

blueprint = Blueprint("devices", __name__)
DEVICES, HISTORY = "/identity/devices", "/identity/history"


@dataclass(frozen=True)
class Device:
    """A signed-in browser as the page shows it."""

    id: str
    name: str
    network: str
    since: tuple[str, str]
    seen: tuple[str, str]
    is_this: bool


@dataclass(frozen=True)
class Happened:
    """An event as the page shows it."""

    what: str
    how: str
    when: tuple[str, str]
    device: str
    network: str
    is_warning: bool


@blueprint.get(DEVICES)
@access.public
@own_page("devices")
def show_devices(own: Own) -> Response:
    living = sessions.of_person(
        own.session, own.person.sub, parts().clock.now(), parts().session_idle
    )
    return browser.form_page(
        "devices.html",
        name=own.name,
        devices=[_device(one, own) for one in living],
        done="ended" if request.args.get("done") == "ended" else None,
    )


@blueprint.post(f"{DEVICES}/<session_id>/end")
@access.public
@own_page("devices")
def end_session(own: Own, session_id: str) -> Response:
    now = parts().clock.now()
    living = sessions.of_person(own.session, own.person.sub, now, parts().session_idle)
    found = next((one for one in living if one.id_hash == session_id), None)
    if found is None:
        raise NotFound("This sign-in has ended already, or it is not yours.")
    grants.revoke_of_session(own.session, found.id_hash, now)
    sessions.close(own.session, found.id_hash)
    changes.note(own.session, "session-ended", own.person)
    return _ended() if found is own.here else browser.go(DEVICES, done="ended")


@blueprint.post(f"{DEVICES}/end-all")
@access.public
@own_page("devices")
def end_all_sessions(own: Own) -> Response:
    accounts.end_sessions(own.session, own.person.sub, parts().clock.now())
    sessions.forget_devices(own.session, own.person.sub)
    changes.note(own.session, "all-sessions-ended", own.person)
    return _ended()


@blueprint.get(HISTORY)
@access.public
@own_page("history")
def show_history(own: Own) -> Response:
    given = request.args.get("before", "")
    before = int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else None
    events = audit.about_person(own.session, own.person.sub, before)
    return browser.form_page(
        "history.html",
        name=own.name,
        events=[_happened(event) for event in events],
        older=events[-1].id if len(events) == audit.PAGE else None,
    )


def _ended() -> Response:
    response = browser.go("/identity/sign-in", done="ended")
    browser.forget(response)
    return response


def _device(one: SignInSession, own: Own) -> Device:
    return Device(
        one.id_hash,
        one.device,
        one.network,
        moment_in_words(one.started_at),
        moment_in_words(one.seen_at),
        one.id_hash == own.here.id_hash,
    )


def _happened(event: AuditEvent) -> Happened:
    way = str(event.details.get("way", ""))
    return Happened(
        _words(f"event_{event.kind.replace('-', '_')}", event.kind),
        _words(f"way_{way.replace('-', '_')}", way) if way else "",
        moment_in_words(event.at),
        event.device,
        event.network,
        event.kind in ("sign-in-failed", "recovery-started", "recovery-proof-failed"),
    )


def _words(key: str, otherwise: str) -> str:
    return text(key) if key in current_app.config["ATOLL_TEXTS"] else otherwise
