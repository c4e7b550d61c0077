"""Carries messages about accounts to notify, through the gateway, until notify has taken them.

A message is written in the transaction that does what it tells of. A thread takes it from there and
ends when nothing is due; requests wake it, so a restarted process finds what another left behind.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.outbound import Corridor, Refused
from servicekit.problems import Problem
from services.identity.domain.digests import random_id
from services.identity.settings import Settings
from services.identity.storage import announcements
from services.identity.storage.citizen_tables import Announcement
from services.identity.storage.tables import Person
from services.identity.vault import Vault

LOOK_EVERY_S = 5.0
LEASE = timedelta(seconds=60)
BATCH = 10
KEPT = timedelta(days=7)
MOST_ATTEMPTS = 30  # over some five days
LONGEST_PAUSE = timedelta(hours=6)
KEY_TAIL = 73  # what an API key of notify ends with: service id and secret, 36 characters each

logger = logging.getLogger("announcer")


class Announcer:
    """Puts messages into the outbox and delivers what is due."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        vault: Vault,
        corridor: Corridor | None = None,
    ) -> None:
        self._database, self._clock, self._vault = database, clock, vault
        self._notify: Mapping[str, Any] | None = (
            json.loads(settings.notify) if settings.notify else None
        )
        self._corridor = corridor or Corridor(settings.gateway_url, "identity", "")
        self._working = threading.Lock()
        self._looked_at = float("-inf")

    def announce(self, session: Session, person: Person, subject: str, body: str) -> None:
        """Write a message for each channel of a person."""
        now = self._clock.now()
        for channel, recipient in (("email", person.email), ("sms", person.phone)):
            if recipient:
                message = {"to": recipient, "subject": subject, "body": body}
                self._put(session, person.sub, channel, message, announcements.WAITING, now)
        self._looked_at = float("-inf")

    def announce_to_nobody(self, session: Session, subject: str, body: str) -> None:
        """Do as much work as for a person, so that the time an answer takes tells nothing."""
        nobody, now = random_id(), self._clock.now()
        message = {"to": "nobody@example.example", "subject": subject, "body": body}
        for channel in ("email", "sms"):
            self._put(session, nobody, channel, message, announcements.GIVEN_UP, now)

    def _put(
        self,
        session: Session,
        sub: str,
        channel: str,
        message: Mapping[str, str],
        state: str,
        now: datetime,
    ) -> None:
        announcements.add(
            session,
            Announcement(
                id=random_id(),
                sub=sub,
                channel=channel,
                sealed=self._vault.seal(json.dumps(message, ensure_ascii=False), sub),
                created_at=now,
                due_at=now,
                attempts=0,
                state=state,
            ),
        )

    def look(self) -> None:
        """Start delivering if something may be due; cheap enough for every request."""
        now = time.monotonic()
        if self._notify is None or now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if not self._working.locked():
            threading.Thread(target=self._work, daemon=True, name="announcer").start()

    def _work(self) -> None:
        if self._working.acquire(blocking=False):
            try:
                while self.deliver_due():
                    pass
            except SQLAlchemyError as error:
                logger.warning("the database is away", extra={"error": type(error).__name__})
            finally:
                self._working.release()

    def deliver_due(self) -> int:
        """Deliver one batch of what is due; return how many messages notify took."""
        now = self._clock.now()
        with self._database.snapshot() as session:
            due = announcements.next_due(session)
        if due is None or due > now:
            return 0
        with self._database.transaction() as session:
            announcements.forget_old(session, now - KEPT)
            claimed = announcements.claim(session, now, LEASE, BATCH)
        return sum(self._deliver(one) for one in claimed)

    def _deliver(self, one: Announcement) -> bool:
        try:
            self._send(one)
            state, due_at = announcements.SENT, one.due_at
        except Problem as problem:
            pause = min(timedelta(seconds=2 ** min(one.attempts, 20)), LONGEST_PAUSE)
            final = one.attempts >= MOST_ATTEMPTS or _is_final(problem)
            state = announcements.GIVEN_UP if final else announcements.WAITING
            due_at = self._clock.now() + pause
            logger.warning(
                "an announcement was not taken",
                extra={"announcement": one.id, "state": state, "status": problem.status},
            )
        with self._database.transaction() as session:
            announcements.settle(session, one.id, state, due_at)
        return state == announcements.SENT

    def _send(self, one: Announcement) -> None:
        assert self._notify is not None  # noqa: S101 (look() starts nothing without it)
        message = json.loads(self._vault.open(one.sealed, one.sub))
        key = self._notify["api_key"]
        claims = {"iss": key[-KEY_TAIL:-37], "iat": int(self._clock.now().timestamp())}
        address = "email_address" if one.channel == "email" else "phone_number"
        words = {"body": message["body"]}
        if one.channel == "email":
            words["subject"] = message["subject"]
        self._corridor.send(
            "POST",
            f"/v2/notifications/{one.channel}",
            headers={
                "Authorization": f"Bearer {jwt.encode(claims, key[-36:], 'HS256')}",
                "Idempotency-Key": one.id,
            },
            json={
                address: message["to"],
                "template_id": self._notify["templates"][one.channel],
                "personalisation": words,
                "reference": one.id,
            },
        )


def _is_final(problem: Problem) -> bool:
    """Whether trying again is of no use: the address is no address."""
    return isinstance(problem, Refused) and problem.status == 400
