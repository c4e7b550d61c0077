"""Keys follow each other: statement 22 of the identity profile."""

import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from operator import ge
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import update

from servicekit import migrate
from servicekit.database import Database
from servicekit.problems import Unauthenticated
from servicekit.tokens import KeySource, Verifier
from services.identity.app import create_app
from services.identity.domain.key_life import State
from services.identity.protocol import keys
from services.identity.protocol.keys import KeyRing
from services.identity.settings import Settings
from services.identity.storage import keys as store
from services.identity.storage.protocol_tables import StoredKey
from services.identity.storage.tables import Client
from services.identity.upkeep import Upkeep
from tests.identity.callers import BY_GATEWAY, Browser, Program
from tests.identity.test_races import race
from tests.support.clock import FakeClock

ISSUER = "http://localhost:8000/identity"
KEYS = "/identity/keys"


@pytest.fixture
def ring(app: Flask, file_database: Database, clock: FakeClock) -> KeyRing:
    """The ring, with keys that began at the fake clock's first moment."""
    with file_database.transaction() as session:
        session.execute(update(StoredKey).values(published_at=clock.now()))
        session.execute(
            update(StoredKey).where(StoredKey.state == State.ACTIVE).values(active_at=clock.now())
        )
    found: KeyRing = app.extensions["identity"].keys
    found.forget()
    return found


@pytest.fixture(autouse=True)
def new_keys(monkeypatch: pytest.MonkeyPatch, ready_made_keys: Callable[[str], str]) -> None:
    """No key may come twice here."""
    monkeypatch.setattr(keys, "generate", ready_made_keys)


@pytest.fixture
def another_process(settings: Settings, file_database: Database, clock: FakeClock) -> Flask:
    return create_app(settings, database=file_database, clock=clock)


@pytest.fixture
def operator(program: Program, ring: KeyRing) -> dict[str, str]:
    return program.own_token("operator", "identity", "platform.operate")


class CachingVerifier:
    """A service that fetches the keys every five minutes and never in between."""

    def __init__(self, ring: KeyRing, clock: FakeClock) -> None:
        self._clock, self._ring = clock, ring
        self._source = KeySource(ring.jwks, max_age_s=1e9, hard_limit_s=1e9)
        self._fetched_at = clock.now() - timedelta(days=1)
        self._verifier = Verifier(
            self._source, ISSUER, now=lambda: clock.now().timestamp(), cache_size=0
        )

    def verify(self, text: str) -> None:
        """Verify with the keys held; raises when one is missing."""
        if self._clock.now() - self._fetched_at >= timedelta(seconds=300):
            self._source.adopt(self._ring.jwks())
            self._fetched_at = self._clock.now()
        self._verifier.verify(text, "urn:atoll:registers", may_fetch=False)


def _reached(counts: list[int], goal: list[int]) -> bool:
    return all(map(ge, counts, goal))


def states(ring: KeyRing, database: Database, algorithm: str = "ES256") -> list[str]:
    with database.snapshot() as session:
        return [key.state for key in store.every(session) if key.algorithm == algorithm]


def test_security_22_no_token_is_refused_while_keys_rotate(
    app: Flask, ring: KeyRing, clock: FakeClock, program: Program
) -> None:
    """Two hours and a half in steps of 30 s, a rotation each 25 minutes, a cache of five."""
    verifier, living, used = CachingVerifier(ring, clock), [], set()
    for step in range(300):
        if step % 50 == 0:
            ring.rotate(("ES256",))
        if step % 4 == 0:
            ring.advance()
        token = program.own_token("fisheries", "registers")["Authorization"].split()[1]
        living.append(token)
        used.add(ring.active_kid())
        for text in living[:1] + living[-2:]:
            verifier.verify(text)
        living = living[-30:]  # fifteen minutes
        clock.advance(seconds=30)
        ring.forget()
    assert len(used) == 7  # six rotations


def test_security_22_nobody_under_load_gets_a_401(
    app: Flask, ring: KeyRing, clock: FakeClock, program: Program
) -> None:
    moment = clock.now()
    source = KeySource(ring.jwks, monotonic=lambda: (clock.now() - moment).total_seconds())
    verifier = Verifier(source, ISSUER, now=lambda: clock.now().timestamp())
    faults: list[BaseException] = []
    counts, changed, stop = [0, 0, 0], threading.Condition(), threading.Event()

    def work(number: int) -> None:
        while not stop.is_set():
            try:
                token = program.own_token("fisheries", "registers")["Authorization"].split()[1]
                verifier.verify(token, "urn:atoll:registers")
            except BaseException as error:  # noqa: BLE001 (whatever it is, the test must fail)
                faults.append(error)
            with changed:
                counts[number] += 1
                changed.notify_all()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(counts))]
    for worker in workers:
        worker.start()
    kids = set()
    for _ in range(6):
        clock.advance(seconds=601)
        ring.rotate(("ES256",))
        kids.add(ring.active_kid())
        with changed:  # the clock moves on when everybody has had two turns
            goal = [count + 2 for count in counts]
            assert changed.wait_for(partial(_reached, counts, goal), timeout=30)
    stop.set()
    for worker in workers:
        worker.join()
    assert faults == []
    assert len(kids) == 6


