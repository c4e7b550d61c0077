"""The log's one writer: a thread that writes entries in batches, outside the event loop."""

import asyncio
import logging
import threading
from collections import deque
from dataclasses import dataclass

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from gateway.exchanges.entry import Entry
from gateway.exchanges.seal import Seal
from gateway.exchanges.unrouted import Unrouted
from gateway.refusals import LogUnavailable
from gateway.storage import append_exchanges
from servicekit.database import Database

logger = logging.getLogger(__name__)
BATCH = 500
KEPT_AT_MOST = 100_000  # ordinary entries held while the database is away
RETRY_S = 0.5


@dataclass(slots=True)
class _Waiting:
    """An entry whose answer may leave only when it is written."""

    entry: Entry
    done: "asyncio.Future[None]"


class Writer:
    """Takes entries from the event loop and makes them durable."""

    def __init__(
        self, database: Database, seal: Seal, *, flush_every_s: float = 0.05, timeout_s: float = 5.0
    ) -> None:
        self._database, self._seal = database, seal
        self._flush_every_s, self._timeout_s = flush_every_s, timeout_s
        self._taken: deque[Entry | _Waiting | threading.Event] = deque()
        self._something, self._hurry = threading.Event(), threading.Event()
        self._stopping = False
        self._kept: list[Entry] = []
        self._thread: threading.Thread | None = None
        self.unrouted = Unrouted()
        self.dropped = 0
        self.works = True

    async def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="exchange-log", daemon=True)
        self._thread.start()
        await self.unrouted.start()

    async def stop(self) -> None:
        """Write what is left and end the thread."""
        await self.unrouted.stop()
        if self._thread is not None:
            self._stopping = True
            self._wake(hurry=True)
            await asyncio.to_thread(self._thread.join, 8)
            self._thread = None

    @property
    def waiting(self) -> int:
        """How many entries are not written yet."""
        return len(self._taken) + len(self._kept)

    def add(self, entry: Entry) -> None:
        """Record an entry soon; never blocks."""
        self._taken.append(entry)
        self._wake()

    async def add_durably(self, entry: Entry) -> None:
        """Return when the entry is on disk; raise LogUnavailable when it is not."""
        done = self._loop.create_future()
        self._taken.append(_Waiting(entry, done))
        self._wake(hurry=True)
        try:
            async with asyncio.timeout(self._timeout_s):
                await done
        except (SQLAlchemyError, OSError, TimeoutError):
            raise LogUnavailable(
                "This access could not be written to the exchange log, so nothing was handed out. "
                "Try again shortly."
            ) from None

    def flush(self, timeout_s: float = 5.0) -> None:
        """Wait, in another thread than the event loop's, until everything so far is written."""
        written = threading.Event()
        self._taken.append(written)
        self._wake(hurry=True)
        written.wait(timeout_s)

    def _wake(self, *, hurry: bool = False) -> None:
        # waking a thread for each entry would cost the hot path more than everything else
        if not self._something.is_set():
            self._something.set()
        if hurry:
            self._hurry.set()

    # -- the thread

    def _run(self) -> None:
        while not (self._stopping and not self._taken):
            self._something.wait(RETRY_S if self._kept or self._taken else None)
            self._something.clear()
            self._hurry.wait(self._flush_every_s)  # others may come; nobody may wait for long
            self._hurry.clear()
            while self._taken or self._kept:
                batch, flushed = self._collect()
                self._write(batch, last=self._stopping and not self._taken)
                for event in flushed:
                    event.set()
                if not self.works:
                    break

    def _collect(self) -> tuple[list[Entry | _Waiting], list[threading.Event]]:
        batch: list[Entry | _Waiting] = []
        flushed: list[threading.Event] = []
        while self._taken and len(batch) < BATCH:
            item = self._taken.popleft()
            if isinstance(item, threading.Event):
                flushed.append(item)
            else:
                batch.append(item)
        return batch, flushed

    def _write(self, batch: list[Entry | _Waiting], *, last: bool) -> None:
        waiting = [
            item for item in batch if isinstance(item, _Waiting) and not item.done.cancelled()
        ]
        ordinary = self._kept + [item for item in batch if isinstance(item, Entry)]
        try:
            self._append(ordinary + [item.entry for item in waiting])
        except (DataError, IntegrityError):
            kept = self._write_one_by_one(ordinary, waiting)
        except (SQLAlchemyError, OSError) as error:
            if self.works:
                logger.error("the exchange log cannot be written", extra={"error": str(error)})
            self.works = False
            self._keep(ordinary, last)
            self._tell(waiting, error)
            return
        else:
            kept = []
            self._tell(waiting, None)
        if not self.works:
            logger.warning("the exchange log can be written again")
        self.works, self._kept = True, kept

    def _append(self, entries: list[Entry]) -> None:
        if entries:
            with self._database.transaction() as session:
                append_exchanges(session, [self._seal.row(entry) for entry in entries])

    def _write_one_by_one(self, ordinary: list[Entry], waiting: list[_Waiting]) -> list[Entry]:
        """Leave out the entry that the database refuses, so that the others are not lost with it.

        Returns those that may be tried again.
        """
        kept = []
        for entry in ordinary:
            try:
                self._append([entry])
            except (DataError, IntegrityError):
                self.dropped += 1
                logger.exception("an entry cannot be stored", extra={"route": entry.route})
            except SQLAlchemyError:
                kept.append(entry)
        for item in waiting:
            try:
                self._append([item.entry])
                self._tell([item], None)
            except SQLAlchemyError as error:
                self._tell([item], error)
        return kept

    def _keep(self, ordinary: list[Entry], last: bool) -> None:
        surplus = len(ordinary) if last else max(0, len(ordinary) - KEPT_AT_MOST)
        if surplus:
            self.dropped += surplus
            logger.error("entries of the exchange log were lost", extra={"entries": surplus})
        self._kept = ordinary[surplus:]

    def _tell(self, waiting: list[_Waiting], error: Exception | None) -> None:
        if not waiting:
            return

        def tell() -> None:
            for item in waiting:
                if item.done.done():
                    continue
                if error is None:
                    item.done.set_result(None)
                else:
                    item.done.set_exception(error)

        self._loop.call_soon_threadsafe(tell)
