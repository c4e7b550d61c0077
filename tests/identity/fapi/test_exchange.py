"""Token exchange (RFC 8693): for the same person, by a named actor, never for more."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.identity.protocol.exchange import ACCESS_TOKEN, GRANT_TYPE
from tests.identity.callers import PERSON_SCOPES, Browser, Program
from tests.identity.fapi.conftest import Party
from tests.support.clock import FakeClock


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def form(token: str, **changes: str | None) -> dict[str, str]:
    wanted = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": "urn:atoll:notify",
    } | changes
    return {name: value for name, value in wanted.items() if value is not None}


@pytest.fixture
def sent(browser: Browser, program: Program, peer: Party) -> str:
    """A person's token for the service ``registers``, as the portal sends it there."""
    return signed_in(browser, program, peer)


def signed_in(browser: Browser, program: Program, peer: Party, person: str = "hassan") -> str:
    from services.identity.storage.tables import Client

    with program.app.extensions["identity"].database.transaction() as session:
        portal = session.get_one(Client, "portal")
        portal.person_scopes = [*PERSON_SCOPES.split(), "registers.read"]
    program.app.extensions["identity"].clients.forget()
    code = browser.get_code(person, scope=f"{PERSON_SCOPES} registers.read")
    answer = program.redeem(code, resource="urn:atoll:registers")
    assert answer.status_code == 200, answer.text
    return str(answer.json["access_token"])


def test_a_service_goes_on_for_the_person_and_is_named(peer: Party, sent: str) -> None:
    answer = peer.post("token", form(sent), None)
    assert answer.status_code == 200, answer.text
    assert answer.json["issued_token_type"] == ACCESS_TOKEN
    assert answer.json["token_type"] == "Bearer"
    assert "refresh_token" not in answer.json
    before, after = claims(sent), claims(answer.json["access_token"])
    assert after["sub"] == before["sub"]
    assert after["act"] == {"sub": "registers", "client_id": "registers"}
    assert after["client_id"] == "registers"
    assert after["aud"] == "urn:atoll:notify"
    assert after["scope"] == "notify.inbox"
    assert after["roles"] == before["roles"]
    for same in ("acr", "auth_time", "grant_id"):
        assert after[same] == before[same]
    assert after["exp"] <= before["exp"]


def test_a_second_exchange_nests_the_actors(
    register: Callable[..., Party], peer: Party, sent: str
) -> None:
    notify = register(
        "notify", grant_types=[GRANT_TYPE], person_scopes=["exchanges.own", "notify.inbox"]
    )
    first = peer.post("token", form(sent), None).json["access_token"]
    second = notify.post("token", form(first, resource="urn:atoll:gateway"), None).json
    assert claims(second["access_token"])["act"] == {
        "sub": "notify",
        "client_id": "notify",
        "act": {"sub": "registers", "client_id": "registers"},
    }


def test_the_life_never_exceeds_the_subject_tokens(
    peer: Party, sent: str, clock: FakeClock
) -> None:
    clock.advance(minutes=10)
    answer = peer.post("token", form(sent), None).json
    assert claims(answer["access_token"])["exp"] == claims(sent)["exp"]
    assert answer["expires_in"] <= 300
    clock.advance(minutes=6)
    assert peer.post("token", form(sent), None).json["error"] == "invalid_request"


def test_scopes_can_be_narrowed_and_never_grow(peer: Party, sent: str) -> None:
    both = {"resource": "urn:atoll:gateway", "scope": "exchanges.own"}
    assert peer.post("token", form(sent, **both), None).json["scope"] == "exchanges.own"
    for wider in (
        "exchanges.overview",  # neither the client's nor granted
        "exchanges.own exchanges.overview",
        "identity.contact",  # granted, but not this client's
    ):
        answer = peer.post("token", form(sent, **(both | {"scope": wider})), None)
        assert answer.json["error"] == "invalid_scope"


def test_a_scope_that_the_person_never_granted_stays_out(
    peer: Party, browser: Browser, program: Program
) -> None:
    code = browser.get_code("aishath", scope="openid profile")
    token = program.redeem(code).json["access_token"]
    # sent to identity, not to this service
    assert peer.post("token", form(token), None).json["error"] == "invalid_request"


def test_roles_never_grow(peer: Party, sent: str, program: Program) -> None:
    from services.identity.storage.tables import Person

    with program.app.extensions["identity"].database.transaction() as session:
        person = session.get_one(Person, claims(sent)["sub"])
        person.roles = ["fisheries:officer", "registers:custodian:island"]
    answer = peer.post("token", form(sent), None).json
    assert claims(answer["access_token"])["roles"] == ["fisheries:officer"]
    with program.app.extensions["identity"].database.transaction() as session:
        session.get_one(Person, claims(sent)["sub"]).roles = []
    answer = peer.post("token", form(sent), None).json
    assert claims(answer["access_token"])["roles"] == []


