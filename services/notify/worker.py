"""Delivers what was accepted: ``python -m services.notify.worker``, one process or several."""

import logging
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from servicekit import log, processes
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.settings import SettingsError, load
from services.notify import suppressing
from services.notify.domain import lanes, retry
from services.notify.errands import Errands
from services.notify.providers import (
    Batching,
    LetterContent,
    Message,
    Outcome,
    Provider,
    Providers,
    Searchable,
)
from services.notify.providers.choice import make_providers
from services.notify.settings import Settings
from services.notify.storage import jobs, metadata, settling
from services.notify.storage.jobs import Claimed
from services.notify.storage.settling import Settlement
from services.notify.vault import Vault

BEAT_EVERY = timedelta(seconds=5)
EXIT_SETTINGS = 78  # EX_CONFIG: starting again would not help

logger = logging.getLogger("worker")


class Worker:
    """Claims due messages, calls their providers and settles them, until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        providers: Providers,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._database, self._providers = settings, database, providers
        self._clock, self._jitter = clock or SystemClock(), jitter
        self._vault = Vault(settings.raw_data_key() or b"")
        self._name = secrets.token_hex(8)
        self._beat_at = datetime.min.replace(tzinfo=self._clock.now().tzinfo)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; the call in hand is finished, the rest given back."""
        while not stop.is_set():
            try:
                self._housekeeping()
                worked = self.work(stop)
            except SQLAlchemyError as error:
                logger.warning("the database is away", extra={"error": type(error).__name__})
                worked = False
                stop.wait(1)
            if not worked:
                self._providers.close()
                stop.wait(self._settings.poll_s)
        self._providers.close()

    def work(self, stop: threading.Event) -> bool:
        """Do one batch of what is due; return whether there was anything."""
        with self._database.snapshot() as session:
            if not jobs.is_due(session, self._clock.now(), lanes.DELIVERY):
                return False
        now = self._clock.now()
        ends_at = now + timedelta(seconds=self._settings.lease_s)
        with self._database.transaction() as session:
            claimed = jobs.claim(
                session,
                now,
                token=secrets.token_hex(16),
                lease_s=self._settings.lease_s,
                limit=self._settings.batch,
            )
            carried = [(job, self._carrier(job)) for job in claimed]
            settling.begin_attempts(session, [(job, c.name) for job, c in carried], now)
        for at, calls in _in_calls(carried):
            if stop.is_set() or not self._has_time(calls[0][1], ends_at):
                with self._database.transaction() as session:
                    jobs.release(session, [job for job, _ in carried[at:]], self._clock.now())
                break
            self._do([job for job, _ in calls], calls[0][1])
        return bool(claimed)

    def _carrier(self, job: Claimed) -> Provider:
        """Choose who carries a job; after a crash, who may have it already is asked first."""
        if job.interrupted is not None:
            before = self._providers.named(job.interrupted)
            if before is not None and isinstance(before, Searchable):
                return before
        return self._providers.for_job(job)

    def _has_time(self, carrier: Provider, ends_at: datetime) -> bool:
        # a call that outlives the lease could be made twice at once
        return self._clock.now() + timedelta(seconds=carrier.slowest_s) < ends_at

    def _do(self, held: Sequence[Claimed], carrier: Provider) -> None:
        started = time.perf_counter()
        outcomes = self._outcomes(held, carrier)
        now = self._clock.now()
        results = [
            (job, self._settlement(job, carrier, outcome, now))
            for job, outcome in zip(held, outcomes, strict=True)
        ]
        with self._database.transaction() as session:
            ours = settling.settle_all(session, results, now)
            self._suppress(session, [(j, r) for j, r in results if j.job_id in ours], now)
        ms = round((time.perf_counter() - started) * 1000 / len(held), 1)
        for job, result in results:
            logger.info(
                "attempted" if job.job_id in ours else "attempted without the lease",
                extra={
                    "notification": job.notification_id,
                    "provider": carrier.name,
                    "attempt": job.attempts,
                    "outcome": result.outcome,
                    "error": result.error,
                    "ms": ms,
                },
            )

    def _outcomes(self, held: Sequence[Claimed], carrier: Provider) -> list[Outcome]:
        """Return what became of each job: asked, refused by us, or handed over."""
        known: dict[int, Outcome] = {}
        messages: dict[int, Message] = {}
        for job in held:
            outcome = self._before_the_call(job, carrier)
            if outcome is not None:
                known[job.job_id] = outcome
                continue
            try:
                messages[job.job_id] = self._message(job)
            except Exception as error:  # noqa: BLE001 (one broken message must not stop the rest)
                known[job.job_id] = Outcome(None, type(error).__name__)
        if messages:
            said = _call(carrier, list(messages.values()))
            self._providers.record(carrier, said)
            known |= dict(zip(messages, said, strict=True))
        return [known[job.job_id] for job in held]

    def _before_the_call(self, job: Claimed, carrier: Provider) -> Outcome | None:
        if job.is_suppressed and job.key_type != "test":
            return Outcome("permanent-failure", "suppressed", reason="suppressed")
        if job.interrupted == carrier.name and isinstance(carrier, Searchable):
            try:
                return carrier.find(job.notification_id)
            except OSError:
                return None  # not to send it would lose it; to send it may double it
        return None

    def _message(self, job: Claimed) -> Message:
        vault = self._vault.of(job.service_id, job.service_key, job.keyring)
        private = vault.open(f"notification/{job.notification_id}", job.sealed)
        letter = LetterContent(
            tuple(private.get("lines", ())), private.get("contact_block"), job.created_at, vault
        )
        body = private.get("sent_body") or private["body"]
        return Message(
            id=job.notification_id,
            channel=job.channel,
            address=private["address"],
            recipient_index=job.recipient_index,
            sender=private["from"],
            service_name=job.service_name,
            subject=private.get("sent_subject") or private["subject"],
            body=private.get("prefix", "") + body,
            unsubscribe=private["unsubscribe"],
            reply_to=private.get("reply_to"),
            key_type=job.key_type,
            is_international=job.rate_multiplier > 1,
            accepted_at=job.began_at,
            letter=letter if job.channel == "letter" else None,
        )

    def _settlement(
        self, job: Claimed, carrier: Provider, outcome: Outcome, now: datetime
    ) -> Settlement:
        if outcome.status is not None:
            return Settlement(
                outcome.status,
                outcome.status,
                None,
                outcome.error,
                awaits_receipt=outcome.awaits_receipt,
                reason=outcome.reason,
                response=outcome.response,
                provider=carrier.name,
            )
        if self._providers.has_another(job, carrier):
            return Settlement("try again", None, now, outcome.error)
        pause = retry.delay(job.attempts, now - job.began_at, job.channel, self._jitter)
        if pause is None:
            return Settlement(
                "given up",
                "technical-failure",
                None,
                outcome.error,
                reason="given-up",
                response=outcome.response or outcome.error,
                provider=carrier.name,
            )
        return Settlement("try again", None, now + timedelta(seconds=pause), outcome.error)

    def _suppress(
        self, session: Session, settled: Sequence[tuple[Claimed, Settlement]], now: datetime
    ) -> None:
        """Write no more to addresses that a mail server does not know."""
        ids = [
            job.notification_id
            for job, result in settled
            if job.channel == "email" and result.reason == "no-recipient"
        ]
        if ids:
            rows = settling.found(session, ids).values()
            suppressing.bounced(session, self._vault, rows, suppressing.BOUNCED, now)

    def _housekeeping(self) -> None:
        now = self._clock.now()
        if now - self._beat_at >= BEAT_EVERY:
            with self._database.transaction() as session:
                jobs.beat(session, self._name, now)
            self._beat_at = now


