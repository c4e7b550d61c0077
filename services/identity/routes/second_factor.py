"""The second thing that a person shows beside the password: a one-time code or one on paper."""

from sqlalchemy.orm import Session

from services.identity.domain import assurance, recovery_codes, totp
from services.identity.domain.assurance import Proof
from services.identity.parts import parts
from services.identity.routes import changes
from services.identity.storage import factors, people
from services.identity.storage.tables import Person


def proof(session: Session, person: Person, code: str) -> Proof | None:
    """Take a one-time code or a recovery code of this person; None when it is neither."""
    if recovery_codes.is_one(code):
        return _on_paper(session, person, code)
    return assurance.PASSWORD_AND_CODE if _from_app(session, person, code) else None


def keyed(sub: str, code: str) -> str:
    """Return what is stored of a recovery code."""
    return recovery_codes.keyed(parts().vault.key_for("recovery-codes"), sub, code)


def new_recovery_codes(session: Session, sub: str) -> list[str]:
    """Give a person ten new codes in place of the old ones; return them to be shown once."""
    made = recovery_codes.new()
    factors.replace_recovery_codes(session, sub, [keyed(sub, code) for code in made])
    return made


def _from_app(session: Session, person: Person, code: str) -> bool:
    if not person.totp_secret:
        return False
    secret = parts().vault.open(person.totp_secret, person.sub)
    step = totp.matching_step(secret, code, parts().clock.now(), person.totp_last_step)
    return step is not None and people.take_totp_step(session, person.sub, step)


def _on_paper(session: Session, person: Person, code: str) -> Proof | None:
    now = parts().clock.now()
    if not factors.take_recovery_code(session, person.sub, keyed(person.sub, code), now):
        return None
    left = factors.recovery_codes_left(session, person.sub)
    changes.note(session, "recovery-code-used", person, left=str(left))
    changes.tell(session, person, "told_recovery_code_used", left=str(left))
    return assurance.PASSWORD_AND_RECOVERY_CODE
