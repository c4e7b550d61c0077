"""API8 and API9: nothing is open by mistake, and nothing is there that is not declared."""

import re

import requests

from gateway.routing import load_routes
from tests.platform.layout import ROOT
from tests.support.people import Callers

TABLE = load_routes(ROOT / "gateway" / "routes.yaml")


def test_api8_security_misconfiguration(callers: Callers) -> None:
    for path in ("/", "/portal/apis", "/identity/sign-in", "/portal/nothing", "/registers/nothing"):
        answer = callers.ask("GET", path, headers={"Accept": "text/html"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        for cookie in answer.headers.get("Set-Cookie", "").split(", atoll"):
            assert not cookie or ("HttpOnly" in cookie and "SameSite=" in cookie), cookie
        for leak in ("Traceback", "Werkzeug", "sqlalchemy", "/site-packages/", 'File "'):
            assert leak not in answer.text
    evil = {"Origin": "https://evil.example"}
    for path in ("/", "/portal/inbox", "/exchanges", "/identity/clients", "/notify/inbox"):
        answer = callers.ask("GET", path, headers=evil)
        assert "Access-Control-Allow-Origin" not in answer.headers, path
    public = callers.ask("GET", "/registers", headers=evil)
    assert public.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in public.headers
    for method in ("TRACE", "TRACK", "CONNECT", "DEBUG", "PROPFIND"):
        assert callers.ask(method, "/registers").status_code in (400, 404, 405), method
    assert callers.ask("GET", "/metrics").status_code == 401


def test_api9_improper_inventory_management(callers: Callers) -> None:
    for path in (
        *("/admin", "/debug", "/console", "/.env", "/.git/config", "/actuator/env", "/v1", "/v3"),
        *("/identity/feed", "/identity/admin", "/notify/readyz", "/registers/readyz"),
        *("/identity/operate/reset", "/registers/operate/reset", "/portal/operate/reset"),
    ):
        for method in ("GET", "POST"):
            answer = callers.ask(method, path)
            assert answer.status_code in (404, 405), (method, path)
            assert "json" in answer.headers["Content-Type"]
    for service in ("gateway", "identity", "registers", "notify", "portal"):
        document = callers.ask("GET", f"/{service}/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        assert document["info"]["version"]
        for path, item in document["paths"].items():
            for method in set(item) & {"get", "post", "put", "patch", "delete"}:
                if item[method].get("deprecated"):
                    match = TABLE.match(method.upper(), re.sub(r"\{[^}]+\}", "x", path).encode())
                    assert match.route.sunset, f"{method} {path} is deprecated without an end"


def test_api9_improper_inventory_management_no_way_round_the_door(callers: Callers) -> None:
    """Whoever finds a service itself gets nothing: only the door's key opens it."""

    for service, upstream in callers.running.upstreams.items():
        for path in (
            "/",
            f"/{service}/openapi.json",
            "/registers",
            "/portal/apis",
            "/v2/templates",
        ):
            for key in ({}, {"Atoll-Gateway-Key": ""}, {"Atoll-Gateway-Key": "k" * 64}):
                answer = requests.get(f"{upstream}{path}", headers=key, timeout=5)
                assert answer.status_code in (401, 403, 404), (service, path)
                assert "openapi" not in answer.text
