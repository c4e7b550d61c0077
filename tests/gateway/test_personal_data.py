"""The rule for personal data, from the caller's header to the log and back (wire sections 4, 5)."""

import asyncio
import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway import refusals
from gateway.exchanges.seal import Seal
from tests.gateway.harness import LOG_KEY, Answer, Door, Reply, Request, door, in_loop, until

PATH = "/identity/contact-details"
DETAILS = Reply(
    body=b'{"name": "Aishath Demo"}',
    headers={"Atoll-Subject": "person-1", "Atoll-Categories": "contact"},
)


def asking(it: Door, **changes: str | None) -> dict[str, str]:
    """The headers of a department that asks under a consent."""
    headers = it.issuer.headers("identity", "identity.contact", client_id="fisheries")
    asked = {
        "Atoll-Purpose": "vessel-licence",
        "Atoll-Consent": "consent-1",
        "Atoll-Subject": "person-1",
    } | {f"Atoll-{name.title()}": value for name, value in changes.items()}
    return headers | {name: value for name, value in asked.items() if value is not None}


async def ask(it: Door, **changes: str | None) -> Answer:
    return await it.get(PATH, asking(it, **changes))


@in_loop
async def test_data_is_read_under_a_consent_and_the_read_is_recorded(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": DETAILS}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        answer = await ask(it)
        assert (answer.status, answer.body) == (200, DETAILS.body)
        assert answer.header("atoll-subject") is None
        assert answer.header("atoll-categories") is None
        [request] = it.asked("identity")
        assert request.header("Atoll-Purpose") == "vessel-licence"
        assert request.header("Atoll-Consent") == "consent-1"
        assert request.header("Atoll-Subject") == "person-1"
        assert request.header("Atoll-Caller") == "fisheries"
        [entry] = await it.log()
        assert entry["personal"] == "read"
        assert entry["purpose"] == "vessel-licence"
        assert entry["basis"] == "consent"
        assert entry["consent"] == "consent-1"
        assert entry["categories"] == ["contact"]
        assert entry["route"] == PATH
        assert entry["parameters"] is None
        seal = Seal(base64.urlsafe_b64decode(LOG_KEY))
        assert seal.open(entry["subject_sealed"], entry["exchange"]) == "person-1"
        assert entry["subject_index"] == seal.index("person-1")
        assert b"person-1" not in entry["subject_sealed"]


@in_loop
async def test_the_entry_is_written_before_the_answer_leaves(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": DETAILS}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        counts: list[int] = []

        def count(_: Any) -> None:
            with it.database.snapshot() as session:
                counts.append(session.scalar(text("SELECT count(*) FROM exchanges")) or 0)

        await it.call("GET", PATH, asking(it), on_message=count)
        assert counts == [1, 1]


@in_loop
async def test_nothing_leaves_while_the_log_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, {"identity": DETAILS}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)

        def full(*_: Any) -> None:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

        with monkeypatch.context() as patch:
            patch.setattr("gateway.exchanges.writer.append_exchanges", full)
            answer = await ask(it)
            assert (answer.status, answer.slug) == (503, "log-unavailable")
            assert answer.header("retry-after")
            assert b"Aishath" not in answer.body
            assert (await it.get("/registers")).status == 200
            assert (await it.get("/readyz")).status == 503
        await until(lambda: it.plane.log.works)
        entries = {entry["route"]: entry for entry in await it.log()}
        assert entries[PATH]["reason"] == "log-unavailable"
        assert entries["/registers"]["outcome"] == "answered"
        assert (await ask(it)).status == 200


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log_tree SET size = 0, peaks = x''",
        "DELETE FROM exchanges",  # leaves beyond the size are found by the tree itself
        "CREATE TRIGGER full BEFORE INSERT ON log_hashes BEGIN SELECT RAISE(ABORT, 'full'); END",
    ],
)
@in_loop
async def test_a_log_that_cannot_be_chained_hands_nothing_out(tmp_path: Path, damage: str) -> None:
    async with door(tmp_path, {"identity": DETAILS}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        assert (await ask(it)).status == 200
        with it.database.engine.begin() as raw:
            for name in ("log_tree_no_update", "exchanges_no_delete"):
                raw.exec_driver_sql(f"DROP TRIGGER {name}")
            raw.exec_driver_sql(damage)
            if damage.startswith("DELETE"):
                raw.exec_driver_sql("UPDATE log_tree SET size = 0, peaks = x''")
        entries = len(await it.log())
        answer = await ask(it)
        assert (answer.status, answer.slug) == (503, "log-unavailable")
        assert (await it.get("/readyz")).status == 503
        assert (await it.get("/registers")).status == 200
        assert len(await it.log()) == entries
        assert it.plane.log.dropped == 0, "what may wait waits until the log is mended"


@in_loop
async def test_a_log_that_hangs_refuses_in_time(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": DETAILS}, log_timeout_s=0.2) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        with it.database.transaction() as session:
            session.execute(text("SELECT 1"))  # holds SQLite's one write lock
            assert (await ask(it)).slug == "log-unavailable"
        await until(lambda: it.plane.log.works and not it.plane.log._kept)
        for _ in range(20):  # a busy machine may take longer than 0.2 s for one write
            if (status := (await ask(it)).status) == 200:
                break
        assert status == 200


@in_loop
async def test_withdrawal_takes_effect_within_two_seconds(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": DETAILS}, feed_every_s=1.0) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        assert (await ask(it)).status == 200
        it.consent(n=2, withdrawn_at="2026-03-03T21:00:00Z")
        withdrawn_at = time.monotonic()
        while (answer := await ask(it)).status == 200:
            assert time.monotonic() - withdrawn_at < 2
            await asyncio.sleep(0.05)
        assert answer.slug == "consent-withdrawn"
        assert "was withdrawn on 4 March 2026" in answer.json["detail"]
        assert "Nothing was read" in answer.json["detail"]
        entry = (await it.log())[-1]
        assert (entry["outcome"], entry["reason"]) == ("refused", "consent-withdrawn")
        assert (entry["purpose"], entry["consent"]) == ("vessel-licence", "consent-1")
        assert entry["subject_index"] is not None


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"purpose": None}, 400, "purpose-required"),
        ({"purpose": "curiosity"}, 400, "purpose-unknown"),
        ({"subject": None}, 400, "subject-required"),
        ({"consent": None}, 403, "consent-required"),
        ({"consent": "other"}, 403, "consent-unknown"),
        ({"subject": "person-2"}, 403, "consent-mismatch"),
        ({"purpose": "own-data"}, 403, "basis-refused"),
        ({"consent": "x" * 5000}, 400, "malformed"),
    ],
)
@in_loop
async def test_each_refusal_stops_at_the_door(
    tmp_path: Path, changes: dict[str, str | None], status: int, slug: str
) -> None:
    async with door(tmp_path, {"identity": DETAILS}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        answer = await ask(it, **changes)
        assert (answer.status, answer.slug) == (status, slug)
        assert it.asked("identity") == []
        [entry] = await it.log()
        assert (entry["outcome"], entry["reason"]) == ("refused", slug)


@in_loop
async def test_people_see_their_own_data_without_a_consent(tmp_path: Path) -> None:
    reply = Reply(headers={"Atoll-Subject": "person-1", "Atoll-Categories": "messages"})
    async with door(tmp_path, {"notify": reply}) as it:
        own = it.issuer.headers(
            "notify", "notify.inbox", subject="person-1", client_id="portal"
        ) | {"Atoll-Purpose": "own-data"}
        assert (await it.get("/notify/inbox", own)).status == 200
        assert it.asked("notify")[0].header("Atoll-Subject") == "person-1"
        assert (await it.log())[0]["basis"] == "own"
        assert (await it.get("/notify/inbox", own | {"Atoll-Subject": "person-2"})).status == 403
        machine = it.issuer.headers("notify", "notify.inbox") | {"Atoll-Purpose": "own-data"}
        assert (await it.get("/notify/inbox", machine)).slug == "basis-refused"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Atoll-Subject": "person-1"},
        {"Atoll-Categories": "contact"},
        {"Atoll-Subject": "person-2", "Atoll-Categories": "contact"},
        {"Atoll-Subject": "person-1", "Atoll-Categories": "contact health"},
        {"Atoll-Subject": "person-1", "Atoll-Categories": ""},
        [("Atoll-Subject", "person-1"), ("Atoll-Subject", "person-2"),
         ("Atoll-Categories", "contact")],
    ],
)  # fmt: skip
@in_loop
async def test_an_answer_about_something_else_is_thrown_away(tmp_path: Path, headers: Any) -> None:
    reply = Reply(body=b"secret", headers=headers)
    async with door(tmp_path, {"identity": reply}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        answer = await ask(it)
        assert (answer.status, answer.slug) == (502, "bad-gateway")
        assert b"secret" not in answer.body
        [entry] = await it.log()
        assert (entry["outcome"], entry["reason"]) == ("failed", "bad-gateway")


@in_loop
async def test_an_answer_that_read_nothing_passes_and_is_recorded(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": Reply(404, b"none")}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        answer = await ask(it)
        assert (answer.status, answer.body) == (404, b"none")
        (entry,) = await it.log()
        assert (entry["status"], entry["outcome"], entry["sentence"]) == (404, "declined", None)


@in_loop
async def test_a_services_own_refusal_is_recorded_with_its_reason(tmp_path: Path) -> None:
    """In the second before a withdrawal reaches the door, identity itself says no."""
    body = b'{"detail": "This agreement has ended. Nothing was read."}'
    async with door(tmp_path, {"identity": Reply(403, body)}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        assert (await ask(it)).status == 403
        (entry,) = await it.log()
        assert entry["outcome"] == "declined"
        assert entry["sentence"] == "This agreement has ended. Nothing was read."


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"detail": 7}', b"\xff", b'{"detail": null}']
)
def test_a_refusal_without_a_readable_reason_has_none(body: bytes) -> None:
    assert refusals.sentence_of(403, body) is None
    assert refusals.sentence_of(404, b'{"detail": "may repeat what was sent"}') is None
    assert refusals.sentence_of(403, b'{"detail": "%s"}' % (b"x" * 9000)) == "x" * 300


@in_loop
async def test_an_answer_longer_than_a_page_is_thrown_away(tmp_path: Path) -> None:
    reply = Reply(body=b"x" * 3000, headers=DETAILS.headers)
    async with door(tmp_path, {"identity": reply}, max_personal_bytes=2000) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        assert (await ask(it)).slug == "bad-gateway"


@in_loop
async def test_without_identity_consents_are_not_acted_on_but_own_data_is(tmp_path: Path) -> None:
    own_reply = Reply(headers={"Atoll-Subject": "person-1", "Atoll-Categories": "messages"})
    answers: dict[str, Any] = {"identity": DETAILS, "notify": own_reply}
    async with door(tmp_path, answers, feed_stale_s=0.2) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        assert (await ask(it)).status == 200
        serve: Callable[[Request], Any] = it.services["identity"].answer
        it.services["identity"].answer = lambda request: (
            Reply(503) if request.path == "/identity/feed" else serve(request)
        )
        await until(lambda: not it.plane.feed.is_fresh())
        stale = await ask(it)
        assert (stale.status, stale.slug) == (503, "consents-stale")
        assert stale.header("retry-after")
        own = it.issuer.headers("notify", "notify.inbox", subject="person-1")
        answer = await it.get("/notify/inbox", own | {"Atoll-Purpose": "own-data"})
        assert answer.status == 200
        assert (await it.get("/registers")).status == 200
        it.services["identity"].answer = serve
        await until(it.plane.feed.is_fresh)
        assert (await ask(it)).status == 200
