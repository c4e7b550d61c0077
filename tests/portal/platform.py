"""A fake platform behind a real corridor: what the gateway would answer the portal."""

import base64
import io
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
import requests
from requests.adapters import BaseAdapter

from tests.portal import registers
from tests.portal.steering import Steering
from tests.support.issuer import FakeIssuer

AISHATH = "pairwise-aishath"


def exchange(number: int, **changes: Any) -> dict[str, Any]:
    """An exchange as the gateway's API gives it."""
    return {
        "exchange": f"{number:024x}",
        "number": number,
        "at": "2026-03-03T05:00:00Z",
        "trace": "a" * 32,
        "caller": {
            "client_id": "fisheries",
            "name": {"en": "Fisheries Department", "dv": "ފިޝަރީޒް"},
        },
        "service": "registers",
        "method": "GET",
        "route": "/registers/{register}/records/{key}",
        "parameters": {"register": "island", "key": "K-Thulusdhoo"},
        "personal": None,
        "purpose": None,
        "basis": None,
        "categories": [],
        "status": 200,
        "outcome": "answered",
        "reason": None,
        "sentence": None,
        "duration_us": 4200,
        "size_bytes": 300,
        "role": None,
        "caption": {
            "en": "Fisheries Department asked registers for K-Thulusdhoo in the island register.",
            "dv": "ފިޝަރީޒް island ރަޖިސްޓަރުން K-Thulusdhoo ބެލި.",
        },
    } | changes


PERSONAL = {
    "service": "identity",
    "personal": "read",
    "purpose": {"code": "vessel-licence", "title": {"en": "Licence for a vessel", "dv": "ލައިސަންސް"}},
    "basis": "consent:5f",
    "categories": ["contact"],
    "caption": {"en": "Fisheries Department read a person's contact details in identity."},
}
REFUSED = PERSONAL | {
    "status": 403,
    "outcome": "refused",
    "reason": "consent-withdrawn",
    "sentence": "The agreement was withdrawn on 3 March 2026. Nothing was read. Ask again.",
}


REUSE = {
    "from": "2026-02-01T05:00:00Z",
    "to": "2026-03-03T05:00:00Z",
    "consumers": [{"client_id": "fisheries", "name": {"en": "Fisheries Department", "dv": "ފިޝަރީޒް"}}],
    "components": ["notify", "registers"],
    "pairs": [
        {
            "consumer": "fisheries",
            "component": component,
            "calls": calls,
            "answered": calls,
            "declined": 0,
            "refused": 0,
            "failed": failed,
            "personal": 0,
            "half_under_ms": half,
            "most_under_ms": None,
            "last": "2026-03-03T05:00:00Z",
        }
        for component, calls, failed, half in (("notify", 2, 1, None), ("registers", 40, 0, 5))
    ],
    "integrations": {
        "without_platform": 2,
        "with_platform": 3,
        "avoided": 0,
        "assumption": {"en": "Without the platform 1 × 2 = 2.", "dv": "1 × 2 = 2 ގުޅުން."},
    },
}