def test_security_22_a_service_that_slept_through_a_rotation_refuses_nobody(
    ring: KeyRing, clock: FakeClock, program: Program
) -> None:
    moment, delay = clock.now(), threading.Event()

    def fetch() -> Any:
        delay.wait(0.05)
        return ring.jwks()

    source = KeySource(fetch, monotonic=lambda: (clock.now() - moment).total_seconds())
    source.adopt(ring.jwks())
    for _ in range(2):  # the key that signs then is not one of those held
        clock.advance(seconds=601)
        ring.rotate(("ES256",))
    verifier = Verifier(source, ISSUER, now=lambda: clock.now().timestamp())
    token = program.own_token("fisheries", "registers")["Authorization"].split()[1]
    found = race(lambda: verifier.verify(token, "urn:atoll:registers").client_id)
    assert found == ["fisheries"] * 8


def test_security_22_a_withdrawn_key_stops_at_once_and_the_gateway_hears_of_it(
    browser: Browser, program: Program, operator: dict[str, str], ring: KeyRing, app: Flask
) -> None:
    tokens = program.redeem(browser.get_code()).json
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert program.call("GET", "/identity/userinfo", headers=bearer).status_code == 200
    kid = ring.active_kid()
    done = program.call(
        "POST", f"{KEYS}/{kid}/withdraw", headers=operator, json={"reason": "copied by somebody"}
    )
    assert done.status_code == 200
    assert program.call("GET", "/identity/userinfo", headers=bearer).status_code == 401
    assert program.call("GET", KEYS, headers=operator).status_code == 401  # it was signed by it
    assert kid not in {key["kid"] for key in program.call("GET", "/identity/jwks").json["keys"]}
    assert program.feed()["events"][-1] == {
        "n": program.feed()["last"],
        "kind": "key-withdrawn",
        "kid": kid,
    }
    # the next key was published long ago, so everybody knows what signs now
    again = program.own_token("operator", "identity")
    listed = program.call("GET", KEYS, headers=again).json["keys"]
    (withdrawn,) = [key for key in listed if key["kid"] == kid]
    assert withdrawn["state"] == "gone"
    assert withdrawn["reason"] == "copied by somebody"
    # who was signed in stays so: refresh tokens are not signed
    fresh = program.refresh(tokens["refresh_token"]).json["access_token"]
    bearer = {"Authorization": f"Bearer {fresh}"}
    assert program.call("GET", "/identity/userinfo", headers=bearer).status_code == 200


def test_a_new_key_is_published_ten_minutes_before_it_signs(
    ring: KeyRing, clock: FakeClock, file_database: Database
) -> None:
    first = ring.active_kid()
    assert states(ring, file_database) == ["active", "next"]
    ring.rotate(("ES256",))
    assert ring.active_kid() == first
    clock.advance(seconds=599)
    ring.advance()
    assert ring.active_kid() == first
    clock.advance(seconds=1)
    ring.advance()
    second = ring.active_kid()
    assert second != first
    assert sorted(states(ring, file_database)) == ["active", "next", "retiring"]
    assert states(ring, file_database, "RS256") == ["active", "next"]
    assert first in {key["kid"] for key in ring.jwks()["keys"]}
    clock.advance(seconds=3599)
    ring.advance()
    assert first in {key["kid"] for key in ring.jwks()["keys"]}
    clock.advance(seconds=1)
    ring.advance()
    assert first not in {key["kid"] for key in ring.jwks()["keys"]}
    with file_database.snapshot() as session:
        gone = session.get_one(StoredKey, first)
        assert (gone.state, gone.sealed) == ("gone", None)


def test_keys_are_replaced_by_age(ring: KeyRing, clock: FakeClock) -> None:
    first = ring.active_kid()
    clock.advance(days=29)
    ring.advance()
    assert ring.active_kid() == first
    clock.advance(days=1)
    ring.advance()
    assert ring.active_kid() != first


def test_several_processes_see_one_state(
    app: Flask, ring: KeyRing, another_process: Flask, clock: FakeClock
) -> None:
    other: KeyRing = another_process.extensions["identity"].keys
    assert other.active_kid() == ring.active_kid()
    clock.advance(seconds=600)
    ring.rotate()
    other.forget()  # as it does by itself after a second
    assert other.active_kid() == ring.active_kid()
    assert other.jwks() == ring.jwks()


