"""API1, API3, API5: whose things, which of their members, which functions a caller may use."""

import re
import secrets

import pytest

from gateway.routing import Route, load_routes
from tests.platform.layout import ROOT
from tests.support.people import Callers, slug

TABLE = load_routes(ROOT / "gateway" / "routes.yaml")
GUARDED = [route for route in TABLE.routes if route.auth == "token"]


def address(route: Route) -> str:
    """An address that the route takes."""
    return re.sub(r"\{[^}]+\}", "x", route.path)


def called(route: Route) -> str:
    return f"{route.methods[0]} {route.path}"


def test_api1_broken_object_level_authorization_of_a_persons_data(callers: Callers) -> None:
    hers = callers.subject("aishath")
    his_log = callers.person("ibrahim", "gateway", "exchanges.own")
    assert callers.ask("GET", f"/exchanges?subject={hers}", his_log).status_code == 400
    entries = callers.ask("GET", "/exchanges?limit=200", his_log).json()["exchanges"]
    assert all(one.get("subject") == callers.subject("ibrahim") for one in entries)

    his_inbox = callers.person("ibrahim", "notify", "notify.inbox")
    reasons = {"Atoll-Purpose": "own-data", "Atoll-Subject": hers}
    refused = callers.ask("GET", "/notify/inbox", his_inbox, headers=reasons)
    assert refused.status_code in (400, 403), refused.text
    assert "messages" not in refused.json()


def test_api1_broken_object_level_authorization_of_programs(callers: Callers) -> None:
    hers = callers.person("aishath", "identity", "identity.apps")
    body = {"client_name": "Hers", "grant_types": ["client_credentials"], "scope": "registers.read"}
    made = callers.ask("POST", "/identity/clients", hers, json=body)
    assert made.status_code == 201, made.text
    path = f"/identity/clients/{made.json()['client_id']}"
    his = callers.person("ibrahim", "identity", "identity.apps")
    changed = body | {"client_name": "His"}
    for method, tail, sent in (
        ("GET", "", None),
        ("PUT", "", changed),
        ("DELETE", "", None),
        ("POST", "/secret", {}),
        ("POST", "/live", {"why": "It is mine."}),
        ("PUT", "/faults", {}),
        ("POST", "/decision", {"decision": "approve", "reason": "It is mine."}),
    ):
        answer = callers.ask(method, path + tail, his, json=sent)
        assert answer.status_code in (403, 404), (method, tail, answer.text)
        assert made.json()["client_secret"] not in answer.text
    found = callers.ask("GET", path, hers).json()
    assert found["client_name"] == "Hers"
    listed = callers.ask("GET", "/identity/clients", his).json()["clients"]
    assert made.json()["client_id"] not in [one["client_id"] for one in listed]


def test_api1_broken_object_level_authorization_of_messages_and_subscriptions(
    callers: Callers,
) -> None:
    sent = callers.ask(
        "POST",
        "/v2/notifications/sms",
        callers.notify_token("ferry-operator"),
        json=callers.ferry(),
    )
    assert sent.status_code == 201, sent.text
    path = f"/v2/notifications/{sent.json()['id']}"
    assert callers.ask("GET", path, callers.notify_token("ferry-operator")).status_code == 200
    assert callers.ask("GET", path, callers.notify_token("fisheries")).status_code == 404

    _, first = callers.program("registers", "registers.subscribe")
    _, second = callers.program("registers", "registers.subscribe")
    place = "/registers/island/subscriptions"
    callers.wait_for_agreement(place, first)
    callers.wait_for_agreement(place, second)
    body = {"url": "https://subscriber.example/hook"}
    made = callers.ask("POST", place, first, json=body)
    assert made.status_code == 201, made.text
    own = f"{place}/{made.json()['id']}"
    assert callers.ask("DELETE", own, second).status_code == 404
    assert callers.ask("POST", f"{own}/retry", second).status_code == 404
    assert callers.ask("GET", place, second).json()["subscriptions"] == []
    assert callers.ask("DELETE", own, first).status_code == 204


