"""The webhook tester: temporary addresses that keep what arrives, sealed, for a day."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.problems import Conflict, NotFound, TooLarge, TooManyRequests
from services.portal import storage
from services.portal.domain import hooks
from services.portal.domain.hooks import Delivery, Verdict
from services.portal.storage import Inbox
from services.portal.vault import Vault

_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class NoRoom(Conflict):
    """There are as many temporary addresses as there may be."""

    slug, title = "no-room-for-hooks", "There are too many webhook addresses"


@dataclass(frozen=True)
class Opened:
    """One address with what arrived; ``verdicts``: by number, where a secret is known."""

    inbox: Inbox
    deliveries: list[Delivery]
    verdicts: dict[int, Verdict]


class Hooks:
    """The addresses of every developer. Bodies and secrets are sealed and bound to their row."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database, self._vault, self._clock = database, vault, clock

    def open(self, owner: str) -> str:
        """Make an address of this person; raise NoRoom when there are too many."""
        inbox_id, now = secrets.token_urlsafe(16), self._now()
        with self._database.transaction() as session:
            full = storage.open_inbox(
                session,
                inbox_id,
                _hash(owner),
                now,
                now + hooks.LIFE_S,
                each=hooks.OF_ONE_PERSON,
                most=hooks.OF_ALL,
            )
        if full == "own":
            raise NoRoom(
                f"You have {hooks.OF_ONE_PERSON} addresses, as many as one person may. "
                "Remove one first."
            )
        if full:
            raise NoRoom("Everybody's addresses are taken now. Each ends after a day; try later.")
        return inbox_id

    def mine(self, owner: str) -> list[Inbox]:
        """Return this person's addresses."""
        with self._database.snapshot() as session:
            return storage.inboxes(session, _hash(owner), self._now())

    def look(self, inbox_id: str, owner: str) -> Opened:
        """Return what arrived at an address of this person; raise NotFound for any other."""
        with self._database.snapshot() as session:
            inbox = storage.find_inbox(session, inbox_id[:32], _hash(owner), self._now())
            rows = storage.deliveries(session, inbox.id) if inbox else []
        if inbox is None:
            raise _nothing()
        found = [
            hooks.unpacked(number, at, content)
            for number, at, sealed in rows
            if (content := self._vault.unseal(f"{inbox.id} {number}", sealed)) is not None
        ]
        key = self._key(inbox)
        verdicts = {one.number: hooks.verdict(key, one) for one in found} if key else {}
        return Opened(inbox, found, verdicts)

    def delivery(self, inbox_id: str, owner: str, number: int) -> Delivery:
        """Return one delivery; raise NotFound when it was let go."""
        for one in self.look(inbox_id, owner).deliveries:
            if one.number == number:
                return one
        raise _nothing()

    def keep_secret(self, inbox_id: str, owner: str, secret: str) -> bool:
        """Check this address's deliveries with a secret from now on; False if it is none."""
        if hooks.key_of(secret) is None:
            return False
        sealed = self._vault.seal(inbox_id, {"secret": secret.strip()})
        with self._database.transaction() as session:
            kept = storage.keep_secret(session, inbox_id, _hash(owner), self._now(), sealed)
        if not kept:
            raise _nothing()
        return True

    def close(self, inbox_id: str, owner: str) -> None:
        """Remove an address of this person and everything in it."""
        with self._database.transaction() as session:
            storage.close_inbox(session, inbox_id, _hash(owner))

    def take(self, inbox_id: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Keep what arrived at an address; raise NotFound, TooLarge or TooManyRequests."""
        if not _ID.fullmatch(inbox_id):
            raise _nothing()
        if len(body) > hooks.MAX_BODY_BYTES:
            raise TooLarge(f"A webhook here has at most {hooks.MAX_BODY_BYTES} bytes.")
        now, content = self._now(), hooks.packed(hooks.kept_headers(headers), body)
        with self._database.transaction() as session:
            number = storage.take_turn(session, inbox_id, now, hooks.A_MINUTE)
            if number:
                sealed = self._vault.seal(f"{inbox_id} {number}", content)
                storage.keep_delivery(session, inbox_id, number, now, sealed, hooks.KEPT)
        if number is None:
            raise _nothing()
        if number == 0:
            raise TooManyRequests(
                f"This address takes {hooks.A_MINUTE} deliveries a minute. Nothing was kept.",
                headers={"Retry-After": str(60 - now % 60)},
            )

    def _key(self, inbox: Inbox) -> bytes | None:
        if inbox.sealed_secret is None:
            return None
        kept = self._vault.unseal(inbox.id, inbox.sealed_secret)
        return None if kept is None else hooks.key_of(kept["secret"])

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _nothing() -> NotFound:
    return NotFound("There is no such webhook address, or its day is over. Make a new one.")


def _hash(owner: str) -> str:
    return hashlib.sha256(owner.encode("utf-8", "replace")).hexdigest()
