"""A person's own programs, as identity keeps them: read, made, changed, decided about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, number, optional_text, rows, text, words

APPS = "identity.apps"
_CLIENTS = "/identity/clients"


@dataclass(frozen=True)
class Waiting:
    """What waits for somebody's word."""

    why: str
    asked_at: str
    environment: str
    scopes: Sequence[str]
    addresses: Sequence[str]
    grants: Sequence[str]


@dataclass(frozen=True)
class App:
    """One program; ``raw`` is identity's whole answer, from which a change starts."""

    id: str
    names: Mapping[str, str]
    status: str
    owner: str
    scopes: Sequence[str]
    addresses: Sequence[str]
    grants: Sequence[str]
    auth_method: str
    profile: str
    faults: Mapping[str, Any]
    secret: str | None
    former_secret_until: str | None
    waiting: Waiting | None
    refused: str | None  # why the last request was refused
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def acts_alone(self) -> bool:
        """Whether it may call for itself."""
        return "client_credentials" in self.grants

    @property
    def signs_in(self) -> bool:
        """Whether people sign in with it."""
        return "authorization_code" in self.grants


class AppsClient:
    """Calls identity with the person's own token."""

    def __init__(self, corridor: Corridor, token: str) -> None:
        self._corridor, self._token = corridor, token

    def mine(self) -> tuple[list[App], bool]:
        """Return the person's programs, and whether the person decides about others'."""
        answer = members(json_of(self._call("GET", _CLIENTS)))
        return [_app(one) for one in rows(answer.get("clients"))], bool(answer.get("administrator"))

    def waiting(self) -> list[App]:
        """Return everybody's programs that wait for a decision."""
        answer = members(json_of(self._call("GET", f"{_CLIENTS}?waiting=yes")))
        return [_app(one) for one in rows(answer.get("clients"))]

    def find(self, app_id: str) -> App:
        """Return one program."""
        return _app(members(json_of(self._call("GET", _path(app_id)))))

    def register(self, metadata: Mapping[str, Any]) -> App:
        """Make a program (RFC 7591); its secret is in this answer alone."""
        return _app(members(json_of(self._call("POST", _CLIENTS, metadata))))

    def change(self, app: App, why: str = "", **metadata: Any) -> App:
        """Change some of a program's metadata; what waits already goes on waiting."""
        asked: dict[str, Any] = {}
        if app.waiting is not None:
            asked = {
                "scope": " ".join(app.waiting.scopes),
                "grant_types": list(app.waiting.grants),
                "environment": app.waiting.environment,
                "why": app.waiting.why,
            }
        body = {**app.raw, **asked, **metadata, **({"why": why} if why else {})}
        body.pop("response_types", None)  # they follow from the grant types
        return _app(members(json_of(self._call("PUT", _path(app.id), body))))

    def rotate(self, app_id: str, overlap_s: int) -> App:
        """Give a program a new secret."""
        body = {"overlap_s": overlap_s}
        return _app(members(json_of(self._call("POST", f"{_path(app_id)}/secret", body))))

    def ask_to_go_live(self, app_id: str, why: str) -> None:
        """Ask that it may serve real people."""
        self._call("POST", f"{_path(app_id)}/live", {"why": why})

    def inject(self, app_id: str, faults: Mapping[str, Any]) -> None:
        """Choose the faults that it meets."""
        self._call("PUT", f"{_path(app_id)}/faults", faults)

    def decide(self, app_id: str, decision: str, reason: str) -> None:
        """Approve or refuse what waits."""
        body = {"decision": decision, "reason": reason}
        self._call("POST", f"{_path(app_id)}/decision", body)

    def remove(self, app_id: str) -> None:
        """End a program."""
        self._call("DELETE", _path(app_id))

    def audit(self, before: str | None) -> tuple[list[Mapping[str, Any]], int]:
        """Return a page of privileged actions, and where the next begins (0: nowhere)."""
        query = f"?before={before}" if before else ""
        answer = members(json_of(self._call("GET", f"/identity/audit{query}")))
        return rows(answer.get("events")), number(answer.get("next"))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        options = {} if body is None else {"json": body}
        return self._corridor.call(
            method, path, service="identity", scope=APPS, token=self._token, **options
        )


def read_scopes(corridor: Corridor) -> list[Mapping[str, Any]]:
    """Return the scopes catalogue, which everybody may read."""
    answer = members(json_of(corridor.send("GET", "/identity/scopes")))
    return [
        {**one, "description": words(one.get("description"))} for one in rows(answer.get("scopes"))
    ]


def _path(app_id: str) -> str:
    return f"{_CLIENTS}/{quote(app_id, safe='')}"


def _app(one: Mapping[str, Any]) -> App:
    waits, decided = members(one.get("waiting")), members(one.get("decision"))
    names = {"en": text(one.get("client_name")), "dv": text(one.get("client_name#dv"))}
    return App(
        id=text(one.get("client_id")),
        names={code: name for code, name in names.items() if name},
        status=text(one.get("status")),
        owner=text(one.get("owner")),
        scopes=text(one.get("scope")).split(),
        addresses=_texts(one.get("redirect_uris")),
        grants=_texts(one.get("grant_types")),
        auth_method=text(one.get("token_endpoint_auth_method")),
        profile=text(one.get("profile")),
        faults=members(one.get("faults")),
        secret=optional_text(one.get("client_secret")),
        former_secret_until=optional_text(one.get("former_secret_until")),
        waiting=_waiting(waits) if waits else None,
        refused=text(decided.get("reason")) if decided.get("decision") == "refused" else None,
        raw=one,
    )


def _waiting(one: Mapping[str, Any]) -> Waiting:
    return Waiting(
        why=text(one.get("why")),
        asked_at=text(one.get("asked_at")),
        environment=text(one.get("environment")),
        scopes=text(one.get("scope")).split(),
        addresses=_texts(one.get("redirect_uris")),
        grants=_texts(one.get("grant_types")),
    )


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
