"""Whatever is sent, the answer is a clear refusal and never a fault of ours."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.notify.storage import notifications
from tests.notify.conftest import EMAIL, SMS, Api

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = sorted(
    {
        *SMS,
        *EMAIL,
        "reference",
        "scheduled_for",
        "sanitise_content_for",
        "one_click_unsubscribe_url",
        "sms_sender_id",
        "email_reply_to_id",
    }
)
FEW = examples(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(body=st.dictionaries(st.sampled_from(MEMBERS), JSON), full=st.booleans())
def test_no_body_makes_it_fail(api: Api, body: dict[str, Any], full: bool) -> None:
    for path, whole in (("sms", SMS), ("email", EMAIL), ("letter", {})):
        sent = (whole | body) if full else body
        answer = api.call("POST", f"/v2/notifications/{path}", json.dumps(sent))
        assert answer.status_code in (201, 400)


@FEW
@given(values=st.dictionaries(st.text(), JSON, max_size=2), value=JSON)
def test_no_personalisation_makes_it_fail(api: Api, values: dict[str, Any], value: Any) -> None:
    personalisation = EMAIL["personalisation"] | values | {"name": value}
    body = {"personalisation": personalisation, "sanitise_content_for": ["name", *values]}
    assert api.email(body).status_code in (201, 400)
    assert api.sms({"personalisation": {"licence": value, "vessel": value}}).status_code in (
        201,
        400,
    )


@FEW
@given(st.text(max_size=40), st.text(max_size=10))
def test_no_query_makes_it_fail(api: Api, value: str, name: str) -> None:
    for known in ("reference", "older_than", "status", "template_type", "include_jobs", name):
        answer = api.call("GET", "/v2/notifications", query_string={known: value})
        assert answer.status_code in (200, 400)


@pytest.mark.parametrize(
    "path", ["/v2/nothing", "/v2/received-text-messages/x", "/v2/template", "/v2/"]
)
def test_an_unknown_address_has_the_other_envelope(api: Api, path: str) -> None:
    answer = api.call("GET", path)
    assert answer.status_code == 404
    assert set(answer.json) == {"result", "message"}
    assert answer.json["result"] == "error"
    assert answer.json["message"].startswith("The requested URL was not found on the server.")


def test_a_wrong_method_has_the_other_envelope(api: Api) -> None:
    answer = api.call("DELETE", "/v2/notifications")
    assert answer.status_code == 405
    assert answer.json == {
        "result": "error",
        "message": "The method is not allowed for the requested URL.",
    }
    assert "GET" in answer.headers["Allow"]


def test_outside_the_api_unknown_addresses_are_problems(api: Api) -> None:
    for method, path, status in (("GET", "/notify/x", 404), ("POST", "/notify/inbox", 405)):
        answer = api.call(method, path)
        assert answer.status_code == status
        assert answer.mimetype == "application/problem+json"


def test_an_oversize_body_is_refused_in_the_envelope(api: Api) -> None:
    answer = api.call("POST", "/v2/notifications/sms", b'"' + b"x" * (5 * 1024 * 1024) + b'"')
    assert answer.status_code == 413
    assert answer.json["errors"][0]["error"] == "TooLarge"


def test_a_fault_of_ours_has_the_envelope_and_no_text(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LookupError("something private")

    monkeypatch.setattr(notifications, "add", fail)
    answer = api.sms()
    assert answer.status_code == 500
    assert answer.json == {
        "status_code": 500,
        "errors": [{"error": "LookupError", "message": "Internal server error"}],
    }


def test_every_answer_of_the_api_carries_its_headers(api: Api) -> None:
    answers = [
        api.sms(),
        api.call("GET", "/v2/nothing"),
        api.call("GET", "/v2/templates", headers={"Authorization": "x"}),
    ]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Strict-Transport-Security" in answer.headers
        assert answer.headers["Cache-Control"] == ("no-store, no-cache, private, must-revalidate")


def test_only_the_gateway_itself_resets(api: Api) -> None:
    sent = api.sms().json["id"]
    assert api.call("POST", "/notify/operate/reset").status_code == 404
    assert api.status(sent) == "created"
    itself = {"Atoll-Caller": "urn:atoll:gateway"}
    assert api.call("POST", "/notify/operate/reset", headers=itself).status_code == 204
    assert api.call("GET", f"/v2/notifications/{sent}").status_code == 404
    assert len(api.call("GET", "/v2/templates").json["templates"]) == 3


def test_the_contract_is_served(api: Api) -> None:
    document = api.call("GET", "/notify/openapi.json").json
    assert document["servers"] == [{"url": "http://localhost:8000"}]
    assert "/v2/notifications/sms" in document["paths"]