def test_api3_broken_object_property_level_authorization_in_what_is_written(
    callers: Callers,
) -> None:
    token = callers.person("mariyam", "identity", "identity.apps")
    body = {
        "client_name": "Plain",
        "grant_types": ["client_credentials"],
        "scope": "registers.read",
    }
    for smuggled in (
        {"status": "live"},
        {"owner": callers.subject("aishath")},
        {"client_id": "portal"},
        {"client_secret": "chosen"},
        {"roles": ["identity:administrator"]},
        {"decision": {"decision": "approve"}},
    ):
        made = callers.ask("POST", "/identity/clients", token, json=body | smuggled)
        if made.status_code == 400:
            assert made.json()["error"] == "invalid_client_metadata"
            continue
        assert made.status_code == 201, made.text
        client = made.json()
        assert client["status"] == "sandbox"
        assert client["owner"] != callers.subject("aishath")
        assert client["client_id"] != "portal"
        assert client["client_secret"] != "chosen"
        assert not client.get("roles")
        gone = callers.ask("DELETE", f"/identity/clients/{client['client_id']}", token)
        assert gone.status_code in (200, 204)
    privileged = body | {"scope": "registers.read identity.clients platform.operate"}
    answer = callers.ask("POST", "/identity/clients", token, json=privileged)
    if answer.status_code == 201:  # what is sensitive waits for somebody's word
        assert set(answer.json()["scope"].split()) <= {"registers.read"}

    faked = callers.ferry(status="delivered", created_at="2020-01-01")
    answer = callers.ask(
        "POST", "/v2/notifications/sms", callers.notify_token("ferry-operator"), json=faked
    )
    assert answer.status_code == 400


def test_api3_broken_object_property_level_authorization_in_what_is_shown(
    callers: Callers,
) -> None:
    callers.ask(
        "GET",
        "/identity/contact-details",
        callers.person("aishath", "identity", "identity.contact"),
        headers={"Atoll-Purpose": "own-data"},
    )
    overview = callers.running.token("sandbox", "gateway", "exchanges.overview")
    text = callers.ask("GET", "/exchanges?limit=200", overview).text
    for username in ("aishath", "ibrahim"):
        assert callers.subject(username) not in text
    for route in ("/identity/clients", "/identity/keys"):
        assert "client_secret" not in callers.ask("GET", route, overview).text


@pytest.mark.parametrize("route", GUARDED, ids=called)
def test_api5_broken_function_level_authorization(callers: Callers, route: Route) -> None:
    """No guarded function is done without a token, for another service, or without its scope."""
    harmless = {
        "gateway": ("sandbox", "exchanges.overview"),
        "registers": ("sandbox", "registers.read"),
        "identity": ("fisheries", "identity.consents"),
    }
    for method in route.methods:
        path = address(route)
        assert callers.ask(method, path).status_code == 401
        if route.service != "registers":
            other = callers.kept("sandbox", "registers", "registers.read")
            assert callers.ask(method, path, other).status_code == 401
        client, scope = harmless.get(route.service, ("", ""))
        if scope and scope not in route.scopes:
            answer = callers.ask(method, path, callers.kept(client, route.service, scope))
            assert (answer.status_code, slug(answer)) == (403, "insufficient-scope"), answer.text


def test_api5_broken_function_level_authorization_by_role(callers: Callers) -> None:
    token = callers.running.token("fisheries", "registers", "registers.append")
    entry = {"island": "K-Thulusdhoo", "name": "Changed"}
    answer = callers.ask(
        "POST",
        "/registers/island/entries",
        token,
        json=entry,
        headers={"Idempotency-Key": secrets.token_hex(8)},
    )
    assert answer.status_code == 403, answer.text
    record = callers.ask("GET", "/registers/island/records/K-Thulusdhoo").json()
    assert record["name"] == "Thulusdhoo"
    person = callers.person("aishath", "identity", "identity.apps")
    for path, sent in (
        ("/identity/clients/portal/decision", {"decision": "approve", "reason": "It is mine."}),
        ("/identity/clients/portal/secret", {}),
    ):
        answer = callers.ask("POST", path, person, json=sent)
        assert answer.status_code in (403, 404), answer.text
