"""The reuse map: the log counted by caller and service, with its assumption said."""

from pathlib import Path
from typing import Any

from gateway import reuse
from gateway.exchanges.entry import Entry
from gateway.exchanges.seal import Seal
from gateway.exchanges.writer import Writer
from servicekit import migrate
from servicekit.database import Database
from tests.gateway.harness import door, in_loop

NAMES = {"fisheries": {"en": "Fisheries"}, "portal": {"en": "Portal"}}
DAY_MS = 86_400_000


def entry(name: str, **given: Any) -> Entry:
    made = Entry(exchange=name, at_ms=DAY_MS, trace="t" * 32, method="GET")
    fields = {"caller": "fisheries", "service": "registers", "route": "/x", "status": 200}
    for field, value in (fields | {"duration_us": 1_500, "outcome": "answered"} | given).items():
        setattr(made, field, value)
    return made


async def counted(database: Database, *entries: Entry, **window: int) -> dict[str, Any]:
    migrate.upgrade("gateway", database)
    writer = Writer(database, Seal(b"l" * 32), flush_every_s=0.005)
    await writer.start()
    for one in entries:
        writer.add(one)
    await writer.stop()
    with database.snapshot() as session:
        rows = reuse.count(session, **({"from_ms": 0, "to_ms": 9 * DAY_MS} | window))
    return reuse.reuse_map(rows, lambda client: NAMES.get(client, {"en": client}))


@in_loop
async def test_calls_errors_and_durations_are_counted_by_pair(database: Database) -> None:
    quick = [entry(f"q{n}", duration_us=1_500) for n in range(18)]
    slow = [entry("s1", duration_us=42_000), entry("s2", duration_us=9_000_000)]
    failed = entry("f", service="notify", outcome="failed", status=502)
    [notify, registers] = (await counted(database, *quick, *slow, failed))["pairs"]
    assert (registers["calls"], registers["answered"], registers["failed"]) == (20, 20, 0)
    assert (registers["half_under_ms"], registers["most_under_ms"]) == (2, 50)
    assert (notify["calls"], notify["failed"], notify["component"]) == (1, 1, "notify")
    assert registers["last"] == "1970-01-02T00:00:00Z"


@in_loop
async def test_a_duration_beyond_the_last_class_is_not_given_a_number(database: Database) -> None:
    [pair] = (await counted(database, entry("x", duration_us=60_000_000)))["pairs"]
    assert pair["half_under_ms"] is pair["most_under_ms"] is None


@in_loop
async def test_integrations_are_counted_with_their_assumption(database: Database) -> None:
    pairs = [("fisheries", "registers"), ("fisheries", "notify"), ("portal", "identity")]
    calls = [entry(f"{c}{s}", caller=c, service=s) for c, s in pairs]
    found = (await counted(database, *calls))["integrations"]
    assert (found["without_platform"], found["with_platform"], found["avoided"]) == (6, 5, 1)
    assert "2 × 3 = 6" in found["assumption"]["en"]
    assert "pairs seen in use: 3" in found["assumption"]["en"]
    assert set(found["assumption"]) == {"en", "dv"}


@in_loop
async def test_only_the_time_asked_for_and_known_callers_count(database: Database) -> None:
    entries = (
        entry("old", at_ms=DAY_MS - 1),
        entry("in", at_ms=DAY_MS, service="identity"),
        entry("nameless", caller=None),
        entry("own", service="gateway"),
    )
    found = await counted(database, *entries, from_ms=DAY_MS, to_ms=2 * DAY_MS)
    assert [pair["component"] for pair in found["pairs"]] == ["identity"]


@in_loop
async def test_an_empty_log_avoids_nothing(database: Database) -> None:
    found = await counted(database)
    assert found["pairs"] == []
    assert found["integrations"]["avoided"] == 0


@in_loop
async def test_the_map_is_read_with_its_scope_and_a_right_number_of_days(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        reader = it.issuer.headers("gateway", "exchanges.overview", client_id="portal")
        answer = await it.get("/exchanges/reuse", reader)
        assert (answer.status, answer.json["pairs"]) == (200, [])
        for wrong in ("0", "367", "x", "-1", "1e3", "%D9%A3", "99999999999"):
            assert (await it.get(f"/exchanges/reuse?days={wrong}", reader)).status == 400, wrong
        own = it.issuer.headers("gateway", "exchanges.own", person=True)
        assert (await it.get("/exchanges/reuse", own)).status == 403