def test_eight_processes_that_rotate_at_once_make_one_rotation(
    app_on_each: Flask, clock: FakeClock
) -> None:
    ring: KeyRing = app_on_each.extensions["identity"].keys
    database = app_on_each.extensions["identity"].database
    clock.moment = clock.now() + timedelta(days=3650)  # long after the keys were published
    before = ring.active_kid()
    assert race(ring.advance) == [None] * 8
    assert ring.active_kid() != before
    assert sorted(states(ring, database)) == ["active", "next", "retiring"]


def test_a_new_platform_signs_with_the_key_of_its_file_and_makes_the_others(
    settings: Settings, database: Database, clock: FakeClock, ring: KeyRing
) -> None:
    migrate.upgrade("services.identity", database)
    fresh = create_app(
        dataclasses.replace(settings, start_state=None), database=database, clock=clock
    )
    assert fresh.extensions["identity"].keys.active_kid() == ring.active_kid()
    algorithms = [key["alg"] for key in fresh.extensions["identity"].keys.jwks()["keys"]]
    assert sorted(algorithms) == ["ES256", "ES256", "RS256", "RS256"]


def test_a_reset_keeps_the_keys(program: Program, ring: KeyRing) -> None:
    before = ring.jwks()
    answer = program.call("POST", "/identity/operate/reset", headers=BY_GATEWAY)
    assert answer.status_code == 204
    assert ring.jwks() == before


def test_a_reset_does_not_make_a_withdrawn_key_good_again(program: Program, ring: KeyRing) -> None:
    kid = ring.active_kid()
    assert ring.withdraw(kid, "copied by somebody")
    program.call("POST", "/identity/operate/reset", headers=BY_GATEWAY)
    assert program.feed()["events"][0] == {"n": 1, "kind": "key-withdrawn", "kid": kid}
    assert kid not in {key["kid"] for key in ring.jwks()["keys"]}


def test_the_upkeep_moves_keys_and_survives_a_fault(
    app: Flask, ring: KeyRing, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise RuntimeError("broken")

    first = ring.active_kid()
    clock.advance(days=31)
    Upkeep(app.extensions["identity"], fail, lambda: done.append(1)).once()
    assert ring.active_kid() != first
    assert done == [1]
    assert "upkeep failed" in caplog.text


def test_only_the_operator_sees_and_moves_keys(program: Program, ring: KeyRing) -> None:
    wrong = program.own_token("fisheries", "identity")
    for method, path in (("GET", KEYS), ("POST", f"{KEYS}/rotate"), ("POST", f"{KEYS}/x/withdraw")):
        assert program.call(method, path, headers=wrong, json={}).status_code == 403
        assert program.call(method, path, json={}).status_code == 401
        elsewhere = program.own_token("operator", "gateway", "platform.operate")
        assert program.call(method, path, headers=elsewhere, json={}).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("rotate", {"algorithm": "HS256"}, 422),
        ("rotate", [], 422),
        ("rotate", {"x": 1}, 422),
        ("none/withdraw", {"reason": "nothing is there"}, 404),
        ("%00/withdraw", {"reason": "nothing is there"}, 404),
        ("none/withdraw", {}, 422),
    ],
)
def test_a_wrong_order_about_keys_is_refused(
    program: Program, operator: dict[str, str], path: str, body: Any, status: int
) -> None:
    answer = program.call("POST", f"{KEYS}/{path}", headers=operator, json=body)
    assert answer.status_code == status, answer.text


def test_a_key_is_withdrawn_once(program: Program, operator: dict[str, str], ring: KeyRing) -> None:
    following = next(key["kid"] for key in ring.jwks()["keys"] if key["kid"] != ring.active_kid())
    path, why = f"{KEYS}/{following}/withdraw", {"reason": "lost with a disk"}
    assert program.call("POST", path, headers=operator, json=why).status_code == 200
    assert program.call("POST", path, headers=operator, json=why).status_code == 409
    assert len(ring.jwks()["keys"]) == 4


def test_a_client_chooses_how_its_id_tokens_are_signed(
    app: Flask, browser: Browser, program: Program
) -> None:
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "portal").id_token_alg = "RS256"
    tokens = program.redeem(browser.get_code()).json
    assert jwt.get_unverified_header(tokens["id_token"])["alg"] == "RS256"
    assert jwt.get_unverified_header(tokens["access_token"])["alg"] == "ES256"
    keys = jwt.PyJWKSet.from_dict(program.call("GET", "/identity/jwks").json)
    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    jwt.decode(
        tokens["id_token"],
        keys[kid],
        algorithms=["RS256"],
        audience="portal",
        options={"verify_exp": False, "verify_iat": False},
    )
    with pytest.raises(Unauthenticated):
        Verifier(KeySource(lambda: {"keys": []}), ISSUER).verify(tokens["id_token"], "portal")
