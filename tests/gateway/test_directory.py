"""Agreements at the door: who may call which service, from when to when, and who may not."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from gateway import start_state, storage
from gateway.app import ROUTES
from gateway.directory import Directory, add_open_data, state, term
from gateway.limits.plans import PLANS, TRIAL
from gateway.policy import MALDIVES
from gateway.routing import load_routes
from gateway.storage import Agreement
from servicekit.database import Database
from tests.gateway.harness import Door, door, in_loop, until
from tests.support.clock import FakeClock

APPEND = "/registers/island/entries"
IDENTITY_SEED = ROUTES.parent.parent / "services" / "identity" / "seed"
TODAY = datetime.now(MALDIVES).date()


def agreement(**changes: Any) -> dict[str, Any]:
    return {
        "id": "a-1", "client_id": "newcomer", "service": "registers", "kind": "agreement",
        "legal_basis": {"en": "A made-up law.", "dv": "އުފެއްދި ޤާނޫނެއް."},
        "since": TODAY, "until": None, "made_at_ms": 0, "made_by": "operator",
        "ended_at_ms": None,
    } | changes  # fmt: skip


def directory_of(it: Door) -> Directory:
    return it.plane.rules.directory


def write(it: Door, **changes: Any) -> None:
    with it.database.transaction() as session:
        storage.add_agreement(session, agreement(**changes))
    directory_of(it).read()


async def append(it: Door, client_id: str = "newcomer") -> Any:
    headers = it.issuer.headers("registers", "registers.append", client_id=client_id)
    return await it.call("POST", APPEND, headers, b"{}")


@in_loop
async def test_a_client_without_agreement_is_refused_told_whom_to_ask_and_recorded(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        answer = await append(it)
        assert (answer.status, answer.slug) == (403, "agreement-required")
        assert "newcomer has no agreement to call registers" in answer.json["detail"]
        assert "/portal/directory" in answer.json["detail"]
        assert it.asked("registers") == []
        [entry] = await it.log()
        assert (entry["caller"], entry["outcome"]) == ("newcomer", "refused")
        assert entry["reason"] == "agreement-required"


@in_loop
async def test_what_is_open_to_everyone_needs_no_agreement_with_or_without_a_name(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        assert (await it.get("/registers")).status == 200
        named = it.issuer.headers("registers", client_id="newcomer")
        assert (await it.get("/registers", named)).status == 200


@in_loop
async def test_an_agreement_opens_its_service_and_no_other(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        write(it)
        assert (await append(it)).status == 200
        other = it.issuer.headers("identity", "identity.consents", client_id="newcomer")
        assert (await it.get("/identity/agreements", other)).slug == "agreement-required"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": TODAY + timedelta(days=2)}, "begins on"),
        ({"since": TODAY - timedelta(days=9), "until": TODAY - timedelta(days=2)}, "has ended"),
        ({"since": TODAY - timedelta(days=9), "ended_at_ms": 1}, "has ended"),
    ],
)
def test_an_agreement_that_does_not_hold_today_is_none(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    @in_loop
    async def run() -> None:
        async with door(tmp_path) as it:
            write(it, **changes)
            answer = await append(it)
            assert answer.slug == "agreement-required"
            assert words in answer.json["detail"]

    run()


def test_days_are_those_of_the_maldives_and_the_last_one_counts() -> None:
    row = Agreement(**agreement(since=date(2026, 3, 1), until=date(2026, 3, 31)))
    first, after = datetime(2026, 2, 28, 19, 0, tzinfo=UTC), datetime(2026, 3, 31, 19, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert term(row).starts == first
    assert state(row, first - second) == "future"
    assert state(row, first) == "in-force"
    assert state(row, after - second) == "in-force"
    assert state(row, after) == "ended"


@in_loop
async def test_an_agreement_written_by_another_worker_holds_within_two_seconds(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        with it.database.transaction() as session:
            storage.add_agreement(session, agreement())
        known = directory_of(it)
        await until(lambda: ("newcomer", "registers") in (known.agreements or {}), within_s=2)
        assert (await append(it)).status == 200


@in_loop
async def test_a_directory_that_cannot_be_read_takes_no_call_down(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        with it.database.transaction() as session:
            session.execute(text("ALTER TABLE agreements RENAME TO away"))
        known = directory_of(it)
        await until(lambda: not known._works)
        assert (await append(it, "fisheries")).status == 200
        assert (await append(it, "newcomer")).slug == "agreement-required"
        with it.database.transaction() as session:
            session.execute(text("ALTER TABLE away RENAME TO agreements"))
        await until(lambda: known._works)


@in_loop
async def test_a_door_that_never_read_the_directory_lets_only_open_calls_pass(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        directory_of(it).agreements = None
        with it.database.transaction() as session:
            session.execute(text("DROP TABLE agreements"))
        answer = await append(it, "fisheries")
        assert (answer.status, answer.slug) == (503, "agreements-unknown")
        assert answer.header("retry-after")
        assert (await it.get("/registers")).status == 200


@in_loop
async def test_sandbox_clients_get_the_agreement_for_open_data_by_themselves(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        for n, (client_id, status) in enumerate((("tryer", "sandbox"), ("ministry", "live")), 1):
            name = {"en": client_id, "dv": client_id}
            it.events.append(
                {"n": n, "kind": "client", "client_id": client_id, "name": name,
                 "enabled": True, "status": status}
            )  # fmt: skip
        known = directory_of(it)
        await until(lambda: ("tryer", "registers") in (known.agreements or {}), within_s=3)
        assert ("ministry", "registers") not in (known.agreements or {})
        with it.database.snapshot() as session:
            row = storage.find_agreement(session, "open-data:tryer")
        assert row is not None
        assert row.kind == "open-data"


def test_two_workers_that_meet_a_sandbox_client_at_once_write_one_agreement(
    database: Database,
) -> None:
    storage.metadata.create_all(database.engine)
    clock = FakeClock()
    for _ in range(2):
        with database.transaction() as session:
            add_open_data(session, ["tryer", "x" * 300], clock.now())
    with database.snapshot() as session:
        assert [one.client_id for one in storage.all_agreements(session)] == ["tryer"]
        assert [row[0] for row in storage.all_terms(session)] == ["tryer"]
        assert storage.last_calls(session, [("tryer", "registers")]) == {
            ("tryer", "registers"): None
        }


def test_every_client_of_the_start_state_has_agreements_for_what_it_is_registered_for() -> None:
    clients = yaml.safe_load((IDENTITY_SEED / "clients.yaml").read_text(encoding="utf-8"))
    lines = start_state.seeded()
    by_scope: dict[str, set[str]] = {}
    for route in load_routes(ROUTES).routes:
        if route.auth == "token" and route.service != "gateway":
            for scope in route.scopes:
                by_scope.setdefault(scope, set()).add(route.service)
    for client_id, client in clients.items():
        needed = set()
        for scope in [*client.get("scopes", []), *client.get("person_scopes", [])]:
            needed |= by_scope.get(scope, set())
        agreed = set(lines.get(client_id, {}).get("services", []))
        assert needed <= agreed, f"gateway/seed/agreements.yaml: {client_id} needs {needed}"
    for line in lines.values():
        assert line.get("plan", TRIAL) in PLANS
        assert {"en", "dv"} <= set(line["legal_basis"])
