"""The log's one writer: a thread that writes entries in batches, outside the event loop."""

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from gateway.exchanges.entry import Entry
from gateway.exchanges.seal import Seal
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


class _Flush:
    def __init__(self) -> None:
        self.done = threading.Event()


class Writer:
    """Takes entries from the event loop and makes them durable."""

    def __init__(
        self, database: Database, seal: Seal, *, flush_every_s: float = 0.05, timeout_s: float = 5.0
    ) -> None:
        self._database, self._seal = database, seal
        self._flush_every_s, self._timeout_s = flush_every_s, timeout_s
        self._queue: queue.SimpleQueue[Entry | _Waiting | _Flush | None] = queue.SimpleQueue()
        self._kept: list[Entry] = []
        self._thread: threading.Thread | None = None
        self.dropped = 0
        self.works = True

    async def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="exchange-log", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what is left and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, 8)
            self._thread = None

    def add(self, entry: Entry) -> None:
        """Record an entry soon; never blocks."""
        self._queue.put(entry)

    async def add_durably(self, entry: Entry) -> None:
        """Return when the entry is on disk; raise LogUnavailable when it is not."""
        done = self._loop.create_future()
        self._queue.put(_Waiting(entry, done))
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
        flush = _Flush()
        self._queue.put(flush)
        flush.done.wait(timeout_s)

    # -- the thread

    def _run(self) -> None:
        going = True
        while going:
            batch, flushes, going = self._collect()
            if batch or self._kept:
                self._write(batch, last=not going)
            for flush in flushes:
                flush.done.set()

    def _collect(self) -> tuple[list[Entry | _Waiting], list[_Flush], bool]:
        """Gather entries for a moment; at once when somebody waits for one of them."""
        batch: list[Entry | _Waiting] = []
        flushes: list[_Flush] = []
        hurry = False
        until: float | None = None
        while len(batch) < BATCH:
            try:
                if hurry:
                    item = self._queue.get_nowait()
                elif until is None:
                    item = self._queue.get(timeout=RETRY_S if self._kept else None)
                    until = time.monotonic() + self._flush_every_s
                else:
                    item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return batch, flushes, False
            if isinstance(item, _Flush):
                flushes.append(item)
                hurry = True
                continue
            hurry = hurry or isinstance(item, _Waiting)
            batch.append(item)
        return batch, flushes, True

    def _write(self, batch: list[Entry | _Waiting], *, last: bool) -> None:
        waiting = [
            item for item in batch if isinstance(item, _Waiting) and not item.done.cancelled()
        ]
        ordinary = self._kept + [item for item in batch if isinstance(item, Entry)]
        try:
            self._append(ordinary + [item.entry for item in waiting])
        except (DataError, IntegrityError):
            self._write_one_by_one(ordinary, waiting)
        except (SQLAlchemyError, OSError) as error:
            if self.works:
                logger.error("the exchange log cannot be written", extra={"error": str(error)})
            self.works = False
            self._keep(ordinary, last)
            self._tell(waiting, error)
            return
        else:
            self._tell(waiting, None)
        if not self.works:
            logger.warning("the exchange log can be written again")
        self.works, self._kept = True, []

    def _append(self, entries: list[Entry]) -> None:
        if entries:
            with self._database.transaction() as session:
                append_exchanges(session, [self._seal.row(entry) for entry in entries])

    def _write_one_by_one(self, ordinary: list[Entry], waiting: list[_Waiting]) -> None:
        """Find the entry that the database refuses, so that the others are not lost with it."""
        for entry in ordinary:
            try:
                self._append([entry])
            except SQLAlchemyError:
                self.dropped += 1
                logger.exception("an entry cannot be stored", extra={"route": entry.route})
        for item in waiting:
            try:
                self._append([item.entry])
                self._tell([item], None)
            except SQLAlchemyError as error:
                self._tell([item], error)

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
