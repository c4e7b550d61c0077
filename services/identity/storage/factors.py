"""What people prove themselves with: passkeys and recovery codes, each answer taken once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from services.identity.domain.digests import random_id
from services.identity.storage.citizen_tables import Passkey, RecoveryCode, SpentChallenge


def passkeys(session: Session, sub: str) -> Sequence[Passkey]:
    """Return a person's passkeys, the oldest first."""
    return session.scalars(
        select(Passkey).where(Passkey.sub == sub).order_by(Passkey.created_at, Passkey.id)
    ).all()


def passkey(session: Session, credential_hash: str) -> Passkey | None:
    """Return the passkey with this credential id (its hash), or None."""
    return session.scalar(select(Passkey).where(Passkey.credential_hash == credential_hash))


def own_passkey(session: Session, sub: str, passkey_id: str) -> Passkey | None:
    """Return one passkey of this person, or None."""
    if "\0" in passkey_id:
        return None
    return session.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.sub == sub))


def add_passkey(
    session: Session,
    sub: str,
    *,
    credential_hash: str,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    device_bound: bool,
    label: str,
    now: datetime,
) -> None:
    """Remember a new passkey."""
    session.add(
        Passkey(
            id=random_id(),
            sub=sub,
            credential_hash=credential_hash,
            credential_id=credential_id,
            public_key=public_key,
            sign_count=sign_count,
            device_bound=device_bound,
            label=label,
            created_at=now,
            last_used_at=None,
        )
    )
    session.flush()


def count_use(session: Session, used: Passkey, sign_count: int, now: datetime) -> bool:
    """Note a passkey's use; False when another request noted the same or a later one."""
    result = session.execute(
        update(Passkey)
        .where(
            Passkey.id == used.id,
            Passkey.sign_count == used.sign_count,  # what the answer was checked against
        )
        .values(sign_count=sign_count, last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    return _one(result)


def remove_passkeys(session: Session, sub: str) -> None:
    """Remove every passkey of a person."""
    session.execute(delete(Passkey).where(Passkey.sub == sub))


def spend_challenge(session: Session, digest: str, expires_at: datetime, now: datetime) -> bool:
    """Take a challenge; False when it was answered before."""
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    session.execute(delete(SpentChallenge).where(SpentChallenge.expires_at < now))
    taken = session.scalar(
        insert(SpentChallenge)
        .values(digest=digest, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(SpentChallenge.digest)
    )
    return taken is not None


def replace_recovery_codes(session: Session, sub: str, hashes: Iterable[str]) -> None:
    """Give a person new recovery codes; the old ones are worth nothing from here on."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.sub == sub))
    session.add_all(RecoveryCode(code_hash=one, sub=sub, used_at=None) for one in hashes)
    session.flush()


def recovery_codes_left(session: Session, sub: str) -> int:
    """Return how many recovery codes a person has not used."""
    query = select(func.count()).where(RecoveryCode.sub == sub, RecoveryCode.used_at.is_(None))
    return session.scalar(query) or 0


def take_recovery_code(session: Session, sub: str, code_hash: str, now: datetime) -> bool:
    """Take a recovery code; False when it is not this person's or was used."""
    result = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.code_hash == code_hash,
            RecoveryCode.sub == sub,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    return _one(result)


def _one(result: object) -> bool:
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1