class FakePlatform(BaseAdapter):
    """Answers requests as the gateway would; ``down`` names services that do not answer."""

    def __init__(self, issuer: FakeIssuer) -> None:
        super().__init__()
        self.issuer = issuer
        self.down: set[str] = set()
        self.broken: set[str] = set()  # services that answer rubbish
        self.requests: list[requests.PreparedRequest] = []
        self.exchanges = [exchange(3, **PERSONAL), exchange(2), exchange(1)]
        self.own = [exchange(3, **PERSONAL)]
        self.reuse: dict[str, Any] = REUSE
        self.messages: dict[str, list[dict[str, Any]]] = {"sms": [], "email": [], "letter": []}
        self.records: dict[str, dict[str, Any]] = {
            "K-Thulusdhoo": {
                "_id": "K-Thulusdhoo",
                "island": "K-Thulusdhoo",
                "name": "Thulusdhoo",
                "name-dv": "ތުލުސްދޫ",
                "atoll": "atoll:K",
                "population": "1408",
                "coordinates": "4.37,73.65",
                "area": "0.762",
                "councils": ["council:K1", "council:K2"],
            }
        }
        self.id_token: dict[str, Any] = {}  # claims to change in the next ID token
        self.id_token_header: dict[str, Any] = {"typ": "JWT"}
        self.id_token_key: Any = None
        self.nonce = ""
        self.refresh_token = "refresh-0"
        self.refreshes = 0
        self.next_records: str | None = None
        self.answers = registers.answers()
        self.steering = Steering()

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", self)
        return session

    def close(self) -> None:
        pass

    def send(self, request: Any, **_options: Any) -> requests.Response:  # type: ignore[override]
        self.requests.append(request)
        parts = urlsplit(request.url)
        path, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
        own = ("/exchanges", "/readyz", "/directory", "/operate")
        service = "gateway" if path.startswith(own) else path.split("/")[1]
        if service in self.down and path != "/readyz":
            return _answer(request, 503, {"detail": f"{service} is not available."})
        if service in self.broken:
            return _answer(request, 200, None)
        found = self._route(request, path, query)
        return found if isinstance(found, requests.Response) else _answer(request, *found)

    def _route(self, request: Any, path: str, query: dict[str, str]) -> Any:
        match path.split("/")[1:]:
            case ["readyz"]:
                states: dict[str, Any] = {}
                for name in ("identity", "registers", "notify", "portal"):
                    state = {"state": "down" if name in self.down else "ready"}
                    circuit = {"circuit": "open" if name in self.down else "closed"}
                    states[name] = state | {"instances": [state | circuit]}
                feed = {"age_s": 0.4, "fresh": True, "every_s": 1.0, "stale_after_s": 10.0}
                return (503 if self.down else 200), {"components": states, "feed": feed}
            case ["identity", "token"]:
                form = {k: v[0] for k, v in parse_qs(request.body).items()}
                return self._token(request, form)
            case ["identity", "userinfo"]:
                return 200, {"sub": AISHATH, "name": "Aishath Demo", "name#dv": "ޢައިޝަތު"}
            case ["identity", "jwks"]:
                return 200, self.issuer.jwks()
            case ["exchanges", "reuse"]:
                return 200, self.reuse
            case ["exchanges", exchange_id, "proof"]:
                return 200, {
                    "exchange": exchange_id,
                    "index": 56,
                    "path": ["aa", "bb"],
                    "checkpoint": "localhost/exchanges\n189\nAA=\n",
                }
            case ["exchanges"]:
                return self._exchanges(request, query)
            case ["directory", *_] | ["operate", *_]:
                return self.steering.answer(request.method, path, query, request.body)
            case ["notify", "inbox"]:
                return 200, {"messages": self.messages[query.get("channel", "sms")], "next": None}
            case [service, "openapi.json"]:
                return 200, CONTRACT | {"info": {"title": service}}
            case ["registers"]:
                return 200, {"registers": REGISTERS}
            case ["registers", "island", "context"]:
                return 200, {
                    "id": "island",
                    "schema": SCHEMA,
                    "custodian": "Demonstration office",
                    "source": "Census 2022",
                    "licence": "MIT, credited in source",
                    "statistics": {"total-entries": 190},
                    "governance": {"owner": "Demonstration office", "classification": "open"},
                }
            case ["registers", "island", "records"]:
                answer = _answer(request, 200, list(self.records.values()))
                if self.next_records:
                    answer.headers["Link"] = f'<{self.next_records}>; rel="next"'
                return answer
            case ["registers", "island", "records", key] if key in self.records:
                return 200, self.records[key]
            case ["registers", *rest] if f"{request.method} {'/'.join(rest)}" in self.answers:
                return 200, self.answers[f"{request.method} {'/'.join(rest)}"]
            case _:
                return 404, {"detail": "Nothing is at this address."}

    def _exchanges(self, request: Any, query: dict[str, str]) -> Any:
        token = self.claims(request)
        shown = self.own if "exchanges.own" in token["scope"] else self.exchanges
        if "trace" in query:
            shown = [one for one in shown if one["trace"] == query["trace"]]
        if "service" in query:
            shown = [one for one in shown if one["service"] == query["service"]]
        return 200, {"exchanges": shown, "next": None}

    def claims(self, request: Any) -> dict[str, Any]:
        text = request.headers["Authorization"].removeprefix("Bearer ")
        claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
        return claims

    def _client(self, request: Any) -> str:
        given = request.headers["Authorization"].removeprefix("Basic ")
        return base64.b64decode(given).decode().partition(":")[0]

    def _token(self, request: Any, form: dict[str, str]) -> Any:
        service = form.get("resource", "urn:atoll:identity").removeprefix("urn:atoll:")
        if form["grant_type"] == "client_credentials":
            token = self.issuer.token(service, form["scope"], client_id=self._client(request))
            return 200, {"access_token": token, "expires_in": 900}
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh_token:
                return 400, {"error": "invalid_grant"}
            self.refreshes += 1
        elif form["code"] != "good-code":
            return 400, {"error": "invalid_grant", "error_description": "The code is used."}
        self.refresh_token = secrets.token_hex(8)
        scope = form.get("scope", "openid profile")
        now = int(time.time())
        claims = {
            "iss": self.issuer.issuer,
            "sub": AISHATH,
            "aud": "portal",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
        } | self.id_token
        return 200, {
            "access_token": self.issuer.token(
                service, scope, subject="person-aishath", client_id="portal"
            ),
            "expires_in": 900,
            "refresh_token": self.refresh_token,
            "id_token": jwt.encode(
                {k: v for k, v in claims.items() if v is not None},
                self.id_token_key or self.issuer.private_key,
                algorithm="ES256",
                headers={"kid": self.issuer.kid} | self.id_token_header,
            ),
        }


