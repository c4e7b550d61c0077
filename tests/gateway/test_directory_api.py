"""The directory over HTTP: APIs with their owners, agreements made, changed and ended, plans."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import storage
from gateway.agreements import APIS
from gateway.policy import MALDIVES
from services.portal import routes as portal_routes
from tests.gateway.harness import SERVICES, Answer, Door, door, in_loop

TODAY = datetime.now(MALDIVES).date()
LAW = {"en": "A made-up law.", "dv": "އުފެއްދި ޤާނޫނެއް."}


async def ask(
    it: Door, method: str, target: str, body: Any = None, *, scope: str = "platform.operate"
) -> Answer:
    import json

    headers = it.issuer.headers("gateway", scope, client_id="operator")
    content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        headers["Content-Type"] = "application/json"
    return await it.call(method, target, headers, content)


async def add(it: Door, **changes: Any) -> Answer:
    body = {"client_id": "newcomer", "service": "registers", "legal_basis": LAW} | changes
    return await ask(it, "POST", "/directory/agreements", body)


async def append(it: Door) -> Answer:
    headers = it.issuer.headers("registers", "registers.append", client_id="newcomer")
    return await it.call("POST", "/registers/island/entries", headers, b"{}")


@in_loop
async def test_everyone_can_see_every_api_with_its_owner_description_and_state(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        answer = await it.get("/directory/apis")
        assert answer.status == 200
        apis = {one["name"]: one for one in answer.json["apis"]}
        assert set(apis) == {"gateway", *SERVICES}
        assert apis["registers"]["openapi"] == "/registers/openapi.json"
        assert apis["registers"]["audience"] == "urn:atoll:registers"
        assert apis["registers"]["needs_agreement"]
        assert apis["registers"]["open"]
        assert not apis["gateway"]["needs_agreement"]
        for one in apis.values():
            assert one["state"] in ("ready", "starting", "down")
            assert one["owner"]["dv"]
            assert "@" in one["contact"]


def test_the_portal_names_the_same_owners() -> None:
    content = Path(portal_routes.__file__).parents[1] / "content" / "apis.yaml"
    shown = yaml.safe_load(content.read_text(encoding="utf-8"))
    known = yaml.safe_load(APIS.read_text(encoding="utf-8"))
    for name, line in known.items():
        assert shown[name]["owner"] == line["owner"]


@in_loop
async def test_an_agreement_is_made_used_changed_and_ended(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        assert (await append(it)).slug == "agreement-required"
        made = await add(it)
        assert made.status == 201
        assert made.json["state"] == "in-force"
        assert made.json["since"] == TODAY.isoformat()
        assert made.json["made_by"] == "operator"
        assert (await append(it)).status == 200  # at once
        here = str(made.header("location"))
        await it.log()
        shown = (await ask(it, "GET", here, scope="exchanges.overview")).json
        assert shown["last_call"] is not None
        assert shown["plan"] == "trial"
        assert not shown["unused"]

        later = (TODAY + timedelta(days=30)).isoformat()
        changed = await ask(it, "PATCH", here, {"until": later, "legal_basis": {"en": "Another."}})
        assert changed.json["until"] == later
        assert changed.json["legal_basis"] == {"en": "Another.", "dv": "Another."}
        ended = await ask(it, "PATCH", here, {"end": {"reason": "The law was repealed."}})
        assert ended.json["state"] == "ended"
        assert ended.json["ended_because"] == "The law was repealed."
        assert (await append(it)).slug == "agreement-required"
        again = await ask(it, "PATCH", here, {"until": None})
        assert (again.status, again.slug) == (409, "agreement-ended")
        assert (await add(it)).status == 201
        assert (await append(it)).status == 200


@in_loop
async def test_a_client_has_one_agreement_for_a_service_at_a_time(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        until = (TODAY + timedelta(days=10)).isoformat()
        assert (await add(it, until=until)).status == 201
        assert (await add(it)).slug == "agreement-exists"
        after = (TODAY + timedelta(days=11)).isoformat()
        following = await add(it, since=after)
        assert (following.status, following.json["state"]) == (201, "future")
        assert (await add(it, service="identity")).status == 201
        found = (await ask(it, "GET", "/directory/agreements?client_id=newcomer")).json
        assert len(found["agreements"]) == 3
        found = (await ask(it, "GET", "/directory/agreements?service=notify")).json
        assert {one["service"] for one in found["agreements"]} == {"notify"}


@in_loop
async def test_an_agreement_that_nobody_used_for_long_is_flagged(tmp_path: Path) -> None:
    async with door(tmp_path, unused_days=30) as it:
        now_ms = int(it.plane.clock.now().timestamp() * 1000)
        day_ms = 86_400_000
        with it.database.transaction() as session:
            for client, days in (("idle", 40), ("new", 5)):
                storage.add_agreement(
                    session,
                    {"id": client, "client_id": client, "service": "registers", "kind": "agreement",
                     "legal_basis": LAW, "since": TODAY - timedelta(days=50),
                     "made_at_ms": now_ms - days * day_ms, "made_by": "operator"},
                )  # fmt: skip
        it.plane.rules.directory.read()

        async def flags() -> dict[str, bool]:
            found = (await ask(it, "GET", "/directory/agreements")).json
            assert found["unused_after_days"] == 30
            return {one["id"]: one["unused"] for one in found["agreements"]}

        assert (await flags())["idle"]
        assert not (await flags())["new"]
        named = it.issuer.headers("registers", client_id="idle")
        assert (await it.get("/registers", named)).status == 200
        await it.log()
        assert not (await flags())["idle"]


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "elsewhere"}, {"client_id": ""}, {"client_id": "a b"}, {"client_id": 3},
        {"since": "2026-02-30"}, {"since": "yesterday"}, {"since": None}, {"since": "9999-12-31"},
        {"until": "2001-01-01"}, {"legal_basis": {"dv": "x"}}, {"legal_basis": "x"},
        {"legal_basis": {"en": ""}}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    @in_loop
    async def run() -> None:
        async with door(tmp_path) as it:
            answer = await add(it, **changes)
            assert (answer.status, answer.slug) == (422, "invalid")
            assert answer.json["errors"]

    run()


@in_loop
async def test_reading_needs_the_overview_and_writing_the_operator(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        body = {"client_id": "newcomer", "service": "registers", "legal_basis": LAW}
        for method, target, sent in (
            ("POST", "/directory/agreements", body),
            ("PATCH", "/directory/agreements/x", {"until": None}),
            ("PUT", "/directory/plans/newcomer", {"plan": "standard"}),
        ):
            refused = await ask(it, method, target, sent, scope="exchanges.overview")
            assert refused.slug == "insufficient-scope"
        for target in ("/directory/agreements", "/directory/plans", "/directory/agreements/x"):
            assert (await it.get(target)).status == 401
            assert (await ask(it, "GET", target, scope="exchanges.own")).status == 403
        assert (await ask(it, "GET", "/directory/agreements/x")).slug == "not-found"
        assert (await ask(it, "PATCH", "/directory/agreements/x", {"until": None})).status == 404


@in_loop
async def test_a_plan_is_set_and_shown_and_holds_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        named = it.issuer.headers("registers", client_id="newcomer")

        async def limit() -> int:
            return int(str((await it.get("/registers", named)).header("ratelimit-limit")))

        before = await limit()
        answer = await ask(it, "PUT", "/directory/plans/newcomer", {"plan": "standard"})
        assert answer.json == {"client_id": "newcomer", "plan": "standard"}
        assert await limit() == 10 * before
        shown = (await ask(it, "GET", "/directory/plans")).json
        assert {"client_id": "newcomer", "plan": "standard"} in shown["plans"]
        assert shown["ordinary"] == "trial"
        assert (await ask(it, "PUT", "/directory/plans/x", {"plan": "vip"})).status == 422
