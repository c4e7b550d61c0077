"""Owners manage their programs; what needs approval waits for somebody else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from services.identity.storage import registrations
from services.identity.storage.tables import Client
from tests.identity.administration.people import MACHINE, WEB, Developer, give_role
from tests.identity.callers import Browser, Program, basic
from tests.support.clock import FakeClock


@pytest.fixture
def sign_in(
    app: Flask, program: Program, start_state: dict, clock: FakeClock
) -> Callable[[str], Developer]:
    """Sign somebody in in a browser of their own."""
    return lambda who: Developer(Browser(app, start_state, clock), program, who)


@pytest.fixture
def zeena(sign_in: Callable[[str], Developer]) -> Developer:
    return sign_in("zeena")


@pytest.fixture
def hassan(sign_in: Callable[[str], Developer]) -> Developer:
    return sign_in("hassan")


def token(program: Program, made: dict[str, Any], **form: str) -> Any:
    asked = {"grant_type": "client_credentials", "resource": "urn:atoll:registers"} | form
    headers = basic(made["client_id"], made["client_secret"])
    return program.call("POST", "/identity/token", data=asked, headers=headers)


def operator(program: Program) -> dict[str, str]:
    return program.own_token("operator", "identity", "identity.clients")


def test_a_persons_program_is_theirs_and_works_in_the_sandbox(
    zeena: Developer, hassan: Developer, program: Program
) -> None:
    made = zeena.register(**MACHINE)
    assert (made["status"], made["owner"]) == ("sandbox", "zeena")
    assert token(program, made).status_code == 200
    assert [one["client_id"] for one in zeena.call("GET").json["clients"]] == [made["client_id"]]
    assert hassan.call("GET").json["clients"] == []
    assert "client_secret" not in zeena.show(made["client_id"])


def test_nobody_touches_somebody_elses_program(
    zeena: Developer, sign_in: Callable[[str], Developer]
) -> None:
    made = zeena.register(**MACHINE)
    ibrahim = sign_in("ibrahim")
    path = f"/{made['client_id']}"
    for method, end, body in (
        ("GET", "", None),
        ("PUT", "", MACHINE),
        ("DELETE", "", None),
        ("POST", "/secret", {}),
        ("POST", "/live", {"why": "mine now"}),
        ("POST", "/decision", {"decision": "approve", "reason": "why not"}),
        ("PUT", "/faults", {}),
    ):
        answer = ibrahim.call(method, path + end, body)
        assert answer.status_code == 404, (method, end)
    assert zeena.show(made["client_id"])["status"] == "sandbox"


def test_an_administrator_sees_but_does_not_change(zeena: Developer, hassan: Developer) -> None:
    made = zeena.register(**MACHINE)
    assert hassan.show(made["client_id"])["owner"] == "zeena"
    assert hassan.call("DELETE", f"/{made['client_id']}").status_code == 404
    assert hassan.call("GET", "/portal").status_code == 404


def test_sensitive_scopes_wait_and_the_rest_works(
    zeena: Developer, hassan: Developer, program: Program
) -> None:
    made = zeena.register(
        **MACHINE, scope="registers.read registers.append", why="We keep the birth register"
    )
    assert made["scope"] == "registers.read"
    assert made["waiting"]["scope"] == "registers.read registers.append"
    assert token(program, made, scope="registers.append").json["error"] == "invalid_scope"
    waiting = hassan.call("GET", "?waiting=yes").json["clients"]
    assert [one["waiting"]["why"] for one in waiting] == ["We keep the birth register"]
    decided = hassan.decide(made["client_id"], "approve", "I know them")
    assert decided.status_code == 200, decided.text
    assert token(program, made, scope="registers.append").status_code == 200
    shown = zeena.show(made["client_id"])
    assert shown["waiting"] is None
    assert (shown["status"], shown["decision"]["reason"]) == ("sandbox", "I know them")
    assert hassan.decide(made["client_id"], "approve").status_code == 409


def test_token_exchange_is_for_approved_programs(zeena: Developer, hassan: Developer) -> None:
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    made = zeena.register(**WEB, grant_types=["authorization_code", exchange])
    assert made["grant_types"] == ["authorization_code"]
    hassan.decide(made["client_id"], "approve")
    assert zeena.show(made["client_id"])["grant_types"] == ["authorization_code", exchange]


def test_a_refusal_changes_nothing_and_its_reason_is_shown(
    zeena: Developer, hassan: Developer, program: Program
) -> None:
    made = zeena.register(**MACHINE, environment="live")
    assert made["status"] == "pending"
    assert token(program, made).status_code == 401
    assert hassan.decide(made["client_id"], "refuse", "Who are you?").status_code == 200
    shown = zeena.show(made["client_id"])
    assert shown["status"] == "pending"
    assert shown["decision"] == {
        "decision": "refused",
        "reason": "Who are you?",
        "decided_at": shown["decision"]["decided_at"],
    }
    assert token(program, made).status_code == 401


def test_nobody_approves_their_own(
    app: Flask, zeena: Developer, hassan: Developer, program: Program
) -> None:
    give_role(app, "zeena", "identity:administrator")
    made = zeena.register(**MACHINE, environment="live")
    refused = zeena.decide(made["client_id"], "approve")
    assert refused.status_code == 403
    assert "nobody approves their own" in refused.json["detail"]
    give_role(app, "hassan")
    assert hassan.decide(made["client_id"], "approve").status_code == 404, "the role is gone"
    path = f"/identity/clients/{made['client_id']}/decision"
    body: dict[str, Any] = {"decision": "approve", "reason": "a program said so"}
    for by in (None, "zeena", "hassan", "nobody", "\0"):
        given = body | ({"by": by} if by else {})
        answer = program.call("POST", path, json=given, headers=operator(program))
        assert answer.status_code == 403, by
    give_role(app, "mariyam", "identity:administrator")
    answer = program.call("POST", path, json=body | {"by": "mariyam"}, headers=operator(program))
    assert answer.status_code == 200, answer.text
    assert answer.json["status"] == "live"


def test_a_live_program_is_not_changed_behind_the_approvers_back(
    zeena: Developer, hassan: Developer
) -> None:
    made = zeena.register(**WEB, environment="live")
    hassan.decide(made["client_id"], "approve")
    path, evil = f"/{made['client_id']}", ["https://evil.example/back"]
    changed = zeena.call("PUT", path, zeena.show(made["client_id"]) | {"redirect_uris": evil})
    assert changed.status_code == 200, changed.text
    assert changed.json["redirect_uris"] == WEB["redirect_uris"]
    assert changed.json["waiting"]["redirect_uris"] == evil
    hassan.decide(made["client_id"], "refuse", "That is somebody else's address")
    assert zeena.show(made["client_id"])["redirect_uris"] == WEB["redirect_uris"]


def test_an_approved_scope_does_not_move_to_another_address(
    zeena: Developer, hassan: Developer
) -> None:
    made = zeena.register(**WEB, scope="openid identity.contact")
    hassan.decide(made["client_id"], "approve")
    shown = zeena.show(made["client_id"])
    assert "identity.contact" in shown["scope"]
    moved = zeena.call(
        "PUT", f"/{made['client_id']}", shown | {"redirect_uris": ["https://evil.example/"]}
    ).json
    assert moved["redirect_uris"] == WEB["redirect_uris"]
    assert moved["waiting"] is not None


def test_a_sandbox_program_changes_at_once_and_follows_its_address(
    app: Flask, zeena: Developer
) -> None:
    made = zeena.register(**WEB)
    changed = zeena.call(
        "PUT",
        f"/{made['client_id']}",
        made | {"redirect_uris": ["http://localhost:3000/back"], "client_name": "Boats"},
    )
    assert changed.status_code == 200, changed.text
    assert changed.json["redirect_uris"] == ["http://localhost:3000/back"]
    assert changed.json["client_name"] == "Boats"
    with app.extensions["identity"].database.snapshot() as session:
        client = session.get(Client, made["client_id"])
        assert client is not None
        assert client.sector == made["client_id"], "who people are follows the address"
    other = zeena.call("PUT", f"/{made['client_id']}", made | {"client_id": "portal"})
    assert (other.status_code, other.json["error"]) == (400, "invalid_client_metadata")


def test_a_program_cannot_bear_the_name_of_a_live_service(zeena: Developer) -> None:
    answer = zeena.call("POST", "", MACHINE | {"client_name": "fisheries DEPARTMENT"})
    assert answer.status_code == 400
    assert answer.json["error"] == "invalid_client_metadata"


def test_one_person_has_ten_programs_at_most_whatever_comes_at_once(
    zeena: Developer, app: Flask
) -> None:
    for _ in range(8):
        zeena.register(**MACHINE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: zeena.call("POST", "", MACHINE).status_code, range(8)))
    assert sorted(answers) == [201] * 2 + [409] * 6
    first = zeena.call("GET").json["clients"][0]["client_id"]
    assert zeena.call("DELETE", f"/{first}").status_code == 204
    zeena.register(**MACHINE)


def test_many_programs_an_hour_are_too_many(zeena: Developer, clock: FakeClock) -> None:
    for _ in range(30):
        made = zeena.register(**MACHINE)
        assert zeena.call("DELETE", f"/{made['client_id']}").status_code == 204
    late = zeena.call("POST", "", MACHINE)
    assert late.status_code == 429
    assert late.headers["Retry-After"]


def test_a_removed_program_is_no_more_and_its_id_is_never_given_again(
    program: Program, zeena: Developer
) -> None:
    given = {**MACHINE, "client_id": "tide-tables"}
    made = program.call("POST", "/identity/clients", json=given, headers=operator(program)).json
    assert made["client_id"] == "tide-tables"
    path = "/identity/clients/tide-tables"
    held = token(program, made).json["access_token"]
    assert program.call("DELETE", path, headers=operator(program)).status_code == 204
    assert program.call("GET", path, headers=operator(program)).status_code == 404
    assert token(program, made).status_code == 401
    asked = {"token": held}
    seen = program.call("POST", "/identity/introspect", data=asked, headers=basic("fisheries"))
    assert seen.json == {"active": False}
    assert program.feed()["events"][-1]["enabled"] is False
    again = program.call("POST", "/identity/clients", json=given, headers=operator(program))
    assert (again.status_code, again.json["error"]) == (400, "invalid_client_metadata")


def test_the_platforms_own_programs_are_not_managed_here(program: Program) -> None:
    for name in ("portal", "operator"):
        path = f"/identity/clients/{name}"
        assert program.call("GET", path, headers=operator(program)).status_code == 200
        assert program.call("DELETE", path, headers=operator(program)).status_code == 403
        assert program.call("PUT", path, json=WEB, headers=operator(program)).status_code == 403


def test_both_secrets_work_until_the_overlap_ends(
    zeena: Developer, program: Program, clock: FakeClock
) -> None:
    made = zeena.register(**MACHINE)
    path = f"/{made['client_id']}/secret"
    rotated = zeena.call("POST", path, {"overlap_s": 60})
    assert rotated.status_code == 200, rotated.text
    assert [token(program, each).status_code for each in (made, rotated.json)] == [200, 200]
    clock.advance(seconds=61)
    assert [token(program, each).status_code for each in (made, rotated.json)] == [401, 200]
    assert zeena.call("POST", path, {"overlap_s": 10**9}).status_code == 422
    public = zeena.register(**WEB, token_endpoint_auth_method="none")
    assert "client_secret" not in public
    assert zeena.call("POST", f"/{public['client_id']}/secret", {}).status_code == 409


def test_secrets_are_kept_as_hashes(app: Flask, zeena: Developer) -> None:
    made = zeena.register(**MACHINE)
    with app.extensions["identity"].database.snapshot() as session:
        client = session.get(Client, made["client_id"])
        assert client is not None
        assert made["client_secret"] not in str(vars(client))


def test_programs_and_people_without_the_scope_are_refused(program: Program) -> None:
    assert program.call("GET", "/identity/clients").status_code == 401
    contact = program.own_token("fisheries", "identity", "identity.contact")
    assert program.call("GET", "/identity/clients", headers=contact).status_code == 403
    for path in ("/identity/clients", "/identity/audit"):
        assert program.call("GET", path, headers=operator(program)).status_code == 200


def test_privileged_actions_are_written_down_and_shown(
    zeena: Developer,
    hassan: Developer,
    program: Program,
    sign_in: Callable[[str], Developer],
) -> None:
    made = zeena.register(**MACHINE, environment="live")
    hassan.decide(made["client_id"], "approve", "I called them")
    headers = program.own_token("operator", "identity", "platform.operate")
    program.call("POST", "/identity/keys/rotate", json={}, headers=headers)
    seen = program.call("GET", "/identity/audit", headers=hassan.headers).json["events"]
    assert [event["what"] for event in seen] == [
        "key-rotated",
        "client-approved",
        "client-approval-asked",
        "client-registered",
    ]
    approved = seen[1]
    assert (approved["who"], approved["client_id"]) == ("hassan", made["client_id"])
    assert approved["reason"] == "I called them"
    own = program.call("GET", "/identity/audit", headers=zeena.headers).json["events"]
    assert [event["what"] for event in own] == [event["what"] for event in seen[1:]]
    ibrahim = sign_in("ibrahim")
    nobodys = program.call("GET", "/identity/audit", headers=ibrahim.headers).json
    assert nobodys == {"events": [], "next": None}
    answer = program.call("GET", "/identity/audit?before=x", headers=zeena.headers)
    assert answer.status_code == 400


def test_the_history_of_the_account_tells_the_owner(zeena: Developer) -> None:
    zeena.register(**MACHINE)
    page = zeena.browser.get("/identity/history")
    assert "You registered a program" in page.text


def test_decisions_race_to_one(
    zeena: Developer,
    hassan: Developer,
    app: Flask,
    sign_in: Callable[[str], Developer],
) -> None:
    give_role(app, "mariyam", "identity:administrator")
    mariyam = sign_in("mariyam")
    made = zeena.register(**MACHINE, environment="live")
    turns = [(who, what) for what in ("approve", "refuse") for who in (hassan, mariyam)] * 2
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda t: t[0].decide(made["client_id"], t[1]).status_code, turns))
    assert sorted(answers) == [200] + [409] * 7


def test_registering_and_deciding_work_on_each_engine(app_on_each: Flask) -> None:
    program = Program(app_on_each)
    given = {**MACHINE, "environment": "live", "owner": "zeena"}
    made = program.call("POST", "/identity/clients", json=given, headers=operator(program)).json
    decision = {"decision": "approve", "reason": "seen", "by": "hassan"}
    path = f"/identity/clients/{made['client_id']}"
    answer = program.call("POST", f"{path}/decision", json=decision, headers=operator(program))
    assert answer.json["status"] == "live", answer.text
    listed = program.call("GET", "/identity/clients?waiting=yes", headers=operator(program)).json
    assert listed["clients"] == []
    assert program.call("DELETE", path, headers=operator(program)).status_code == 204


def test_no_fault_is_ever_stored_for_a_live_client(app: Flask) -> None:
    with app.extensions["identity"].database.transaction() as session:
        client = session.get(Client, "fisheries")
        assert client is not None
        assert not registrations.inject(session, client, {"expired_token": True})
        assert client.faults == {}

    def smuggle() -> None:
        with app.extensions["identity"].database.transaction() as session:
            client = session.get(Client, "fisheries")
            client.faults = {"expired_token": True}

    with pytest.raises(ValueError, match="only a sandbox client"):
        smuggle()
