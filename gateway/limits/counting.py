"""Counting calls, in this worker's memory; workers tell each other through the database.

Each worker may count as many calls of a payer as the quota's lease before it must report them; the
answer to a report is what all workers have reported. Callers that stay below a lease never cost a
transaction, and a report runs beside the calls: one waits only where a second lease is used up
before the first report is answered. While the database is away each worker counts for itself.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import time
from collections.abc import Callable, Iterable
from functools import lru_cache

from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from gateway.headers import Headers
from gateway.limits.plans import Plans, Quota
from gateway.routing import Route
from servicekit.database import Database
from servicekit.problems import TooManyRequests
from servicekit.tokens import Token

logger = logging.getLogger(__name__)
MOST_PAYERS = 100_000
WAIT_S = 2.0
FORGET_EVERY_S = 60.0
OTHERS = "others"


class _Count:
    """The calls of one payer in one period.

    known: what all workers have reported, and what is just being reported (told).
    """

    __slots__ = ("known", "period", "quota", "told", "unreported")

    def __init__(self, period: int, quota: Quota) -> None:
        self.period, self.quota = period, quota
        self.known = self.unreported = self.told = 0


Payer = tuple[str, Quota]


class Limits:
    """Admits calls and says what is left, or refuses them."""

    def __init__(
        self,
        plans: Plans,
        plan_of: Callable[[str], str | None],
        database: Database,
        key: bytes,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._plans, self._plan_of, self._database, self._now = plans, plan_of, database, now
        self._key = hmac.digest(key, b"limits: payers", hashlib.sha256)
        self._counts: dict[str, _Count] = {}
        self._due: dict[str, _Count] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._forgotten_at = 0.0
        self._works = True
        self.reports = 0

    async def start(self) -> None:
        """Nothing is needed before the first call."""

    async def stop(self) -> None:
        """Let a report that is under way end."""
        if self._reporting is not None:
            await asyncio.wait({self._reporting}, timeout=WAIT_S)

    async def take(self, route: Route, token: Token | None, address: str) -> Headers:
        """Count one call for whoever pays for this route; return the headers that say what is left.

        Raises LimitReached, and then counts nothing.
        """
        payers = self.payers(route, token, address)
        if not payers:
            return []
        now = self._now()
        counts = [self._count(name, quota, now) for name, quota in payers]
        for name, count in zip((name for name, _ in payers), counts, strict=True):
            while count.unreported >= count.quota.lease and self._works:
                await self._report(name, count)
        tightest = min(counts, key=_left)
        reset_s = self._plans.period_s - int(now) % self._plans.period_s
        if _left(tightest) <= 0:
            raise _refusal(tightest.quota, reset_s, _headers(counts, tightest, reset_s))
        for name, count in zip((name for name, _ in payers), counts, strict=True):
            count.unreported += 1
            if count.unreported >= count.quota.lease and not count.told:
                self._report_soon(name, count)
        return _headers(counts, tightest, reset_s)

    def payers(self, route: Route, token: Token | None, address: str) -> list[Payer]:
        """Return who pays: a client and the person it calls for, a person, or an address."""
        kind, plans = route.payer, self._plans
        if kind == "nobody":
            return []
        if kind == "visitor":
            return [(f"visitor:{network_of(address)}", plans.visitor)]
        if token is None:
            return [(f"address:{network_of(address)}", plans.address)]
        person = [(f"person:{token.subject}", plans.person)] if token.is_person else []
        if kind == "person" and person:
            return person
        quota = plans.of_client(self._plan_of(token.client_id))
        return [(f"client:{token.client_id}", quota), *person]

    def _count(self, name: str, quota: Quota, now: float) -> _Count:
        period = int(now) // quota.period_s
        count = self._counts.get(name)
        if count is None or count.period != period:
            if count is None and len(self._counts) >= MOST_PAYERS:
                self._forget(period)
                if len(self._counts) >= MOST_PAYERS:  # a flood of addresses shares one quota
                    name = f"{name.partition(':')[0]}:{OTHERS}"
                    count = self._counts.get(name)
            if count is None or count.period != period:
                count = self._counts[name] = _Count(period, quota)
        count.quota = quota  # the plan may have changed
        return count

    def _forget(self, period: int) -> None:
        self._counts = {name: one for name, one in self._counts.items() if one.period == period}

    # -- the other workers

    def _report_soon(self, name: str, count: _Count) -> None:
        count.told, count.unreported = count.unreported, 0
        count.known += count.told
        self._due[name] = count
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report_all())

    async def _report(self, name: str, count: _Count) -> None:
        """Wait until a report has been answered, or for as long as a caller can wait."""
        if not count.told:
            self._report_soon(name, count)
        if self._reporting is not None:
            _, late = await asyncio.wait({self._reporting}, timeout=WAIT_S)
            self._works = self._works and not late

    async def _report_all(self) -> None:
        while self._due:
            due, self._due = self._due, {}
            try:
                totals = await asyncio.to_thread(self._write, due)
            except (SQLAlchemyError, OSError) as error:
                if self._works:
                    logger.error("limits are counted by each worker alone: %s", error)
                self._works = False
            else:
                self._works = True
                for name, count in due.items():
                    count.known = totals[name]
            for count in due.values():
                count.told = 0

    def _write(self, due: dict[str, _Count]) -> dict[str, int]:
        self.reports += 1
        keys = {name: (self._hidden(name), count.period) for name, count in due.items()}
        rows = {
            keys[name]: (count.told, (count.period + 2) * count.quota.period_s)
            for name, count in due.items()
        }
        now = self._now()
        with self._database.transaction() as session:
            if now - self._forgotten_at > FORGET_EVERY_S:
                storage.forget_calls(session, int(now))
                self._forgotten_at = now
            totals = storage.count_calls(session, rows)
        return {name: totals[key] for name, key in keys.items()}

    def _hidden(self, name: str) -> str:
        """Return a payer as it is stored: persons and addresses are nobody else's business."""
        kind, _, who = name.partition(":")
        if kind == "client":
            return name
        return f"{kind}:{hmac.digest(self._key, who.encode(), hashlib.sha256).hex()}"


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the address, or its network where one caller has many: an IPv6 /64 (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _left(count: _Count) -> int:
    return count.quota.calls - count.known - count.unreported


def _headers(counts: Iterable[_Count], tightest: _Count, reset_s: int) -> Headers:
    """Say what is left: RateLimit and its policy, and the names of before the structured field.

    draft-ietf-httpapi-ratelimit-headers-10; RateLimit-Limit, -Remaining and -Reset as in its -02.
    """
    quota, left = tightest.quota, b"%d" % max(0, _left(tightest))
    reset = b"%d" % reset_s
    return [
        (b"ratelimit-policy", b", ".join([count.quota.header for count in counts])),
        (b"ratelimit", b'"%s";r=%s;t=%s' % (quota.name.encode(), left, reset)),
        (b"ratelimit-limit", b"%d" % quota.calls),
        (b"ratelimit-remaining", left),
        (b"ratelimit-reset", reset),
    ]


_WHO = {
    "person": "You have made all the calls that one person has",
    "address": "From your network address came all the calls without a token that one has",
    "visitor": "Your network address has opened as many pages as one may",
}


def _refusal(quota: Quota, reset_s: int, headers: Headers) -> TooManyRequests:
    who = _WHO.get(quota.name, f"This client has made all the calls of its plan, {quota.name}")
    return TooManyRequests(
        f"{who}: {quota.calls} in {quota.period_s} seconds. Nothing was done. "
        f"Go on in {reset_s} seconds; ask the platform's operator if it is never enough.",
        headers={
            "Retry-After": str(reset_s),
            **{name.decode(): value.decode() for name, value in headers},
        },
    )
