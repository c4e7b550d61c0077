"""Agreements and plans: which client may call which service, and how often."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Date, String, Table, Text, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.storage.base import Base
from gateway.storage.exchanges import Exchange

ID_LENGTH = 40


class Agreement(Base):
    """One client may call one service, from a day to a day, on a legal basis."""

    __tablename__ = "agreements"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(255), index=True)
    service: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    legal_basis: Mapped[dict[str, str]] = mapped_column(JSON)
    since: Mapped[date] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)
    made_at_ms: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(255))
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_by: Mapped[str | None] = mapped_column(String(255))
    ended_because: Mapped[str | None] = mapped_column(Text)


class ClientPlan(Base):
    """How much one client may call, where it is not the ordinary plan."""

    __tablename__ = "client_plans"

    client_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    plan: Mapped[str] = mapped_column(String(16))


def add_agreement(session: Session, values: Mapping[str, Any]) -> Agreement:
    """Write down a new agreement."""
    agreement = Agreement(**values)
    session.add(agreement)
    session.flush()
    return agreement


def offer_agreements(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down agreements that are not there yet under their ids."""
    engine = session.get_bind().dialect.name
    insert = postgresql.insert if engine == "postgresql" else sqlite.insert
    statement = insert(cast("Table", Agreement.__table__)).on_conflict_do_nothing()
    session.execute(statement, list(rows))


def find_agreement(session: Session, identifier: str) -> Agreement | None:
    """Return one agreement."""
    return session.get(Agreement, identifier, with_for_update=True)


def all_agreements(session: Session) -> Sequence[Agreement]:
    """Return every agreement, those that ended too."""
    order = (Agreement.client_id, Agreement.service, Agreement.since, Agreement.id)
    return session.scalars(select(Agreement).order_by(*order)).all()


def all_terms(session: Session) -> list[tuple[str, str, date, date | None, int | None]]:
    """Return who may call what, from when to when, of every agreement: what is read each second.

    In order: client_id, service, since, until, ended_at_ms.
    """
    columns = Agreement.__table__.c
    names = ("client_id", "service", "since", "until", "ended_at_ms")
    found = session.execute(select(*(columns[name] for name in names)))
    return [tuple(row) for row in found]


def all_plans(session: Session) -> dict[str, str]:
    """Return the plan of each client that has one."""
    found = session.execute(select(ClientPlan.client_id, ClientPlan.plan))
    return {row.client_id: row.plan for row in found}


def keep_plan(session: Session, client_id: str, plan: str) -> None:
    """Put a client on a plan."""
    session.merge(ClientPlan(client_id=client_id, plan=plan))


def empty_directory(session: Session) -> None:
    """Drop every agreement and plan."""
    session.execute(delete(Agreement))
    session.execute(delete(ClientPlan))


def last_calls(
    session: Session, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int | None]:
    """Return when each client last called each service (Unix milliseconds), as the log tells.

    One look at the end of an index for each pair, whatever the size of the log.
    """
    columns = Exchange.__table__.c
    found = {}
    for client_id, service in pairs:
        newest = select(func.max(columns.at_ms))
        newest = newest.where(columns.caller == client_id, columns.service == service)
        found[client_id, service] = session.scalar(newest)
    return found
