"""The application every service starts from: access, errors, health, headers, logs."""

import json
import logging
from pathlib import Path

import pytest
from flask import Flask, jsonify, request
from flask.testing import FlaskClient

from servicekit import access, problems
from servicekit.app import new_app
from servicekit.schema import json_body
from servicekit.settings import ServiceSettings
from tests.conftest import GATEWAY_KEY
from tests.support.issuer import FakeIssuer

INSIDE = {"Atoll-Gateway-Key": GATEWAY_KEY}
SCHEMA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "a/b": {"type": "integer"}},
}


@pytest.fixture
def app(issuer: FakeIssuer, tmp_path: Path) -> Flask:
    (tmp_path / "openapi.yaml").write_text("openapi: 3.1.0\npaths: {}\n")
    settings = ServiceSettings(database_url="sqlite://", gateway_key=GATEWAY_KEY)
    app = new_app(
        "demo",
        settings,
        folder=tmp_path,
        verifier=issuer.verifier(),
    )

    @app.get("/demo/open")
    @access.public
    def opened() -> str:
        return "open"

    @app.get("/demo/things")
    @access.scope("demo.read", "demo.all")
    def things() -> object:
        return jsonify(caller=access.token().client_id)

    @app.post("/demo/things")
    @access.public
    def make() -> object:
        return jsonify(json_body(SCHEMA))

    @app.get("/demo/feed")
    @access.gateway_only
    def feed() -> str:
        return "feed"

    @app.get("/demo/keys/<key>")
    @access.public
    def key_of(key: str) -> object:
        return jsonify(key=key)

    @app.get("/demo/unmarked")
    def unmarked() -> str:
        return "must never be seen"

    @app.get("/demo/broken/<name>")
    @access.public
    def broken(name: str) -> str:
        raise KeyError(f"secret {name}")

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_without_the_gateways_key_only_health_answers(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    for path in ("/demo/open", "/nowhere", "/demo/openapi.json"):
        for headers in ({}, {"Atoll-Gateway-Key": "x" * 64}, {"Atoll-Gateway-Key": "ü"}):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 403
            assert "Send your call to http://localhost:8000" in answer.json["detail"]
    assert client.get("/demo/open", headers=INSIDE).text == "open"


def test_an_escaped_slash_stays_in_its_part_when_the_gateway_says_so(client: FlaskClient) -> None:
    path = "/demo/keys/SI%2F2015%2f1%20%C3%A9"
    assert client.get(path, headers=INSIDE).status_code == 404  # WSGI shows the decoded path
    answer = client.get(path, headers=INSIDE | {"Atoll-Path": path})
    assert answer.get_json() == {"key": "SI%2F2015%2F1 é"}
    assert client.get(path, headers={"Atoll-Path": path}).status_code == 403


def test_a_view_without_a_marker_never_answers(client: FlaskClient) -> None:
    answer = client.get("/demo/unmarked", headers=INSIDE)
    assert answer.status_code == 500
    assert "must never be seen" not in answer.text


def test_a_scope_is_needed_and_named(client: FlaskClient, issuer: FakeIssuer) -> None:
    def call(headers: dict[str, str]) -> tuple[int, str]:
        answer = client.get("/demo/things", headers=INSIDE | headers)
        return answer.status_code, answer.headers.get("WWW-Authenticate", "")

    assert call({}) == (401, 'Bearer realm="atoll"')
    assert call(issuer.headers("demo", "demo.write")) == (
        403,
        'Bearer realm="atoll", error="insufficient_scope", scope="demo.read demo.all"',
    )
    assert call(issuer.headers("other", "demo.read"))[0] == 401
    assert call(issuer.headers("demo", "demo.read"))[0] == 200
    assert call(issuer.headers("demo", "demo.all"))[0] == 200


def test_the_gateways_own_views_are_hidden_from_forwarded_calls(client: FlaskClient) -> None:
    assert client.get("/demo/feed", headers=INSIDE).status_code == 404
    assert client.get("/demo/feed", headers=INSIDE | {"Atoll-Caller": "portal"}).status_code == 404
    own = INSIDE | {"Atoll-Caller": access.GATEWAY_ITSELF}
    assert client.get("/demo/feed", headers=own).text == "feed"


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [("GET", "/nowhere", 404, "not-found"), ("DELETE", "/demo/open", 405, "method-not-allowed")],
)
def test_what_flask_itself_refuses_has_the_same_shape(
    client: FlaskClient, method: str, path: str, status: int, slug: str
) -> None:
    answer = client.open(path, method=method, headers=INSIDE | {"Atoll-Exchange": "e1"})
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"] == f"http://localhost:8000/portal/problems/{slug}"
    assert answer.json["instance"] == "urn:atoll:exchange:e1"
    assert {"title", "status", "detail"} <= set(answer.json)


