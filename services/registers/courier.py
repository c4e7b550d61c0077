"""Sends new entries to those who subscribed: in order, each until it is taken, signed."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from servicekit import guarded
from servicekit.clock import Clock
from servicekit.database import Database
from services.registers.domain import feed
from services.registers.storage import log, subscriptions
from services.registers.vault import Vault

logger = logging.getLogger("registers.courier")
AT_ONCE, LEASE_S, GONE = 20, 60, 410
Send = Callable[..., guarded.Answer]


class Courier:
    """Delivers what is due; several may run at once, because each leases what it delivers."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        test_hosts: Collection[str] = (),
        send: Send = guarded.fetch,
    ) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._test_hosts, self._send = test_hosts, send

    def run(self, stop: threading.Event, every_s: float = 1.0) -> None:
        """Deliver until told to stop."""
        while not stop.wait(every_s):
            try:
                while self.deliver_due() and not stop.is_set():
                    pass
            except SQLAlchemyError as error:
                logger.warning("the courier waits for the database", extra={"error": repr(error)})

    def deliver_due(self) -> int:
        """Deliver to everyone whose turn it is; returns how many entries were taken."""
        with self._database.snapshot() as session:
            waiting = subscriptions.due(session, self._now(), AT_ONCE)
        return sum(self._deliver(subscription) for subscription in waiting)

    def _deliver(self, subscription: RowMapping) -> int:
        identifier, now = subscription["id"], self._now()
        with self._database.transaction() as session:
            delivered = subscriptions.lease(session, identifier, now, now + LEASE_S)
        if delivered is None:
            return 0
        with self._database.snapshot() as session:
            entries = log.entries_between(
                session, subscription["register_id"], delivered + 1, delivered + AT_ONCE
            )
        taken = 0
        for row in entries:
            fault = self._post(subscription, row)
            if fault is not None:
                self._failed(subscription, fault)
                return taken
            taken += 1
            self._note(
                identifier,
                delivered=row.number,
                state=subscriptions.ACTIVE,
                attempts=0,
                fault="",
                leased=self._now() + LEASE_S,
            )
        self._note(identifier, leased=0)
        return taken

    def _post(self, subscription: RowMapping, row: Any) -> str | None:
        """Send the message about one entry; returns why it was not taken."""
        document = feed.entry_document(row.number, row.timestamp, row.key, row.hash, row.content)
        body = feed.message(subscription["register"], document)
        identifier, at = feed.message_id(subscription["id"], row.number), self._now()
        secret = self._vault.open(subscription["secret"], subscription["id"])
        try:
            answer = self._send(
                subscription["url"],
                method="POST",
                headers={
                    "Content-Type": "application/json",
                    "webhook-id": identifier,
                    "webhook-timestamp": str(at),
                    "webhook-signature": feed.signature(secret, identifier, at, body),
                },
                body=body,
                test_hosts=self._test_hosts,
                limit_bytes=64 * 1024,
            )
        except (guarded.AddressRefused, guarded.NotReached) as error:
            return str(error)
        if 200 <= answer.status < 300:
            return None
        return f"The address answered {answer.status}."

    def _failed(self, subscription: RowMapping, fault: str) -> None:
        attempts = subscription["attempts"] + 1
        wait = feed.wait_after(attempts)
        if fault == f"The address answered {GONE}.":
            wait = None
        state = subscriptions.FAILING if wait is not None else subscriptions.DEAD
        logger.warning(
            "a subscription did not take an entry",
            extra={"subscription": subscription["id"], "state": state, "fault": fault},
        )
        self._note(
            subscription["id"],
            state=state,
            attempts=attempts,
            due=self._now() + (wait or 0),
            fault=fault,
            leased=0,
        )

    def _note(self, identifier: str, **values: Any) -> None:
        with self._database.transaction() as session:
            subscriptions.note(session, identifier, **values)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
