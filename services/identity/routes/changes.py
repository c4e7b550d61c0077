"""What follows a change of factors: written down, told on every channel, tokens ended."""

from datetime import timedelta, timezone

from flask import current_app
from sqlalchemy.orm import Session

from servicekit.pages import LANGUAGES
from services.identity.citizens import citizens
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import accounts, audit, sessions
from services.identity.storage.tables import Person, SignInSession

MALDIVES = timezone(timedelta(hours=5))


def changed(
    session: Session, person: Person, kind: str, *, here: SignInSession | None, **details: str
) -> None:
    """Take a change of factors seriously, in the transaction that makes it.

    here: the session that made the change, which goes on; every other session and everything that
    services got from any of them ends, and no device is known any longer.
    """
    now = parts().clock.now()
    accounts.end_sessions(session, person.sub, now, keep=here.id_hash if here else None)
    sessions.forget_devices(session, person.sub)
    note(session, kind, person, **details)
    tell(session, person, f"told_{kind.replace('-', '_')}")


def note(session: Session, kind: str, person: Person, **details: str) -> None:
    """Write an event that a person brought about for their own account."""
    audit.record_event(
        session,
        kind,
        at=parts().clock.now(),
        actor=person.sub,
        about=person.sub,
        visitor=browser.whence(),
        details=details,
    )


def note_unproved(session: Session, kind: str, person: Person | None, **details: str) -> None:
    """Write an event of somebody who did not prove who they are."""
    audit.record_event(
        session,
        kind,
        at=parts().clock.now(),
        about=person.sub if person else None,
        visitor=browser.whence(),
        details=details,
    )


def tell(session: Session, person: Person | None, key: str, **values: str) -> None:
    """Announce something on every channel of a person, in their own language.

    Without a person as much work is done, for nobody.
    """
    local = parts().clock.now().astimezone(MALDIVES)
    given = {
        "when": local.strftime("%Y-%m-%d %H:%M"),
        "address": f"{parts().settings.public_url}/identity/recovery",
        **values,
    }
    spoken = person.language if person and person.language in LANGUAGES else "en"
    subject, body = (_words(name, spoken, given) for name in ("told_subject", key))
    if person is None:
        citizens().announcer.announce_to_nobody(session, subject, body)
    else:
        citizens().announcer.announce(session, person, subject, body)


def _words(key: str, spoken: str, values: dict[str, str]) -> str:
    found = current_app.config["ATOLL_TEXTS"][key]
    return str(found.get(spoken) or found["en"]).format(**values)