def test_only_permitted_clients_may_exchange(plain: Party, sent: str) -> None:
    answer = plain.post("token", form(sent), None)
    assert (answer.status_code, answer.json["error"]) == (400, "unauthorized_client")


def test_a_token_that_went_elsewhere_cannot_be_exchanged(
    register: Callable[..., Party], sent: str
) -> None:
    stranger = register("stranger", grant_types=[GRANT_TYPE], person_scopes=["notify.inbox"])
    assert stranger.post("token", form(sent), None).json["error"] == "invalid_request"


def test_security_17_a_machines_token_speaks_for_no_person(peer: Party) -> None:
    own = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    token = peer.post("token", own, None).json["access_token"]
    answer = peer.post("token", form(token), None)
    assert answer.json["error"] == "invalid_request"
    assert "no person" in answer.json["error_description"]


def test_a_revoked_sign_in_ends_exchanges_and_what_came_of_them(
    peer: Party, sent: str, program: Program, clock: FakeClock
) -> None:
    from services.identity.protocol.verify import access_token_of
    from services.identity.storage import grants

    parts = program.app.extensions["identity"]
    exchanged = peer.post("token", form(sent), None).json["access_token"]
    assert access_token_of(parts, exchanged) is not None
    with parts.database.transaction() as session:
        grants.revoke(session, claims(sent)["grant_id"], clock.now())
    assert access_token_of(parts, exchanged) is None
    assert peer.post("token", form(sent), None).json["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token": "x"}, "invalid_request"),
        ({"subject_token": "e30.e30.AAAA"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        (
            {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
            "invalid_request",
        ),
        (
            {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
            "invalid_request",
        ),
        ({"resource": None}, "invalid_target"),
        ({"resource": "urn:atoll:moon"}, "invalid_target"),
        ({"audience": "urn:atoll:notify"}, "invalid_request"),
        ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"resource": "urn:atoll:identity", "scope": "notify.inbox"}, "invalid_scope"),
    ],
)
def test_a_wrong_exchange_is_refused_in_the_protocols_shape(
    peer: Party, sent: str, changes: dict[str, str | None], error: str
) -> None:
    answer = peer.post("token", form(sent, **changes), None)
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_an_id_token_is_no_subject_token(peer: Party, browser: Browser, program: Program) -> None:
    id_token = program.redeem(browser.get_code()).json["id_token"]
    assert peer.post("token", form(id_token), None).json["error"] == "invalid_request"


def test_the_services_own_token_may_be_the_actor(peer: Party, sent: str) -> None:
    own = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"}
    actor = peer.post("token", own, None).json["access_token"]
    more = {"actor_token": actor, "actor_token_type": ACCESS_TOKEN}
    answer = peer.post("token", form(sent, **more), None).json
    assert claims(answer["access_token"])["act"] == {"sub": "registers", "client_id": "registers"}


def test_one_person_may_not_act_for_another_without_a_delegation(
    peer: Party, sent: str, program: Program, start_state: dict, clock: FakeClock
) -> None:
    clock.advance(seconds=31)
    other = signed_in(Browser(program.app, start_state, clock), program, peer, "aishath")
    more = {"actor_token": other, "actor_token_type": ACCESS_TOKEN}
    answer = peer.post("token", form(sent, **more), None)
    assert answer.json["error"] == "invalid_request"
    assert "may not act" in answer.json["error_description"]


def test_the_result_is_bound_to_the_services_key_when_it_proves_one(peer: Party, sent: str) -> None:
    answer = peer.post("token", form(sent)).json
    assert answer["token_type"] == "DPoP"
    assert claims(answer["access_token"])["cnf"] == {"jkt": peer.key.thumbprint}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wanted=st.lists(st.sampled_from([*PERSON_SCOPES.split(), "registers.read", "x"])))
def test_no_choice_of_scopes_yields_more_than_client_and_person_allow(
    peer: Party, sent: str, wanted: list[str]
) -> None:
    granted = {*PERSON_SCOPES.split(), "registers.read"}
    own = {"notify.inbox", "exchanges.own", "profile", "registers.read"}
    for resource in ("urn:atoll:notify", "urn:atoll:gateway", "urn:atoll:registers"):
        answer = peer.post(
            "token", form(sent, scope=" ".join(wanted) or None, resource=resource), None
        )
        assert answer.status_code in (200, 400)
        if answer.status_code == 200:
            assert set(answer.json["scope"].split()) <= granted & own
