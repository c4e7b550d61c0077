"""DPoP at the door: bound tokens pass with their key's proof, each proof once, in any worker."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import storage
from gateway.proofs import Proofs
from servicekit.database import Database
from tests.gateway.harness import Answer, Door, Reply, door, in_loop
from tests.support.issuer import FakeIssuer, ProofKey

PUBLIC = "http://localhost:8000"
OPEN = "/registers"
NEEDED = "/registers/island/entries"


def bound(issuer: FakeIssuer, key: ProofKey, scope: str = "registers.append", **claims: Any) -> str:
    return issuer.token("registers", scope, bound_to=key, **claims)


def shown(key: ProofKey, token: str, method: str, path: str, **claims: Any) -> dict[str, str]:
    proof = key.proof(method, PUBLIC + path, token, **claims)
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


async def append(it: Door, headers: dict[str, str]) -> Answer:
    return await it.call("POST", NEEDED, headers, b"{}")


@in_loop
async def test_a_bound_token_passes_with_its_keys_proof_and_the_service_is_told(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        key = ProofKey()
        token = bound(it.issuer, key)
        headers = shown(key, token, "POST", NEEDED) | {"Atoll-Proof": "spoof"}
        assert (await append(it, headers)).status == 200
        assert (await it.get(f"{OPEN}?a=1", shown(key, token, "GET", OPEN))).status == 200
        for request in it.asked("registers"):
            assert request.header("Atoll-Proof") == key.thumbprint


@in_loop
async def test_a_bound_token_sent_as_a_bearers_is_refused_also_where_no_token_is_needed(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as it:
        key = ProofKey()
        token = bound(it.issuer, key, client_id="fisheries")
        bearer = {"Authorization": f"Bearer {token}"}
        for answer in (await it.get(OPEN, bearer), await append(it, bearer)):
            assert (answer.status, answer.slug) == (401, "unauthenticated")
            assert str(answer.header("www-authenticate")).startswith('DPoP realm="atoll"')
        proof = shown(key, token, "GET", OPEN)["DPoP"]
        assert (await it.get(OPEN, bearer | {"DPoP": proof})).status == 401
        assert it.asked("registers") == []
        assert {entry["caller"] for entry in await it.log()} == {"fisheries"}


@in_loop
async def test_a_token_that_is_not_bound_is_no_dpop_token(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        token = it.issuer.token("registers", "registers.append")
        assert (await append(it, shown(ProofKey(), token, "POST", NEEDED))).status == 401
        plain = it.issuer.headers("registers", "registers.append")
        assert (await append(it, plain | {"Atoll-Proof": ProofKey().thumbprint})).status == 200
        assert it.asked("registers")[0].header("Atoll-Proof") is None


@pytest.mark.parametrize(
    "change",
    [
        {"htm": "GET"}, {"htu": PUBLIC + OPEN}, {"htu": "http://127.0.0.1:8011" + NEEDED},
        {"ath": "x"}, {"ath": None}, {"iat": 0}, {"jti": ""}, {"jti": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_proof_of_something_else_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    async def run() -> None:
        async with door(tmp_path) as it:
            key = ProofKey()
            headers = shown(key, bound(it.issuer, key), "POST", NEEDED, **change)
            answer = await append(it, headers)
            assert (answer.status, answer.slug) == (401, "unauthenticated")
            assert it.asked("registers") == []

    asyncio.run(run())


@in_loop
async def test_proofs_of_other_keys_two_proofs_and_rubbish_are_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        key, other = ProofKey(), ProofKey()
        token = bound(it.issuer, key)
        good = shown(key, token, "POST", NEEDED)
        again = shown(key, token, "POST", NEEDED)["DPoP"]
        for headers in (
            [("Authorization", good["Authorization"]), ("DPoP", good["DPoP"]), ("DPoP", again)],
            good | {"DPoP": other.proof("POST", PUBLIC + NEEDED, token)},
            good | {"DPoP": "rubbish"},
            good | {"DPoP": "\xff.a.b"},
            {"Authorization": good["Authorization"]},
        ):
            answer = await it.call("POST", NEEDED, headers, b"{}")
            assert (answer.status, answer.slug) == (401, "unauthenticated"), headers
        assert (await append(it, good)).status == 200


@in_loop
async def test_a_proof_passes_once(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        key = ProofKey()
        headers = shown(key, bound(it.issuer, key), "POST", NEEDED)
        many = await asyncio.gather(*(append(it, headers) for _ in range(5)))
        assert sorted(answer.status for answer in many) == [200, 401, 401, 401, 401]


@in_loop
async def test_a_proof_passes_once_in_whichever_worker_and_over_a_restart(tmp_path: Path) -> None:
    issuer, key = FakeIssuer(), ProofKey()
    headers = shown(key, bound(issuer, key), "POST", NEEDED)
    async with door(tmp_path, issuer=issuer) as one, door(tmp_path, issuer=issuer) as two:
        both = await asyncio.gather(append(one, headers), append(two, headers))
        assert sorted(answer.status for answer in both) == [200, 401]
    async with door(tmp_path, issuer=issuer) as restarted:
        assert (await append(restarted, headers)).status == 401


@in_loop
async def test_bound_tokens_are_refused_while_proofs_cannot_be_remembered(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        key = ProofKey()
        token = bound(it.issuer, key)
        with it.database.transaction() as session:
            session.execute(text("DROP TABLE proofs"))
        answer = await append(it, shown(key, token, "POST", NEEDED))
        assert (answer.status, answer.slug) == (503, "proofs-unavailable")
        assert answer.header("retry-after")
        assert (await append(it, it.issuer.headers("registers", "registers.append"))).status == 200


@in_loop
async def test_proofs_too_old_to_be_used_are_forgotten(tmp_path: Path) -> None:
    async with door(tmp_path, {"registers": Reply()}) as it:
        with it.database.transaction() as session:
            session.execute(text("INSERT INTO proofs (name, until_s) VALUES ('old', 1)"))
        key = ProofKey()
        assert (await append(it, shown(key, bound(it.issuer, key), "POST", NEEDED))).status == 200
        with it.database.snapshot() as session:
            [kept] = session.execute(text("SELECT name FROM proofs")).scalars()
        assert kept != "old"


@in_loop
async def test_an_acting_officers_bound_token_is_recorded_with_both(tmp_path: Path) -> None:
    async with door(tmp_path) as it:
        key = ProofKey()
        token = bound(it.issuer, key, subject="person-1", actors=("person-2",), client_id="council")
        assert (await append(it, shown(key, token, "POST", NEEDED))).status == 200
        [entry] = await it.log()
        [seal] = [it.plane.log._seal]
        assert entry["caller"] == "council"
        assert seal.open(entry["acting_sealed"], entry["exchange"], "acting") == "person-2"


def test_many_proofs_at_once_share_transactions_and_workers_share_proofs(
    database: Database,
) -> None:
    """What waits at the same time is written together, so a burst costs a few commits."""
    storage.metadata.create_all(database.engine)
    written = []

    @contextlib.contextmanager
    def transaction() -> Any:
        written.append(1)
        with Database.transaction(database) as session:
            yield session

    async def run() -> None:
        database.transaction = transaction  # type: ignore[method-assign]
        one, two = Proofs(database, PUBLIC), Proofs(database, PUBLIC)
        names = [f"n{number}" for number in range(200)]
        first = await asyncio.gather(*(one._is_first(name) for name in names))
        again = await asyncio.gather(*(two._is_first(name) for name in names))
        assert all(first)
        assert not any(again)
        raced = await asyncio.gather(one._is_first("race"), two._is_first("race"))
        assert sorted(raced) == [False, True]
        await one.stop()
        await two.stop()

    asyncio.run(run())
    assert len(written) < 10
