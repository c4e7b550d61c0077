"""Delivers what was accepted: ``python -m services.notify.worker``, one process or several."""

import logging
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from servicekit import log, processes
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.settings import SettingsError, load
from services.notify.domain import retry
from services.notify.providers import LetterContent, Message, Outcome, Provider, Providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.providers.post import Post
from services.notify.settings import Settings
from services.notify.storage import contents, jobs, limits, metadata, notifications
from services.notify.storage.jobs import Claimed, Settlement
from services.notify.vault import Vault

BEAT_EVERY = timedelta(seconds=5)
TIDY_EVERY = timedelta(hours=1)
EXIT_SETTINGS = 78  # EX_CONFIG: starting again would not help

logger = logging.getLogger("worker")


class Worker:
    """Claims due jobs, calls their providers and settles them, until it is told to stop."""

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
        self._beat_at = self._tidy_at = datetime.min.replace(tzinfo=self._clock.now().tzinfo)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; the job in hand is finished, the rest given back."""
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
            if not jobs.is_due(session, self._clock.now()):
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
            carriers = [self._providers.for_job(job) for job in claimed]
            jobs.begin_attempts(
                session,
                [(job, carrier.name) for job, carrier in zip(claimed, carriers, strict=True)],
                now,
            )
        for done, (job, carrier) in enumerate(zip(claimed, carriers, strict=True)):
            if stop.is_set() or not self._has_time(carrier, ends_at):
                with self._database.transaction() as session:
                    jobs.release(session, claimed[done:], self._clock.now())
                break
            self._do(job, carrier)
        return bool(claimed)

    def _has_time(self, carrier: Provider, ends_at: datetime) -> bool:
        # a call that outlives the lease could be made twice at once
        return self._clock.now() + timedelta(seconds=carrier.slowest_s) < ends_at

    def _do(self, job: Claimed, carrier: Provider) -> None:
        started = time.perf_counter()
        outcome = self._call(job, carrier)
        now = self._clock.now()
        with self._database.transaction() as session:
            held = jobs.settle(session, job, self._settlement(job, outcome, now), now)
        logger.info(
            "attempted" if held else "attempted without the lease",
            extra={
                "notification": job.notification_id,
                "provider": carrier.name,
                "attempt": job.attempts,
                "outcome": outcome.status or "try again",
                "error": outcome.error,
                "ms": round((time.perf_counter() - started) * 1000, 1),
            },
        )

    def _call(self, job: Claimed, carrier: Provider) -> Outcome:
        try:
            return carrier.deliver(self._message(job))
        except Exception as error:  # noqa: BLE001 (whatever a provider does, the queue goes on)
            # the type alone: an exception's text may hold a recipient
            return Outcome(None, type(error).__name__)

    def _message(self, job: Claimed) -> Message:
        vault = self._vault.of(job.service_id, job.service_key)
        private = vault.open(f"notification/{job.notification_id}", job.sealed)
        letter = LetterContent(
            tuple(private.get("lines", ())), private.get("contact_block"), job.created_at, vault
        )
        return Message(
            id=job.notification_id,
            channel=job.channel,
            address=private["address"],
            recipient_index=job.recipient_index,
            sender=private["from"],
            service_name=job.service_name,
            subject=private["subject"],
            body=private.get("prefix", "") + private["body"],
            unsubscribe=private["unsubscribe"],
            reply_to=private.get("reply_to"),
            key_type=job.key_type,
            letter=letter if job.channel == "letter" else None,
        )

    def _settlement(self, job: Claimed, outcome: Outcome, now: datetime) -> Settlement:
        if outcome.status is not None:
            return Settlement(outcome.status, outcome.status, None, outcome.error)
        pause = retry.delay(job.attempts, now - job.created_at, job.channel, self._jitter)
        if pause is None:
            return Settlement("given up", "technical-failure", None, outcome.error)
        return Settlement("try again", None, now + timedelta(seconds=pause), outcome.error)

    def _housekeeping(self) -> None:
        now = self._clock.now()
        if now - self._beat_at >= BEAT_EVERY:
            with self._database.transaction() as session:
                jobs.beat(session, self._name, now)
            self._beat_at = now
        if now - self._tidy_at >= TIDY_EVERY:
            with self._database.transaction() as session:
                notifications.forget_answers(session, now)
                jobs.forget_beats(session, before=now - TIDY_EVERY)
                contents.forget_documents(session, now)
                contents.forget_received(session, now)
                limits.forget_counts(session, before=now - timedelta(days=1))
            self._tidy_at = now


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


def make_providers(settings: Settings, database: Database, clock: Clock) -> Providers:
    """Return the carriers that the settings ask for."""
    mail: Provider | None = None
    if settings.smtp_host is not None:
        from services.notify.providers.smtp import MailServer  # its libraries cost 6 MB

        mail = MailServer(settings)
    inbox = Inbox(database, clock)
    return Providers(inbox, Simulation(), mail, Post(database, clock, inbox))


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
    Worker(settings, database, make_providers(settings, database, clock), clock=clock).run(stop)
    database.dispose()


if __name__ == "__main__":
    main()
