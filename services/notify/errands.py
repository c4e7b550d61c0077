"""What a worker does beside delivering: callbacks, time-outs, and forgetting at retention."""

import logging
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from services.notify import telling
from services.notify.domain import lanes
from services.notify.domain import telling as rules
from services.notify.settings import Settings
from services.notify.storage import callbacks, jobs, retention, settling
from services.notify.storage.callbacks import Call
from services.notify.storage.jobs import Errand
from services.notify.storage.settling import Change
from services.notify.telling import Told
from services.notify.vault import Vault

AT_ONCE = 64
# one address that hangs must leave room for the others
_ROWS_TO_ONE = 4
_ROW_S, _WAIT = 5.0, timedelta(seconds=1)
_LEASE_S = 30.0
_NOBODY = "nobody to tell, or nothing left to tell"
_TIDY_EVERY = timedelta(minutes=10)

logger = logging.getLogger("errands")
_Attempt = tuple[Errand, Call, Told | Literal["wait"] | None]


class Errands:
    """Claims due callbacks and chores until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._database = settings, database
        self._clock, self._jitter = clock or SystemClock(), jitter
        self._vault = Vault(settings.raw_data_key() or b"")
        self._tidy_at = datetime.min.replace(tzinfo=self._clock.now().tzinfo)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; calls in hand are finished."""
        while not stop.is_set():
            try:
                worked = self.work()
                self.tidy()
            except SQLAlchemyError as error:
                logger.warning("the database is away", extra={"error": type(error).__name__})
                worked = False
                stop.wait(1)
            except Exception:
                logger.exception("an errand failed unexpectedly")
                worked = False
                stop.wait(1)
            if not worked:
                stop.wait(self._settings.poll_s)

    def work(self) -> bool:
        """Do one batch of what is due; return whether there was anything."""
        now = self._clock.now()
        with self._database.snapshot() as session:
            if not jobs.is_due(session, now, lanes.ERRANDS):
                return False
        with self._database.transaction() as session:
            claimed = jobs.claim_errands(
                session, now, token=secrets.token_hex(16), lease_s=_LEASE_S, limit=AT_ONCE
            )
        self._tell([errand for errand in claimed if errand.kind == "callback"])
        for errand in claimed:
            if errand.kind == "expire":
                self._expire(errand)
        return bool(claimed)

    # callbacks

    def _tell(self, errands: Sequence[Errand]) -> None:
        if not errands:
            return
        with self._database.snapshot() as session:
            calls = callbacks.calls(session, [str(errand.target_id) for errand in errands])
        by_endpoint: dict[str, list[tuple[Errand, Call]]] = defaultdict(list)
        for errand in errands:
            call = calls.get(str(errand.target_id))
            if call is None or call.endpoint is None:
                self._drop(errand, call)
            elif not self._is_paused(errand, call):
                by_endpoint[call.endpoint.id].append((errand, call))
        rows = [
            row
            for pairs in by_endpoint.values()
            for start in range(_ROWS_TO_ONE)
            if (row := pairs[start::_ROWS_TO_ONE])
        ]
        if rows:
            with ThreadPoolExecutor(max_workers=len(rows)) as threads:
                told = [each for row in threads.map(self._call_row, rows) for each in row]
            with self._database.transaction() as session:
                for one in told:
                    self._settle(session, *one)

    def _call_row(self, row: Sequence[tuple[Errand, Call]]) -> list[_Attempt]:
        """Call one address several times, until it fails or takes too long."""
        until = time.monotonic() + _ROW_S
        done: list[_Attempt] = []
        for errand, call in row:
            last = done[-1][2] if done else None
            if isinstance(last, Told) and (not last.is_success or time.monotonic() > until):
                done.append((errand, call, "wait"))
            else:
                done.append((errand, call, self._call(call)))
        return done

    def _is_paused(self, errand: Errand, call: Call) -> bool:
        until = call.endpoint.paused_until if call.endpoint else None
        if until is None or until <= self._clock.now():
            return False
        with self._database.transaction() as session:
            jobs.put_off(session, errand, until, "paused: the address kept failing", counted=False)
        return True

    def _call(self, call: Call) -> Told | None:
        """Tell; None when nothing is left to tell."""
        service, endpoint = call.service, call.endpoint
        if endpoint is None:
            return None
        fixed = self._vault.of(service.id, service.sealed_key)
        place = telling.address(fixed, endpoint.id, endpoint.sealed)
        dated = self._vault.of(service.id, service.sealed_key, service.keyring)
        body = telling.content(call, dated)
        if body is None:
            return None
        hosts = self._settings.callback_test_hosts
        return telling.post(place, call.callback.id, body, self._clock.now(), hosts)

    def _settle(
        self, session: Session, errand: Errand, call: Call, told: Told | Literal["wait"] | None
    ) -> None:
        if told is None:
            self._give_up(session, errand, call)
            return
        if told == "wait":
            soon = self._clock.now() + _WAIT
            jobs.put_off(session, errand, soon, None, counted=False)
            return
        now = self._clock.now()
        pause = rules.delay(errand.attempts, self._jitter) if told.may_help else None
        if told.is_success:
            held, state = jobs.end(session, errand, now), "delivered"
        elif pause is None:
            held, state = jobs.end(session, errand, now, told.error), "dead"
        else:
            until = now + timedelta(seconds=pause)
            held, state = jobs.put_off(session, errand, until, told.error), "pending"
        if not held:
            return
        callbacks.record(
            session,
            call.callback.id,
            state=state,
            answered=told.answered,
            error=told.error,
            now=now,
        )
        if call.endpoint is not None:
            if told.is_success:
                callbacks.count_success(session, call.endpoint.id)
            else:
                callbacks.count_failure(session, call.endpoint.id, now)
        logger.info(
            "told",
            extra={
                "callback": call.callback.id,
                "kind": call.callback.kind,
                "notification": call.callback.notification_id,
                "state": state,
                "status": told.answered,
                "attempt": errand.attempts,
            },
        )

    def _drop(self, errand: Errand, call: Call | None) -> None:
        with self._database.transaction() as session:
            self._give_up(session, errand, call)

    def _give_up(self, session: Session, errand: Errand, call: Call | None) -> None:
        """End a callback that nobody wants any more, or whose subject was removed."""
        now = self._clock.now()
        jobs.end(session, errand, now, _NOBODY)
        if call is not None:
            callbacks.record(
                session, call.callback.id, state="dead", answered=None, error=_NOBODY, now=now
            )

    # chores

    def _expire(self, errand: Errand) -> None:
        """End the wait for a receipt."""
        now = self._clock.now()
        with self._database.transaction() as session:
            if jobs.end(session, errand, now) and errand.notification_id is not None:
                late = Change(errand.notification_id, "temporary-failure", "no-receipt")
                settling.change(session, [late], now)

    def tidy(self) -> None:
        """Now and then: forget what need not be kept, and renew the keys of services."""
        now = self._clock.now()
        if now - self._tidy_at < _TIDY_EVERY:
            return
        self._tidy_at = now
        with self._database.transaction() as session:
            retention.forget_small_things(session, now)
        with self._database.transaction() as session:
            retention.renew_keyrings(session, self._vault, now)
        while True:
            with self._database.transaction() as session:
                if not retention.forget_messages(session, now):
                    return
