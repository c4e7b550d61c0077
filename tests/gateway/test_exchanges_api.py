"""The log's readers through the door: filters, pages, copies, proofs, delayed disclosure."""

import asyncio
import base64
import csv
import hashlib
import io
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway import data_plane, storage
from gateway.exchanges import unrouted
from gateway.exchanges.entry import Entry
from gateway.purposes import Purpose
from servicekit import merkle
from servicekit.note import Verifier, open_checkpoint
from tests.gateway.harness import Answer, Door, Reply, Request, door, in_loop, until

OVERVIEW, OWN = "exchanges.overview", "exchanges.own"
ORIGIN = "localhost:8000/exchanges"


def inbox(request: Request) -> Reply:
    person = str(request.header("Atoll-Subject"))
    return Reply(headers={"Atoll-Subject": person, "Atoll-Categories": "messages"})


async def read(it: Door, path: str, scope: str = OVERVIEW, **options: Any) -> Answer:
    return await it.get(path, it.issuer.headers("gateway", scope, **options))


async def look_at_inbox(it: Door, person: str, purpose: str = "own-data") -> Answer:
    own = it.issuer.headers("notify", "notify.inbox", subject=person, client_id="portal")
    return await it.get("/notify/inbox", own | {"Atoll-Purpose": purpose})


async def fill(it: Door, count: int) -> None:
    """Put entries into the log as calls would: one second apart, of two services, two traces."""
    for n in range(1, count + 1):
        it.plane.log.add(
            Entry(
                exchange=f"{n:024x}", at_ms=1_772_514_000_000 + n * 1000, trace=f"{n % 2:032x}",
                method="GET", service=("registers", "notify")[n % 2], caller=f"c{n % 3}",
                route=("/registers", "/notify/inbox")[n % 2], status=200,
                subject=f"person-{n % 4}", outcome=("answered", "refused")[n % 5 == 0],
            )
        )  # fmt: skip
    await asyncio.to_thread(it.plane.log.flush)


def numbers(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [one["number"] for one in answer.json["exchanges"]]


def links(answer: Answer) -> dict[str, str]:
    return {
        name: to for to, name in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.header("link") or "")
    }


@in_loop
async def test_every_filter_narrows_and_all_hold_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await fill(it, 20)

        async def found(**wanted: str) -> list[int]:
            return numbers(await read(it, "/exchanges?" + urlencode(wanted)))

        assert await found(trace=f"{1:032x}", limit="3") == [19, 17, 15]
        assert await found(caller="c0") == [18, 15, 12, 9, 6, 3]
        assert await found(service="notify", limit="2") == [19, 17]
        assert await found(route="/registers", limit="2") == [20, 18]
        assert await found(subject="person-1") == [17, 13, 9, 5, 1]
        assert await found(outcome="refused") == [20, 15, 10, 5]
        assert await found(**{"from": "2026-03-03T05:00:18Z"}) == [20, 19, 18]
        assert await found(to="2026-03-03T10:00:03+05:00") == [2, 1]
        assert await found(service="notify", caller="c0", outcome="refused") == [15]
        assert await found(caller="nobody") == []


@in_loop
async def test_a_filter_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        for query in (
            "trace=x", "trace=", f"trace={'A' * 32}", "service=nowhere", "outcome=good",
            "route=registers", "from=yesterday", "from=2026-03-03T05:00:00", "to=2026",
            "from=2026-03-03T05:00:00Z&to=2026-03-03T05:00:00Z", "order=random", "limit=0",
            "subject=", f"caller={'c' * 256}", "caller=a%00b", "before=-1",
            "to=99999-01-01T00:00:00Z",
        ):  # fmt: skip
            for path in ("/exchanges", "/exchanges/export"):
                if path.endswith("export") and query.startswith(("order", "limit", "before")):
                    continue
                assert (await read(it, f"{path}?{query}")).slug == "malformed", query
        assert (await read(it, "/exchanges?subject=other", OWN, subject="me")).slug == "malformed"
        assert (await read(it, "/exchanges?subject=me", OWN, subject="me")).status == 200


