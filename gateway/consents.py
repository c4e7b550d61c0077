"""What the gateway knows from identity's feed: consents, clients' names, revocations."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.policy import Consent
from gateway.upstreams import Upstreams
from servicekit.problems import Problem
from servicekit.tokens import DenyList, Token

logger = logging.getLogger(__name__)
MAX_PAGES = 10_000


@dataclass
class _State:
    """All that the events of one epoch add up to."""

    epoch: str = ""
    last: int = 0
    consents: dict[str, Consent] = field(default_factory=dict)
    names: dict[str, Mapping[str, str]] = field(default_factory=dict)
    sandboxes: set[str] = field(default_factory=set)
    denied: DenyList = field(default_factory=DenyList)
    expiries: dict[str, float] = field(default_factory=dict)  # of the tokens denied by jti

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in one event; a kind that is not known yet is passed over."""
        match event["kind"]:
            case "client":
                client_id = str(event["client_id"])
                self.names[client_id] = event["name"]
                if event.get("status") == "sandbox":
                    self.sandboxes.add(client_id)
                clients = self.denied.clients
                (clients.discard if event["enabled"] else clients.add)(client_id)
            case "consent":
                self.consents[str(event["id"])] = _consent(event)
            case "grant-revoked":
                self.denied.grants.add(str(event["grant_id"]))
            case "token-revoked":
                jti = str(event["jti"])
                self.denied.jtis.add(jti)
                self.expiries[jti] = _seconds(event["expires_at"])
            case "key-withdrawn":
                self.denied.keys.add(str(event["kid"]))
        self.last = max(self.last, int(event["n"]))

    def forget(self, before_s: float) -> None:
        """Drop the ids of denied tokens that have expired anyway (Unix time in seconds)."""
        for jti in [jti for jti, expires_at in self.expiries.items() if expires_at < before_s]:
            del self.expiries[jti]
            self.denied.jtis.discard(jti)


def _consent(event: Mapping[str, Any]) -> Consent:
    withdrawn_at = event.get("withdrawn_at")
    return Consent(
        id=str(event["id"]),
        subject=str(event["subject"]),
        client_id=str(event["client_id"]),
        purpose=str(event["purpose"]),
        categories=frozenset(event["categories"]),
        given_at=_moment(event["given_at"]),
        until=_moment(event["until"]),
        withdrawn_at=_moment(withdrawn_at) if withdrawn_at else None,
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _seconds(value: float | str) -> float:
    return float(value) if isinstance(value, int | float) else _moment(value).timestamp()


class Feed:
    """Follows identity's feed and holds what it says."""

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        every_s: float = 1.0,
        stale_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstreams, self._every_s, self._stale_s = upstreams, every_s, stale_s
        self._monotonic = monotonic
        self._state = _State()
        self._heard_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()

    @property
    def consents(self) -> Mapping[str, Consent]:
        """Every consent given, by id."""
        return self._state.consents

    def is_fresh(self) -> bool:
        """Whether identity was heard of recently enough to act on a consent."""
        return self._monotonic() - self._heard_at <= self._stale_s

    def freshness(self) -> dict[str, Any]:
        """Return how old what is known is, and when it is too old, for the status page."""
        age_s = self._monotonic() - self._heard_at
        return {
            "age_s": round(age_s, 1) if age_s != float("inf") else None,
            "fresh": self.is_fresh(),
            "every_s": self._every_s,
            "stale_after_s": self._stale_s,
        }

    def denies(self, token: Token) -> bool:
        """Whether a token, its grant, its key or its client has been revoked."""
        return self._state.denied.covers(token)

    def sandboxes(self) -> set[str]:
        """Return the ids of the clients that began in the sandbox."""
        return set(self._state.sandboxes)

    def name_of(self, client_id: str) -> Mapping[str, str]:
        """Return a client's name by language; its id where no name is known."""
        return self._state.names.get(client_id) or {"en": client_id, "dv": client_id}

    @property
    def version(self) -> str:
        """Changes whenever anything that is known here may have changed."""
        return f"{self._state.epoch}.{self._state.last}"

    async def start(self) -> None:
        """Begin to follow the feed."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        while True:
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001 (whatever identity sent, follow on)
                if self.is_fresh():
                    logger.warning("identity's feed cannot be read", extra={"error": str(error)})
            await asyncio.sleep(self._every_s)

    async def catch_up(self, within_s: float = 1.0) -> bool:
        """Read the feed once more now; return whether that was done in time.

        However many ask at once, it is read for all of them together.
        """
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(within_s), self._reading:
                if self._heard_at < asked_at:
                    await self._read()
        except (Problem, OSError, TimeoutError, LookupError, TypeError, ValueError) as error:
            logger.info("identity's feed was not read at once", extra={"error": str(error)})
            return False
        return True

    async def poll(self) -> None:
        """Read all new events; after a reset (another epoch) read everything again.

        The facts of a new epoch replace the old ones when they have been read in full.
        """
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        begun_at = self._monotonic()
        state = self._state
        for _ in range(MAX_PAGES):
            page = await self._upstreams.get_json("identity", f"/identity/feed?after={state.last}")
            if page["epoch"] != state.epoch:
                first = state.last == 0
                state = _State(epoch=str(page["epoch"]))
                if not first:
                    continue
            events = page["events"]
            for event in events:
                state.apply(event)
            if not events:
                break
        self._state, self._heard_at = state, begun_at
        state.forget(time.time() - 60)
