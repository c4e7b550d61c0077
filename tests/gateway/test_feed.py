"""Following identity's feed: what is learnt, and what happens when it breaks or starts anew."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gateway.consents import Feed
from servicekit.tokens import Token
from tests.gateway.harness import in_loop


class Pages:
    """Stands for identity: pages of two events, as the gateway's own calls would get them."""

    def __init__(self) -> None:
        self.epoch = "one"
        self.events: list[dict[str, Any]] = []
        self.fails_after: int | None = None
        self.asked: list[int] = []

    async def get_json(self, service: str, path: str) -> dict[str, Any]:
        assert service == "identity"
        after = int(path.removeprefix("/identity/feed?after="))
        self.asked.append(after)
        if self.fails_after is not None and after >= self.fails_after:
            raise OSError("away")
        news = [event for event in self.events if event["n"] > after][:2]
        return {"epoch": self.epoch, "events": news, "last": len(self.events)}


def client(n: int, client_id: str, enabled: bool = True) -> dict[str, Any]:
    name = {"en": f"The {client_id}", "dv": client_id}
    return {"n": n, "kind": "client", "client_id": client_id, "name": name, "enabled": enabled}


def consent(n: int, **changes: Any) -> dict[str, Any]:
    return {
        "n": n, "kind": "consent", "id": f"c-{n}", "subject": "p", "client_id": "f",
        "purpose": "vessel-licence", "categories": ["contact"],
        "given_at": "2026-03-01T00:00:00Z", "until": "2027-03-01T00:00:00Z", "withdrawn_at": None,
    } | changes  # fmt: skip


def feed_of(pages: Pages, clock: list[float]) -> Feed:
    return Feed(pages, stale_s=10, monotonic=lambda: clock[0])  # type: ignore[arg-type]


def token(**claims: Any) -> Token:
    return Token("s", claims.pop("client_id", "f"), frozenset(), frozenset(),
                 claims.pop("jti", "j"), 0, claims)  # fmt: skip


@in_loop
async def test_all_pages_are_read_before_the_feed_is_fresh() -> None:
    pages, clock = Pages(), [0.0]
    pages.events = [consent(n) for n in range(1, 6)]
    feed = feed_of(pages, clock)
    assert not feed.is_fresh()
    pages.fails_after = 4
    with pytest.raises(OSError, match="away"):
        await feed.poll()
    assert not feed.is_fresh()
    assert not feed.consents
    pages.fails_after = None
    await feed.poll()
    assert feed.is_fresh()
    assert set(feed.consents) == {f"c-{n}" for n in range(1, 6)}
    pages.asked.clear()
    await feed.poll()
    assert pages.asked == [5]
    assert feed.version == "one.5"


@in_loop
async def test_the_feed_grows_stale_with_time_and_fresh_with_news() -> None:
    pages, clock = Pages(), [0.0]
    feed = feed_of(pages, clock)
    await feed.poll()
    clock[0] = 10
    assert feed.is_fresh()
    clock[0] = 10.1
    assert not feed.is_fresh()
    await feed.poll()
    assert feed.is_fresh()


@in_loop
async def test_a_withdrawal_replaces_the_consent() -> None:
    pages = Pages()
    feed = feed_of(pages, [0.0])
    pages.events = [consent(1)]
    await feed.poll()
    assert feed.consents["c-1"].withdrawn_at is None
    pages.events.append(consent(2, id="c-1", withdrawn_at="2026-03-02T00:00:00+05:00"))
    await feed.poll()
    withdrawn_at = feed.consents["c-1"].withdrawn_at
    assert withdrawn_at is not None
    assert withdrawn_at.isoformat() == "2026-03-02T00:00:00+05:00"


@in_loop
async def test_another_epoch_replaces_everything_at_once() -> None:
    pages = Pages()
    feed = feed_of(pages, [0.0])
    pages.events = [consent(1), consent(2), client(3, "f")]
    await feed.poll()
    pages.epoch, pages.events = "two", [client(1, "g"), consent(2), consent(3)]
    pages.fails_after = 2
    with pytest.raises(OSError, match="away"):
        await feed.poll()
    assert feed.version == "one.3"
    assert set(feed.consents) == {"c-1", "c-2"}
    pages.fails_after = None
    await feed.poll()
    assert feed.version == "two.3"
    assert set(feed.consents) == {"c-2", "c-3"}
    assert feed.name_of("f") == {"en": "f", "dv": "f"}
    assert feed.name_of("g")["en"] == "The g"
    pages.epoch, pages.events = "three", []
    await feed.poll()
    assert not feed.consents


@in_loop
async def test_revocations_deny_tokens() -> None:
    pages = Pages()
    feed = feed_of(pages, [0.0])
    pages.events = [
        client(1, "gone", enabled=False),
        client(2, "back", enabled=False),
        client(3, "back"),
        {"n": 4, "kind": "grant-revoked", "grant_id": "g-1"},
        {"n": 5, "kind": "token-revoked", "jti": "j-1", "expires_at": "2127-01-01T00:00:00Z"},
        {"n": 6, "kind": "token-revoked", "jti": "j-2", "expires_at": 1_000_000_000},
        {"n": 7, "kind": "key-withdrawn", "kid": "k-1"},
        {"n": 8, "kind": "something-new", "x": 1},
    ]
    await feed.poll()
    assert feed.denies(token(client_id="gone"))
    assert not feed.denies(token(client_id="back"))
    assert feed.denies(token(grant_id="g-1"))
    assert not feed.denies(token(grant_id="g-2"))
    assert not feed.denies(token())
    assert feed.denies(dataclasses.replace(token(), key_id="k-1"))
    assert not feed.denies(dataclasses.replace(token(), key_id="k-2"))
    assert feed.denies(token(jti="j-1"))
    assert not feed.denies(token(jti="j-2"))  # long expired: nothing to remember


@pytest.mark.parametrize(
    "event",
    [
        {"n": 1, "kind": "consent"},
        consent(1, until="never"),
        consent(1, until="2027-03-01T00:00:00"),
        consent(1, until=None),
        {"kind": "client"},
    ],
)
@in_loop
async def test_a_feed_that_makes_no_sense_is_not_fresh(event: dict[str, Any]) -> None:
    pages = Pages()
    pages.events = [event | {"n": 1}] if "n" in event else [event | {"n": 1, "kind": "client"}]
    feed = feed_of(pages, [0.0])
    with pytest.raises((KeyError, ValueError, TypeError)):
        await feed.poll()
    assert not feed.is_fresh()


@in_loop
async def test_own_calls_are_told_from_forwarded_ones(tmp_path: Path) -> None:
    from tests.gateway.harness import door

    async with door(tmp_path) as it:
        calls = [one for one in it.services["identity"].requests if one.path == "/identity/feed"]
        assert calls[0].header("Atoll-Caller") == "urn:atoll:gateway"
        assert calls[0].header("Atoll-Gateway-Key") == "k" * 64


@in_loop
async def test_however_many_want_to_catch_up_the_feed_is_read_for_all() -> None:
    pages, clock = Pages(), [0.0]
    feed = feed_of(pages, clock)
    await feed.poll()
    pages.asked.clear()
    clock[0] = 1.0
    pages.events = [consent(1)]
    assert all(await asyncio.gather(*(feed.catch_up() for _ in range(50))))
    assert "c-1" in feed.consents
    assert len(pages.asked) <= 4
    pages.fails_after = 0
    clock[0] = 2.0
    assert not await feed.catch_up()
    assert feed.freshness() == {"age_s": 1.0, "fresh": True, "every_s": 1.0, "stale_after_s": 10}