def _answer(request: Any, status: int, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.request, response.url = request, request.url
    text = "<html>no JSON</html>" if body is None else json.dumps(body)
    response.raw = io.BytesIO(text.encode())
    response.headers["Content-Type"] = "application/json"
    return response


REGISTERS = [
    {
        "id": "island",
        "title": {"en": "Islands", "dv": "ރަށްތައް"},
        "description": {"en": "Inhabited islands", "dv": "މީހުން ދިރިއުޅޭ ރަށްތައް"},
        "synthetic": False,
        "source": "Census 2022",
        "records": 189,
        "entries": 190,
        "root-hash": "1220ff",
        "updated": "2026-03-01T00:00:00Z",
    },
    {
        "id": "fishing-vessel",
        "title": {"en": "Fishing vessels", "dv": "މަސްދޯނިތައް"},
        "description": {"en": "Made-up boats", "dv": "އުފައްދާފައިވާ ދޯނިތައް"},
        "synthetic": True,
        "source": "",
        "records": 12,
        "entries": 12,
        "root-hash": "1220fe",
        "updated": "2026-03-01T00:00:00Z",
    },
    {
        "id": "vessel-owner",
        "title": {"en": "Owners", "dv": "ވެރިން"},
        "description": {"en": "Who owns which boat", "dv": "ދޯނިތަކުގެ ވެރިން"},
        "synthetic": True,
        "source": "",
        "custodian": "Fisheries Department",
        "personal": True,
        "records": 2,
        "entries": 2,
        "root-hash": "1220fd",
        "updated": "2026-03-01T00:00:00Z",
    },
]
SCHEMA = [
    {
        "id": "island",
        "datatype": "string",
        "cardinality": "1",
        "title": "Island",
        "translations": {"dv": {"title": "ރަށް"}},
    },
    {"id": "coordinates", "datatype": "string", "cardinality": "1", "format": "point"},
    {"id": "area", "datatype": "string", "cardinality": "1", "format": "decimal"},
    {"id": "councils", "datatype": "curie", "cardinality": "n"},
    {"id": "name", "datatype": "string", "cardinality": "1"},
    {"id": "name-dv", "datatype": "string", "cardinality": "1"},
    {"id": "atoll", "datatype": "curie", "cardinality": "1"},
    {"id": "population", "datatype": "integer", "cardinality": "1"},
]
CONTRACT = {
    "openapi": "3.1.0",
    "security": [{"token": ["registers.read"]}],
    "paths": {
        "/registers/{register}/records": {
            "parameters": [{"name": "register", "in": "path", "example": "atoll"}],
            "get": {
                "operationId": "listRecords",
                "summary": "List records",
                "security": [],
                "responses": {"200": {"description": "Some records"}},
            },
            "post": {
                "operationId": "append",
                "summary": "Append",
                "requestBody": {"content": {"application/json": {"example": {"item": 1}}}},
            },
        },
        "/notify/inbox": {
            "get": {"operationId": "readInbox", "security": [{"token": ["notify.inbox"]}]}
        },
        "/v2/templates": {"get": {"operationId": "listTemplates", "security": [{"key": []}]}},
    },
}