def _in_calls(
    carried: list[tuple[Claimed, Provider]],
) -> Iterator[tuple[int, list[tuple[Claimed, Provider]]]]:
    """Put what goes to one provider with one call together; say how many came before."""
    carried.sort(key=lambda pair: pair[1].name)  # stable: the order of a provider's stays
    at = 0
    while at < len(carried):
        carrier = carried[at][1]
        size = carrier.at_once if isinstance(carrier, Batching) else 1
        calls = [pair for pair in carried[at : at + size] if pair[1] is carrier]
        yield at, calls
        at += len(calls)


def _call(carrier: Provider, messages: list[Message]) -> list[Outcome]:
    try:
        if isinstance(carrier, Batching):
            return carrier.deliver_all(messages)
        return [carrier.deliver(message) for message in messages]
    except Exception as error:  # noqa: BLE001 (whatever a provider does, the queue goes on)
        # the type alone: an exception's text may hold a recipient
        return [Outcome(None, type(error).__name__, is_fault=True)] * len(messages)


def wait_for_tables(database: Database, stop: threading.Event) -> None:
    """Return when the service has migrated the database (the worker never does), or on stop."""
    said = False
    while not stop.is_set():
        try:
            present = set(inspect(database.engine).get_table_names())
            if present >= set(metadata.tables):
                return
        except SQLAlchemyError as error:
            logger.warning("the database is away", extra={"error": type(error).__name__})
        if not said:
            logger.info("waiting for notify to prepare its database")
            said = True
        stop.wait(0.2)


def main() -> None:
    """Run until SIGTERM or SIGINT; exit 78 when the settings are wrong."""
    log.configure("notify-worker")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if os.environ.get("ATOLL_SUPERVISED"):
        processes.end_with_parent(signal.SIGTERM)
    try:
        settings = load(Settings, "NOTIFY")
    except SettingsError as error:
        print(f"the notify worker cannot start:\n{error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_SETTINGS)
    database, clock = Database(settings.database_url), SystemClock()
    wait_for_tables(database, stop)
    # callbacks wait for strangers' servers: they must not hold up messages
    errands = threading.Thread(target=Errands(settings, database, clock=clock).run, args=(stop,))
    errands.start()
    Worker(settings, database, make_providers(settings, database, clock), clock=clock).run(stop)
    errands.join()
    database.dispose()


if __name__ == "__main__":
    main()
