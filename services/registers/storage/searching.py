"""Finding records by words and values: an index in ordinary tables, alike on both engines.

It is written when somebody searches, from the log, up to the size that the log has then; so an
append or a load never waits for it. What a record was found under before is told by the log.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from servicekit.database import Database
from services.registers.domain import words
from services.registers.domain.items import Field
from services.registers.storage import heads, log, rows
from services.registers.storage.tables import Head, Register, SearchState, SearchTerm, core

MOST_RECORDS = 1_000_000  # of larger registers only keys are searched
AT_ONCE = 1000  # entries of one transaction
PATIENCE = 3000  # entries that a search waits for; the rest is written behind its back
COLUMNS = ("register_id", "term", "key")
_TABLE = core(SearchTerm.__table__)


def catch_up(database: Database, register: str, most: int = PATIENCE) -> tuple[int, int]:
    """Write the words of a register's newest entries; return how many entries are in, and of all.

    A register that is too large has 0 in.
    """
    while True:
        with database.snapshot() as session:
            head = heads.find_register(session, register)
            if head is None:
                return 0, 0
            size = int(head["size"])
            done = _done(session, head["id"])
        if head["records"] > MOST_RECORDS:
            return 0, size
        if (done is not None and done >= size) or most <= 0:
            return done or 0, size
        try:
            with database.transaction() as session:
                _index(session, head["id"], heads.fields_of(head), heads.key_field(head))
        except IntegrityError:  # its rules were others once: begin again
            with database.transaction() as session:
                forget(session, head["id"])
        most -= AT_ONCE


def behind(session: Session) -> list[str]:
    """Return the registers that somebody searched and whose words are not all written."""
    return list(
        session.scalars(
            select(Register.name)
            .join(Head, Head.register_id == Register.id)
            .join(SearchState, SearchState.register_id == Register.id)
            .where(SearchState.size < Head.size, Head.records <= MOST_RECORDS)
            .order_by(Register.id)
        )
    )


def forget(session: Session, register_id: int) -> None:
    """Forget the words of a register; the next search writes them again."""
    session.execute(delete(SearchTerm).where(SearchTerm.register_id == register_id))
    session.execute(delete(SearchState).where(SearchState.register_id == register_id))


def keys_with(
    session: Session,
    register_id: int,
    asked: Sequence[str],
    values: Sequence[str],
    start: str | None,
    limit: int,
) -> list[str]:
    """Return the keys of records with words that begin so and with these values, in order.

    values: terms that ``words.value_term`` made.
    """
    found = _matching(register_id, asked, values)
    if start is not None:
        found = found.where(SearchTerm.key >= start)
    return list(session.scalars(found.distinct().order_by(SearchTerm.key).limit(limit)))


def count_with(
    session: Session, register_id: int, asked: Sequence[str], values: Sequence[str]
) -> int:
    """Return how many records ``keys_with`` would find."""
    inner = _matching(register_id, asked, values).distinct().subquery()
    return session.scalar(select(func.count()).select_from(inner)) or 0


def values_of(
    session: Session,
    register_id: int,
    field: str,
    asked: Sequence[str],
    values: Sequence[str],
    limit: int,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a field's values (term, count) in the records found, the most frequent first."""
    first = f"={field}="
    count = func.count().label("count")
    statement = select(SearchTerm.term, count).where(
        SearchTerm.register_id == register_id,
        SearchTerm.term >= first,
        SearchTerm.term < first + words.LAST,
    )
    if asked or values:
        statement = statement.where(SearchTerm.key.in_(_matching(register_id, asked, values)))
    return session.execute(
        statement.group_by(SearchTerm.term).order_by(count.desc(), SearchTerm.term).limit(limit)
    ).all()


def _matching(register_id: int, asked: Sequence[str], values: Sequence[str]) -> Select[Any]:
    parts: list[Select[Any]] = []
    for value in values:
        parts.append(_keys(register_id).where(SearchTerm.term == value))
    for word in sorted(asked, key=len, reverse=True):  # the longest word leaves the fewest
        parts.append(
            _keys(register_id).where(SearchTerm.term >= word, SearchTerm.term < word + words.LAST)
        )
    first, *others = parts
    for other in others:
        first = first.where(SearchTerm.key.in_(other))
    return first


def _keys(register_id: int) -> Select[Any]:
    return select(SearchTerm.key).where(SearchTerm.register_id == register_id)


def _done(session: Session, register_id: int) -> int | None:
    return session.scalar(select(SearchState.size).where(SearchState.register_id == register_id))


def _index(session: Session, register_id: int, fields: Sequence[Field], key_field: str) -> None:
    """Write the words of the next entries; whoever comes second finds them there."""
    done = session.scalar(
        select(SearchState.size).where(SearchState.register_id == register_id).with_for_update()
    )
    if done is None:
        session.execute(
            core(SearchState.__table__).insert().values(register_id=register_id, size=0)
        )
        done = 0
    end = min(log.size_of(session, register_id), done + AT_ONCE)
    latest = {row.key: row for row in log.entries_between(session, register_id, done + 1, end)}
    new: list[tuple[int, str, str]] = []
    gone: list[dict[str, str]] = []
    for key, row in latest.items():
        before = log.record_at(session, register_id, key, done) if done else None
        old = words.terms_of(fields, key_field, json.loads(before.content)) if before else set()
        terms = words.terms_of(fields, key_field, json.loads(row.content))
        new += [(register_id, term, key) for term in terms - old]
        gone += [{"at_term": term, "at_key": key} for term in old - terms]
    if gone:
        session.connection().execute(
            delete(_TABLE).where(
                _TABLE.c.register_id == register_id,
                _TABLE.c.term == bindparam("at_term"),
                _TABLE.c.key == bindparam("at_key"),
            ),
            gone,
        )
    rows.write(session, _TABLE, COLUMNS, sorted(new))
    session.execute(
        update(SearchState).where(SearchState.register_id == register_id).values(size=end)
    )
