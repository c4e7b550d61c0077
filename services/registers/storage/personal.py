"""Personal records: whose they are, their values (which can be erased), and asked corrections.

The log itself is an ordinary one of commitments. A person is found by a keyed digest only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Index,
    LargeBinary,
    Row,
    String,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.registers.storage.tables import KEY, Blob, Entry, Table

OPEN = "open"


class PersonalRecord(Table):
    """A record of a personal register and the person it is about.

    ``subject``: a keyed digest of the person, nothing once the record is erased.
    """

    __tablename__ = "personal_record"
    __table_args__ = (Index("personal_record_by_subject", "register_id", "subject", "key"),)

    register_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    subject: Mapped[bytes | None] = mapped_column(LargeBinary)
    number: Mapped[int] = mapped_column(BigInteger)  # its newest entry


class PersonalValue(Table):
    """One field of one entry, with its salt, encrypted; deleting the row erases it."""

    __tablename__ = "personal_value"

    register_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    field: Mapped[str] = mapped_column(String(200), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Correction(Table):
    """What a person asked to be put right in their record, and what the custodian decided.

    ``sealed``: the field, the wanted value and the reason; ``answer``: the custodian's, both
    encrypted. ``sealed_subject``: the person, for the custodian who must say whose record it opens.
    """

    __tablename__ = "correction"
    __table_args__ = (Index("correction_by_record", "register_id", "key", "made"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    register_id: Mapped[int]
    key: Mapped[str] = mapped_column(KEY)
    sealed_subject: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    state: Mapped[str] = mapped_column(String(10))  # open, accepted or rejected
    decided: Mapped[int | None] = mapped_column(BigInteger)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)


_RECORD = select(PersonalRecord.key, PersonalRecord.number)


def records(
    session: Session, register_id: int, subject: bytes, after: str, limit: int
) -> Sequence[Row[str, int]]:
    """Return a person's records (key, number) in the order of their keys, after a key."""
    return session.execute(
        _RECORD.where(
            PersonalRecord.register_id == register_id,
            PersonalRecord.subject == subject,
            PersonalRecord.key > after,
        )
        .order_by(PersonalRecord.key)
        .limit(limit)
    ).all()


def find(session: Session, register_id: int, key: str, subject: bytes) -> Row[str, int] | None:
    """Return a record (key, number) if it is this person's."""
    return session.execute(
        _RECORD.where(
            PersonalRecord.register_id == register_id,
            PersonalRecord.key == key,
            PersonalRecord.subject == subject,
        )
    ).first()


def keep(session: Session, register_id: int, key: str, subject: bytes, number: int) -> None:
    """Say whose record a key is and which entry is its newest."""
    place = (PersonalRecord.register_id == register_id, PersonalRecord.key == key)
    moved = session.execute(update(PersonalRecord).where(*place).values(number=number))
    if not moved.rowcount:  # type: ignore[attr-defined]
        session.execute(
            insert(PersonalRecord).values(
                register_id=register_id, key=key, subject=subject, number=number
            )
        )


def keep_values(
    session: Session, register_id: int, key: str, number: int, sealed: Mapping[str, bytes]
) -> None:
    """Keep the values of an entry by their fields."""
    session.execute(
        insert(PersonalValue),
        [
            {
                "register_id": register_id,
                "key": key,
                "number": number,
                "field": field,
                "sealed": one,
            }
            for field, one in sealed.items()
        ],
    )


def entries(
    session: Session, register_id: int, key: str, limit: int
) -> Sequence[Row[int, int, bytes]]:
    """Return the newest entries of a record (number, timestamp, hash), oldest first."""
    newest = session.execute(
        select(Entry.number, Entry.timestamp, Blob.hash)
        .join(Blob, (Blob.register_id == Entry.register_id) & (Blob.number == Entry.blob))
        .where(Entry.register_id == register_id, Entry.key == key)
        .order_by(Entry.number.desc())
        .limit(limit)
    ).all()
    return newest[::-1]


def values(
    session: Session, register_id: int, key: str, numbers: Iterable[int]
) -> dict[int, dict[str, bytes]]:
    """Return the values of some entries of a record: number → field → sealed."""
    found: dict[int, dict[str, bytes]] = {}
    rows = session.execute(
        select(PersonalValue.number, PersonalValue.field, PersonalValue.sealed).where(
            PersonalValue.register_id == register_id,
            PersonalValue.key == key,
            PersonalValue.number.in_(list(numbers)),
        )
    )
    for number, field, sealed in rows:
        found.setdefault(number, {})[field] = sealed
    return found


def erase(session: Session, register_id: int, key: str, number: int) -> None:
    """Forget values, salts, corrections and whose a record was; the log stays as it is."""
    if session.connection().dialect.name == "sqlite":
        session.execute(text("PRAGMA secure_delete = ON"))  # overwrite the freed pages, too
    for table in (PersonalValue, Correction):
        session.execute(delete(table).where(table.register_id == register_id, table.key == key))
    session.execute(
        update(PersonalRecord)
        .where(PersonalRecord.register_id == register_id, PersonalRecord.key == key)
        .values(subject=None, number=number)
    )


def ask_correction(session: Session, **columns: Any) -> None:
    """Keep a correction that a person asks for; the arguments are columns of ``Correction``."""
    session.execute(insert(Correction).values(state=OPEN, **columns))


def corrections(
    session: Session, register_id: int, key: str | None = None, *, only_open: bool = False
) -> Sequence[Correction]:
    """Return the corrections asked for, of one record or of all, oldest first, 100 at most."""
    statement = select(Correction).where(Correction.register_id == register_id)
    if key is not None:
        statement = statement.where(Correction.key == key)
    if only_open:
        statement = statement.where(Correction.state == OPEN)
    return session.scalars(statement.order_by(Correction.made, Correction.id).limit(100)).all()


def open_corrections(session: Session, register_id: int, key: str) -> int:
    """Count the corrections of a record that nobody has decided yet."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Correction)
            .where(
                Correction.register_id == register_id,
                Correction.key == key,
                Correction.state == OPEN,
            )
        )
        or 0
    )


def find_correction(session: Session, register_id: int, identifier: str) -> Correction | None:
    """Return one correction."""
    found = session.get(Correction, identifier, populate_existing=True)
    return found if found is not None and found.register_id == register_id else None