def test_method_not_allowed_says_what_is(client: FlaskClient) -> None:
    answer = client.delete("/demo/open", headers=INSIDE)
    assert "GET" in answer.headers["Allow"]


def test_a_fault_is_answered_without_its_text(client: FlaskClient) -> None:
    answer = client.get("/demo/broken/aishath", headers=INSIDE)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json["type"].endswith("/internal-error")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"name": 1}', 422),
        (b'{"name": "a", "more": 1}', 422),
        (b'{"name": "a", "a/b": "x"}', 422),
        (b'{"name": "a"}', 200),
        (b"x" * (5 * 1024 * 1024 + 1), 413),
    ],
)
def test_bodies_are_read_strictly(client: FlaskClient, body: bytes, status: int) -> None:
    answer = client.post("/demo/things", data=body, headers=INSIDE, content_type="application/json")
    assert answer.status_code == status
    if status == 422 and b"a/b" in body:
        assert answer.json["errors"][0]["pointer"] == "/a~1b"


def test_a_body_of_another_type_is_refused(client: FlaskClient) -> None:
    answer = client.post("/demo/things", data="name=a", headers=INSIDE)
    assert answer.status_code == 415


def test_not_ready_is_503_with_a_time_to_wait(issuer: FakeIssuer, tmp_path: Path) -> None:
    def away() -> None:
        raise OSError("no route to postgres:5432")

    settings = ServiceSettings(database_url="sqlite://", gateway_key=GATEWAY_KEY)
    app = new_app("demo", settings, folder=tmp_path, verifier=issuer.verifier(), ready=away)
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "postgres" not in answer.text
    assert app.test_client().get("/healthz").status_code == 200


def test_every_answer_carries_the_protective_headers(client: FlaskClient) -> None:
    headers = client.get("/demo/open", headers=INSIDE).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_logs_name_the_route_and_never_the_path(app: Flask) -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep()
    logging.getLogger("request").addHandler(handler)
    try:
        app.test_client().get("/demo/broken/aishath?token=t0p", headers=INSIDE)
    finally:
        logging.getLogger("request").removeHandler(handler)
    answered = [record for record in records if record.getMessage() == "answered"]
    assert [vars(record)["route"] for record in answered] == ["/demo/broken/<name>"]
    assert "t0p" not in json.dumps([str(vars(record)) for record in answered])


def test_a_contract_is_served_with_the_public_address(client: FlaskClient) -> None:
    answer = client.get("/demo/openapi.json", headers=INSIDE)
    assert answer.json["servers"] == [{"url": "http://localhost:8000"}]


def test_a_view_takes_one_marker_only() -> None:
    @access.public
    def view() -> str:
        return request.path

    with pytest.raises(TypeError, match="already declares"):
        access.scope("demo.read")(view)


def test_every_problem_has_a_slug_of_its_own() -> None:
    kinds = problems.Problem.__subclasses__()
    assert len({kind.slug for kind in kinds}) == len(kinds)
