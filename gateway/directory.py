"""The directory: which client may call which service, from when to when, and on which plan.

It is kept in memory and read again every second, so that a decision asks no database. While the
database is away, what was known last holds.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway import storage
from gateway.policy import MALDIVES, Agreements, Term
from gateway.storage import Agreement
from servicekit.clock import Clock
from servicekit.database import Database

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
OPEN_DATA = "open-data"
OPEN_SERVICE = "registers"
OPEN_BASIS = {
    "en": "Open data: what everyone may read, also under a name of one's own.",
    "dv": "ހުޅުވިފައިވާ މައުލޫމާތު: އެންމެންނަށް ކިޔޭނެ އެއްޗެއް، އަމިއްލަ ނަމުގައިވެސް ކިޔޭނެއެވެ.",
}
ITSELF = "urn:atoll:gateway"


class Directory:
    """Agreements in force and plans, as the policy and the limits ask for them.

    sandboxes: the ids of the sandbox clients that identity has told of; each is given an agreement
    for open data by itself.
    """

    def __init__(
        self, database: Database, sandboxes: Callable[[], Iterable[str]], clock: Clock
    ) -> None:
        self._database, self._sandboxes, self._clock = database, sandboxes, clock
        self._task: asyncio.Task[None] | None = None
        self._works = True
        self.agreements: Agreements | None = None
        self.plans: Mapping[str, str] = {}

    async def start(self) -> None:
        """Read everything once, then follow."""
        await self._look()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()

    def plan_of(self, client_id: str) -> str | None:
        """Return the plan of a client, where the directory holds one."""
        return self.plans.get(client_id)

    def read(self) -> None:
        """Take up what the database says now, in any thread."""
        with self._database.snapshot() as session:
            found = storage.all_terms(session)
            self.plans = storage.all_plans(session)
        terms: dict[tuple[str, str], list[Term]] = {}
        for client_id, service, since, until, ended_at_ms in found:
            terms.setdefault((client_id, service), []).append(_term(since, until, ended_at_ms))
        self.agreements = terms

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._refresh)
        except (SQLAlchemyError, OSError) as error:
            if self._works:
                logger.error("the directory cannot be read; the last state of it holds: %s", error)
            self._works = False
        else:
            self._works = True

    def _refresh(self) -> None:
        self.read()
        known = self.agreements or {}
        fresh = [one for one in self._sandboxes() if (one, OPEN_SERVICE) not in known]
        if fresh:
            with self._database.transaction() as session:
                add_open_data(session, fresh, self._clock.now())
            self.read()


def add_open_data(session: Session, clients: Iterable[str], now: datetime) -> None:
    """Give clients the agreement for open data, each once, whichever worker is first."""
    rows = [
        {
            "id": f"{OPEN_DATA}:{client_id}",
            "client_id": client_id,
            "service": OPEN_SERVICE,
            "kind": OPEN_DATA,
            "legal_basis": OPEN_BASIS,
            "since": now.astimezone(MALDIVES).date(),
            "made_at_ms": milliseconds(now),
            "made_by": ITSELF,
        }
        for client_id in clients
        if len(client_id) + len(OPEN_DATA) < storage.ID_LENGTH
    ]
    if rows:
        storage.offer_agreements(session, rows)


def term(agreement: Agreement) -> Term:
    """Return from when to when an agreement holds: whole days of the Maldives, or till its end."""
    return _term(agreement.since, agreement.until, agreement.ended_at_ms)


def _term(since: date, until: date | None, ended_at_ms: int | None) -> Term:
    ends = [] if until is None else [_midnight(until + timedelta(days=1))]
    if ended_at_ms is not None:
        ends.append(datetime.fromtimestamp(ended_at_ms / 1000, UTC))
    return Term(_midnight(since), min(ends) if ends else None)


def state(agreement: Agreement, now: datetime) -> str:
    """Return how an agreement stands: future, in-force or ended."""
    found = term(agreement)
    if found.ends is not None and found.ends <= now:
        return "ended"
    return "in-force" if found.starts <= now else "future"


def milliseconds(moment: datetime) -> int:
    """Return the Unix time in milliseconds."""
    return int(moment.timestamp() * 1000)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), MALDIVES)
