"""Clients hear that a person signed out: back-channel logout, retried until it is heard."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from flask import Flask
from sqlalchemy import select

from servicekit import guarded
from services.identity.domain.sign_outs import WAITS, State
from services.identity.protocol.sign_outs import EVENT, deliver_due
from services.identity.storage import sign_outs
from services.identity.storage.protocol_tables import LogoutDelivery
from services.identity.storage.tables import Client
from tests.identity.callers import Browser, Program
from tests.identity.test_races import race
from tests.support.clock import FakeClock

ADDRESS = "https://service.example/logout"


class Listener:
    """The client's end: answers with one status after another."""

    def __init__(self, *statuses: int | Exception) -> None:
        self.statuses, self.heard = list(statuses), []

    def __call__(self, address: str, form: bytes) -> int:
        self.heard.append((address, parse_qs(form.decode())["logout_token"][0]))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return status


@pytest.fixture
def signed_out(app: Flask, browser: Browser, program: Program) -> Callable[[], dict[str, Any]]:
    """Sign in at the portal and out again; returns the ID token's claims."""
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "portal").backchannel_logout_uri = ADDRESS

    def run() -> dict[str, Any]:
        tokens = [program.redeem(browser.get_code()).json for _ in range(2)]
        page = browser.get("/identity/sign-out")
        done = browser.post("/identity/sign-out", {"form_token": browser.form_token(page)})
        assert done.status_code == 200
        return browser.claims(tokens[0]["id_token"])

    return run


def deliveries(app: Flask) -> list[LogoutDelivery]:
    with app.extensions["identity"].database.snapshot() as session:
        return list(sign_outs.listed(session))


def test_a_client_is_told_once_for_each_sign_in(
    app: Flask, signed_out: Callable[[], dict[str, Any]], program: Program
) -> None:
    id_token, listener = signed_out(), Listener(200)
    parts = app.extensions["identity"]
    assert deliver_due(parts, listener) == 1
    assert deliver_due(parts, listener) == 0
    ((address, text),) = listener.heard
    assert address == ADDRESS
    keys = jwt.PyJWKSet.from_dict(program.call("GET", "/identity/jwks").json)
    header = jwt.get_unverified_header(text)
    claims = jwt.decode(
        text,
        keys[header["kid"]],
        algorithms=["ES256"],
        audience="portal",
        issuer="http://localhost:8000/identity",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert header["typ"] == "logout+jwt"
    assert claims["events"] == {EVENT: {}}
    assert claims["sub"] == id_token["sub"]
    assert claims["sid"] == id_token["sid"]
    assert claims["exp"] - claims["iat"] == 120
    assert "nonce" not in claims
    assert claims["jti"]
    (delivery,) = deliveries(app)
    assert (delivery.state, delivery.attempts, delivery.last_answer) == ("delivered", 1, "200")


def test_a_client_that_does_not_answer_is_told_again_and_its_state_can_be_seen(
    app: Flask, signed_out: Callable[[], dict[str, Any]], clock: FakeClock
) -> None:
    signed_out()
    parts = app.extensions["identity"]
    listener = Listener(guarded.NotReached("service.example cannot be reached."), 500, 204)
    assert deliver_due(parts, listener) == 1
    (delivery,) = deliveries(app)
    assert delivery.state == State.WAITING
    assert delivery.last_answer == "service.example cannot be reached."
    clock.advance(seconds=4)
    assert deliver_due(parts, listener) == 0
    clock.advance(seconds=1)
    assert deliver_due(parts, listener) == 1
    assert deliveries(app)[0].last_answer == "500"
    clock.advance(seconds=30)
    assert deliver_due(parts, listener) == 1
    assert deliveries(app)[0].state == State.DELIVERED
    assert len({text for _, text in listener.heard}) == 3  # each with its own id and time


def test_a_client_that_never_answers_is_given_up_in_the_end(
    app: Flask, signed_out: Callable[[], dict[str, Any]], clock: FakeClock
) -> None:
    signed_out()
    parts, listener = app.extensions["identity"], Listener(404)
    for wait in (*WAITS, timedelta()):
        assert deliver_due(parts, listener) == 1
        clock.advance(seconds=wait.total_seconds())
    assert deliver_due(parts, listener) == 0
    with parts.database.snapshot() as session:
        (failed,) = sign_outs.listed(session, client_id="portal", state="failed")
        assert sign_outs.listed(session, state="waiting") == []
    assert failed.attempts == len(WAITS) + 1


def test_a_delivery_that_a_killed_process_held_comes_due_again(
    app: Flask, signed_out: Callable[[], dict[str, Any]], clock: FakeClock
) -> None:
    signed_out()
    parts = app.extensions["identity"]
    with parts.database.transaction() as session:
        assert len(sign_outs.take_due(session, clock.now())) == 1  # and then it is killed
    assert deliver_due(parts, Listener(200)) == 0
    clock.advance(seconds=60)
    assert deliver_due(parts, Listener(200)) == 1


def test_eight_processes_take_a_delivery_once(
    app_on_each: Flask, start_state: dict, clock: FakeClock
) -> None:
    parts = app_on_each.extensions["identity"]
    with parts.database.transaction() as session:
        session.add(
            LogoutDelivery(
                id="d" * 22,
                client_id="portal",
                sub=start_state["people"]["aishath"]["sub"],
                sid="s" * 43,
                state=State.WAITING,
                created_at=clock.now(),
                due_at=clock.now(),
                attempts=0,
            )
        )
        session.get_one(Client, "portal").backchannel_logout_uri = ADDRESS
    listener = Listener(200)
    assert sorted(race(lambda: deliver_due(parts, listener))) == [0] * 7 + [1]
    assert len(listener.heard) == 1


def test_a_client_without_an_address_hears_nothing(
    app: Flask, browser: Browser, program: Program
) -> None:
    program.redeem(browser.get_code())
    page = browser.get("/identity/sign-out")
    browser.post("/identity/sign-out", {"form_token": browser.form_token(page)})
    with app.extensions["identity"].database.snapshot() as session:
        assert session.scalars(select(LogoutDelivery)).all() == []


def test_an_address_in_a_private_network_is_never_called(
    app: Flask, signed_out: Callable[[], dict[str, Any]]
) -> None:
    signed_out()
    with app.extensions["identity"].database.transaction() as session:
        session.get_one(Client, "portal").backchannel_logout_uri = "http://127.0.0.1:1/logout"
    assert deliver_due(app.extensions["identity"]) == 1
    (delivery,) = deliveries(app)
    assert delivery.state == State.WAITING
    assert "https" in (delivery.last_answer or "")