@in_loop
async def test_pages_lead_on_and_back(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await fill(it, 10)
        for order in ("newest", "oldest"):
            forth, page, path = [], None, f"/exchanges?limit=4&order={order}"
            while path:
                page = await read(it, path)
                forth.append(numbers(page))
                path = links(page).get("next", "")
            whole = list(range(10, 0, -1)) if order == "newest" else list(range(1, 11))
            assert [n for part in forth for n in part] == whole
            assert page is not None
            assert "prev" not in links(await read(it, f"/exchanges?limit=4&order={order}"))
            back = await read(it, links(page)["prev"])
            assert numbers(back) == whole[4:8]
            assert numbers(await read(it, links(back)["next"])) == whole[8:]
            first = await read(it, links(back)["prev"])
            assert numbers(first) == whole[:4]
        filtered = await read(it, "/exchanges?limit=2&service=notify")
        assert numbers(await read(it, links(filtered)["next"])) == [5, 3]
        assert filtered.json["next"] == 7
        assert numbers(await read(it, "/exchanges?after=3&limit=2")) == [4, 5]


@in_loop
async def test_the_log_is_copied_as_lines_and_as_a_table(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await fill(it, 1203)
        lines = await read(it, "/exchanges/export")
        assert lines.header("content-type") == "application/jsonl"
        assert [json.loads(line)["number"] for line in lines.body.splitlines()] == list(
            range(1, 1204)
        )
        assert b"person-" not in lines.body
        table = await read(
            it, "/exchanges/export?format=csv&service=notify&to=2026-03-03T05:00:10Z"
        )
        assert table.header("content-disposition") == 'attachment; filename="exchanges.csv"'
        cells = list(csv.DictReader(io.StringIO(table.body.decode())))
        assert [one["number"] for one in cells] == ["1", "3", "5", "7", "9"]
        assert cells[0]["caller"] == "c1"
        assert (await read(it, "/exchanges/export?format=xml")).slug == "malformed"
        own = await read(it, "/exchanges/export", OWN, subject="person-3")
        mine = [json.loads(line) for line in own.body.splitlines()]
        assert {one["subject"] for one in mine} == {"person-3"}
        assert len(mine) == 301
        assert (await read(it, "/exchanges/export", "registers.read")).slug == "insufficient-scope"
        logged = [row["route"] for row in await it.log() if row["service"] == "gateway"]
        assert logged[0] == "/exchanges/export", "taking a copy is itself an exchange"


@in_loop
async def test_no_cell_is_taken_for_a_formula(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        it.plane.log.add(
            Entry("a" * 24, 1, "b" * 32, "GET", caller="=HYPERLINK()", sentence='a "b", c\nd')
        )
        table = await read(it, "/exchanges/export?format=csv")
        [row] = csv.DictReader(io.StringIO(table.body.decode(), newline=""))
        assert row["caller"] == "'=HYPERLINK()"
        assert row["sentence"] == 'a "b", c\nd'


@in_loop
async def test_two_copies_at_once_are_enough(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await fill(it, 3)
        for _ in range(5):  # each gives its place back
            assert (await read(it, "/exchanges/export")).status == 200
        answers = await asyncio.gather(*(read(it, "/exchanges/export") for _ in range(12)))
        assert {one.status for one in answers} <= {200, 503}
        assert any(one.status == 200 for one in answers)
        assert all(one.header("retry-after") for one in answers if one.status == 503)
        assert (await read(it, "/exchanges/export")).status == 200


@in_loop
async def test_a_person_proves_an_entry_about_themselves_alone(tmp_path: Path) -> None:
    """As docs/howto/prove-an-exchange.md tells it: with the answers and SHA-256, nothing else."""
    async with door(tmp_path, {"notify": inbox}) as it:
        for person in ("person-1", "person-2", "person-1"):
            await look_at_inbox(it, person)
        mine = await read(it, "/exchanges", OWN, subject="person-1")
        exchange = mine.json["exchanges"][0]["exchange"]
        answer = await read(it, f"/exchanges/{exchange}/proof", OWN, subject="person-1")
        proof = answer.json
        key = Verifier.parse((await it.get("/exchanges/checkpoint/key")).body.decode().strip())
        head = open_checkpoint(proof["checkpoint"], ORIGIN, [key])
        leaf = hashlib.sha256(b"\0" + proof["leaf"].encode()).digest()
        path = [base64.b64decode(one) for one in proof["path"]]
        assert merkle.verify_inclusion(leaf, proof["index"], head.size, path, head.root)
        opened, told = proof["opening"], json.loads(proof["leaf"])
        material = bytes.fromhex(opened["salt"]) + b"subject\0" + opened["value"].encode()
        assert told["subject_commitment"] == hashlib.sha256(material).hexdigest()
        assert opened["value"] == "person-1"
        assert told["purpose"] == "own-data"
        other = await read(it, f"/exchanges/{exchange}/proof", OWN, subject="person-2")
        assert other.slug == "not-found"
        assert (
            await read(it, "/exchanges/none/proof", OWN, subject="person-1")
        ).slug == "not-found"
        overview = (await read(it, f"/exchanges/{exchange}/proof")).json
        assert "opening" not in overview
        assert "person-1" not in json.dumps(overview)


@in_loop
async def test_heads_are_public_and_grow_out_of_each_other(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        heads = []
        key = Verifier.parse((await it.get("/exchanges/checkpoint/key")).body.decode().strip())
        for _ in range(2):
            await it.get("/registers")
            await it.log()
            await read(it, "/exchanges/verification")  # signs a head of what is there now
            kept = (await it.get("/exchanges/checkpoints")).json["checkpoints"]
            heads.append(open_checkpoint(kept[-1]["checkpoint"], ORIGIN, [key]))
        old, new = heads
        assert old.size < new.size
        answer = await it.get(f"/exchanges/proofs/consistency/{old.size}/{new.size}")
        path = [base64.b64decode(one) for one in answer.json["path"]]
        assert merkle.verify_consistency(old.size, new.size, path, old.root, new.root)
        for pair in ("0/1", "2/1", "1/999", "x/1", "1/1.5"):
            refused = await it.get(f"/exchanges/proofs/consistency/{pair}")
            assert refused.status in (400, 404)
            assert refused.slug
        current = await it.get("/exchanges/checkpoint")
        assert current.header("content-type") == "text/plain; charset=utf-8"
        assert open_checkpoint(current.body.decode(), ORIGIN, [key]).size >= new.size


@in_loop
async def test_verification_is_for_everybodys_and_for_ones_own(tmp_path: Path) -> None:
    async with door(tmp_path, {"notify": inbox}) as it:
        for person in ("person-1", "person-2"):
            await look_at_inbox(it, person)
        whole = (await read(it, "/exchanges/verification")).json
        assert (whole["sound"], whole["first_fault"]) == (True, None)
        own = (await read(it, "/exchanges/verification", OWN, subject="person-2")).json
        assert (own["sound"], own["entries"], own["erasures"]) == (True, 1, [])
        with it.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER exchanges_no_update")
            connection.exec_driver_sql("UPDATE exchanges SET purpose = 'x' WHERE number = 2")
        fault = {"number": 2, "up_to": 2, "fault": "changed"}
        for scope, subject in ((OVERVIEW, None), (OWN, "person-2")):
            found = (await read(it, "/exchanges/verification", scope, subject=subject)).json
            assert not found["sound"]
            assert found["first_fault"].items() >= fault.items()
        first = (await read(it, "/exchanges/verification", OWN, subject="person-1")).json
        assert first["sound"]


@in_loop
async def test_what_the_law_keeps_from_a_person_is_shown_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, {"notify": inbox}) as it:
        delayed = Purpose("inquiry", {"en": "An inquiry", "dv": "x"}, frozenset({"own"}), 30)
        it.plane.purposes["inquiry"] = delayed  # type: ignore[index]
        assert (await look_at_inbox(it, "person-1", "inquiry")).status == 200
        [row] = await it.log()
        assert row["disclose_at_ms"] == row["at_ms"] + 30 * 86_400_000
        for path in ("/exchanges", "/exchanges/export"):
            own = await read(it, path, OWN, subject="person-1")
            assert row["exchange"].encode() not in own.body
        hidden = await read(it, f"/exchanges/{row['exchange']}/proof", OWN, subject="person-1")
        assert hidden.slug == "not-found"
        [seen] = [
            one for one in (await read(it, "/exchanges")).json["exchanges"] if one["number"] == 1
        ]
        assert seen["hidden_until"] > seen["at"]
        assert seen["purpose"]["code"] == "inquiry"
    async with door(tmp_path, {"notify": inbox}) as it:
        with it.database.engine.begin() as connection:  # thirty-one days pass
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS exchanges_no_update")
            connection.exec_driver_sql(
                f"UPDATE exchanges SET disclose_at_ms = {int(time.time() * 1000) - 1}"
            )
        own = await read(it, "/exchanges", OWN, subject="person-1")
        assert [one["exchange"] for one in own.json["exchanges"]] == [row["exchange"]]


@in_loop
async def test_the_role_of_whoever_acted_is_shown_and_their_name_sealed(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": contact}) as it:
        it.consent()
        await until(lambda: it.plane.feed.consents)
        officer = it.issuer.headers(
            "identity", "identity.contact", subject="officer-9", client_id="fisheries",
            roles=["fisheries:officer"],
        )  # fmt: skip
        asked = {
            "Atoll-Purpose": "vessel-licence", "Atoll-Subject": "person-1",
            "Atoll-Consent": "consent-1",
        }  # fmt: skip
        assert (await it.get("/identity/contact-details", officer | asked)).status == 200
        [row] = await it.log()
        assert row["role"] == "fisheries:officer"
        assert "officer-9" not in repr(row)
        [own] = (await read(it, "/exchanges", OWN, subject="person-1")).json["exchanges"]
        assert own["role"] == "fisheries:officer"
        assert "officer-9" not in json.dumps(own)


def contact(request: Request) -> Reply:
    return Reply(headers={"Atoll-Subject": "person-1", "Atoll-Categories": "contact"})


@in_loop
async def test_a_consent_given_this_moment_is_known_at_once(tmp_path: Path) -> None:
    async with door(tmp_path, {"identity": contact}, feed_every_s=30.0) as it:
        it.consent()
        caller = it.issuer.headers("identity", "identity.contact", client_id="fisheries")
        asked = {
            "Atoll-Purpose": "vessel-licence", "Atoll-Subject": "person-1",
            "Atoll-Consent": "consent-1",
        }  # fmt: skip
        answer = await it.get("/identity/contact-details", caller | asked)
        assert answer.status == 200
        assert (await it.log())[0]["consent"] == "consent-1"
        before = len(it.services["identity"].requests)
        wrong = caller | asked | {"Atoll-Consent": "consent-9"}
        refused = await asyncio.gather(
            *(it.get("/identity/contact-details", wrong) for _ in range(30))
        )
        assert {one.slug for one in refused} == {"consent-unknown"}
        asked_feed = len(it.services["identity"].requests) - before
        assert asked_feed < 15, "however many ask, identity is asked for all of them together"


@in_loop
async def test_calls_to_no_address_fill_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as it:
        for n in range(50):
            assert (await it.get(f"/nowhere/{n}")).slug == "not-found"
        assert (await it.get("/registers%2f..")).status == 400
        assert it.plane.log.unrouted.calls == {"not-found": 50, "malformed": 1}
        assert await it.log() == []
        said: list[dict[str, Any]] = []
        monkeypatch.setattr(unrouted.logger, "info", lambda text, extra: said.append(extra))
        it.plane.log.unrouted.tell()
        it.plane.log.unrouted.tell()
        assert said == [{"calls": 51, "reasons": {"not-found": 50, "malformed": 1}}]


@in_loop
async def test_a_reset_lets_go_of_the_entries_and_keeps_the_tree(tmp_path: Path) -> None:
    async with door(
        tmp_path, dict.fromkeys(("identity", "registers", "notify", "portal"), Reply(204))
    ) as it:
        await it.get("/registers")
        await read(it, "/exchanges/verification")
        operator = it.issuer.headers("gateway", "platform.operate")
        assert (await it.call("POST", "/operate/reset", operator)).status == 200
        report = (await read(it, "/exchanges/verification")).json
        assert report["sound"]
        assert report["erased"] == 2
        assert report["erasures"][0]["reason"] == "reset to the start state"
        assert numbers(await read(it, "/exchanges"))[-1] > 2
        with it.database.snapshot() as session:
            assert storage.erased_count(session) == 2


def test_the_hot_path_hashes_nothing() -> None:
    source = Path(str(data_plane.__file__)).read_text(encoding="utf-8")
    assert "merkle" not in source
    assert "sha256" not in source
