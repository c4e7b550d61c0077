"""The gateway's own API: the log for its two kinds of readers, reset, health."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import Answer, Door, Reply, Request, door, health_of, in_loop, until

OVERVIEW, OWN = "exchanges.overview", "exchanges.own"
INBOX = Reply(headers={"Atoll-Subject": "person-1", "Atoll-Categories": "messages"})


async def read(it: Door, query: str = "", scope: str = OVERVIEW, **options: Any) -> Answer:
    headers = options.pop("headers", {})
    return await it.get(
        f"/exchanges{query}", it.issuer.headers("gateway", scope, **options) | headers
    )


async def look_at_inbox(it: Door, person: str) -> None:
    own = it.issuer.headers("notify", "notify.inbox", subject=person, client_id="portal")
    await it.get("/notify/inbox", own | {"Atoll-Purpose": "own-data"})


@in_loop
async def test_the_overview_names_no_person(tmp_path: Path) -> None:
    async with door(tmp_path, {"notify": INBOX}) as it:
        name = {"en": "Portal", "dv": "ޕޯޓަލް"}
        it.events.append(
            {"n": 1, "kind": "client", "client_id": "portal", "name": name, "enabled": True}
        )
        await until(lambda: it.plane.feed.version.endswith(".1"))
        await look_at_inbox(it, "person-1")
        answer = await read(it)
        assert answer.status == 200
        assert b"person-1" not in answer.body
        [shown] = answer.json["exchanges"]
        assert "subject" not in shown
        assert shown["caller"] == {"client_id": "portal", "name": name}
        assert shown["purpose"]["code"] == "own-data"
        assert shown["purpose"]["title"]["en"]
        assert shown["personal"] == "read"
        assert shown["categories"] == ["messages"]
        assert shown["parameters"] is None
        assert shown["caption"]["en"].startswith("A person read the messages")
        assert "ޕޯޓަލް" in shown["caption"]["dv"]
        assert shown["at"].endswith("Z")
        assert answer.json["next"] is None


@in_loop
async def test_people_see_the_entries_about_themselves_alone(tmp_path: Path) -> None:
    def inbox(request: Request) -> Reply:
        person = str(request.header("Atoll-Subject"))
        return Reply(headers={"Atoll-Subject": person, "Atoll-Categories": "messages"})

    async with door(tmp_path, {"notify": inbox}) as it:
        for person in ("person-1", "person-2", "person-1"):
            await look_at_inbox(it, person)
        await it.get("/registers")
        mine = await read(it, scope=OWN, subject="person-1", client_id="portal")
        assert [one["subject"] for one in mine.json["exchanges"]] == ["person-1"] * 2
        nobody = await read(it, scope=OWN, subject="person-9", client_id="portal")
        assert nobody.json == {"exchanges": [], "next": None}
        assert mine.header("etag") != nobody.header("etag")


@in_loop
async def test_a_refused_try_is_shown_to_the_person_and_says_why(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        it.consent(withdrawn_at="2026-03-03T10:00:00Z")
        await until(lambda: it.plane.feed.consents)
        asked = it.issuer.headers("identity", "identity.contact", client_id="fisheries") | {
            "Atoll-Purpose": "vessel-licence",
            "Atoll-Consent": "consent-1",
            "Atoll-Subject": "person-1",
        }
        refused = await it.get("/identity/contact-details", asked)
        mine = await read(it, scope=OWN, subject="person-1", client_id="portal")
        [shown] = mine.json["exchanges"]
        assert (shown["outcome"], shown["reason"]) == ("refused", "consent-withdrawn")
        assert shown["sentence"] == refused.json["detail"]
        assert shown["consent"] == "consent-1"
        assert refused.json["detail"] in shown["caption"]["en"]


@in_loop
async def test_pages_filters_and_following(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        trace = "0af7651916cd43dd8448eb211c80319c"
        for number in range(5):
            headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"} if number == 2 else {}
            await it.get(f"/registers/island/records/{number}", headers)
        first = (await read(it, "?limit=2")).json
        assert [one["parameters"]["key"] for one in first["exchanges"]] == ["4", "3"]
        second = (await read(it, f"?limit=2&before={first['next']}")).json
        assert [one["parameters"]["key"] for one in second["exchanges"]] == ["2", "1"]
        third = (await read(it, f"?limit=2&before={second['next']}")).json
        assert ([one["parameters"]["key"] for one in third["exchanges"]], third["next"]) == (
            ["0"],
            None,
        )
        followed = (await read(it, "?after=3")).json["exchanges"]
        assert [one["number"] for one in followed] == [4, 5]
        traced = (await read(it, f"?trace={trace}&service=registers")).json["exchanges"]
        assert [one["parameters"]["key"] for one in traced] == ["2"]
        assert (await read(it, "?caller=nobody")).json["exchanges"] == []


@in_loop
async def test_whoever_asks_sees_what_was_answered_before(tmp_path: Path) -> None:
    """Ordinary entries are written in batches, but a reader never waits for the next one."""
    async with door(tmp_path, flush_every_ms=60_000) as it:
        await it.get("/registers")
        answer = await it.get(
            "/exchanges", it.issuer.headers("gateway", "exchanges.overview", client_id="portal")
        )
        assert [one["route"] for one in answer.json["exchanges"]] == ["/registers"]


@in_loop
async def test_polling_costs_nothing_while_nothing_happens(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        await it.get("/registers")
        first = await read(it)
        etag = str(first.header("etag"))
        again = await read(it, headers={"If-None-Match": etag})
        assert (again.status, again.body) == (304, b"")
        assert again.header("etag") == etag
        await it.get("/registers")
        assert (await read(it, headers={"If-None-Match": etag})).status == 200
        assert (await read(it, "?limit=1", headers={"If-None-Match": etag})).status == 200


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=-1", "?limit=x", "?limit=" + "9" * 30, "?before=1.5", "?after=%C2%B2",
     "?after=", "?trace=%ED%A0%80", "?caller=%EF%BF%BD"],
)  # fmt: skip
@in_loop
async def test_odd_queries_are_answered_and_never_break_anything(
    tmp_path: Path, query: str
) -> None:
    async with door(tmp_path) as it:
        answer = await read(it, query)
        assert answer.status == (200 if "caller" in query else 400)


@in_loop
async def test_the_log_has_its_own_scopes(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/exchanges")).status == 401
        assert (await read(it, scope="registers.read")).slug == "insufficient-scope"
        wrong = await it.get("/exchanges", it.issuer.headers("registers", OVERVIEW))
        assert wrong.status == 401


@in_loop
async def test_reset_reaches_every_service_and_empties_the_log(tmp_path: Path) -> None:
    def reset_or_answer(request: Request) -> Reply:
        return Reply(204) if request.path.endswith("/operate/reset") else Reply()

    names = ("identity", "registers", "notify", "portal")
    async with door(tmp_path, dict.fromkeys(names, reset_or_answer)) as it:
        await it.get("/registers")
        operator = it.issuer.headers("gateway", "platform.operate", client_id="operator")
        answer = await it.call("POST", "/operate/reset", operator)
        assert answer.json == {"reset": [*sorted(names), "gateway"]}
        for name in names:
            [call] = [one for one in it.asked(name) if "reset" in one.path]
            assert (call.method, call.path) == ("POST", f"/{name}/operate/reset")
            assert call.header("Atoll-Caller") == "urn:atoll:gateway"
            assert call.header("Atoll-Gateway-Key") == "k" * 64
        assert [entry["route"] for entry in await it.log()] == ["/operate/reset"]


@in_loop
async def test_a_reset_that_did_not_reach_everything_says_what_is_missing(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        return Reply(204 if "notify" not in request.path else 500)

    async with door(
        tmp_path, dict.fromkeys(("identity", "registers", "notify", "portal"), answer)
    ) as it:
        await it.get("/registers")
        operator = it.issuer.headers("gateway", "platform.operate")
        failed = await it.call("POST", "/operate/reset", operator)
        assert failed.slug == "bad-gateway"
        assert list(failed.json["failed"]) == ["notify"]
        assert len(await it.log()) == 2
        assert (await it.call("POST", "/operate/reset")).status == 401


@in_loop
async def test_readiness_is_the_whole_platforms(tmp_path: Path) -> None:
    async with door(tmp_path, probe_every_s=0.05) as it:
        await until(lambda: set(health_of(it.plane).values()) == {"ready"})
        ready = (await it.get("/readyz")).json
        feed = ready.pop("feed")
        assert (feed["fresh"], feed["stale_after_s"]) == (True, 10)
        assert feed["age_s"] < 10
        assert ready == {
            "status": "ready",
            "components": {
                name: {"state": "ready", "instances": [{"state": "ready", "circuit": "closed"}]}
                for name in ("identity", "registers", "notify", "portal")
            },
        }
        it.services["notify"].answer = lambda request: Reply(503)
        states = health_of(it.plane)
        await until(lambda: states["notify"] == "starting")
        waiting = await it.get("/readyz")
        assert (waiting.status, waiting.slug) == (503, "unavailable")
        assert waiting.json["components"]["notify"]["state"] == "starting"
        assert waiting.json["components"]["portal"]["state"] == "ready"
        assert (await it.get("/healthz")).json == {"status": "ok"}


@in_loop
async def test_a_service_that_is_down_is_shown_as_down(tmp_path: Path) -> None:
    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with door(tmp_path, {"notify": dead}, probe_every_s=0.05) as it:
        states = health_of(it.plane)
        await until(lambda: states["notify"] == "down")
        await until(lambda: states["portal"] == "ready")


@in_loop
async def test_the_description_is_served(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        answer = await it.get("/gateway/openapi.json")
        rules = it.plane.own.app.url_map.iter_rules()  # type: ignore[attr-defined]
        assert set(answer.json["paths"]) == {
            re.sub(r"<(\w+)>", r"{\1}", str(rule.rule)) for rule in rules
        }
        assert json.loads(answer.body)["servers"] == [{"url": "http://localhost:8000"}]
