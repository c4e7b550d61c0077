"""A client as RFC 7591 section 3.2.1 writes it, with what Atoll adds."""

from datetime import datetime
from typing import Any

from servicekit.clock import timestamp
from services.identity.domain.registration import FAPI2
from services.identity.storage.administration_tables import ClientRequest
from services.identity.storage.tables import Client

_COPIED = {
    "profile": "profile",
    "application_type": "application_type",
    "auth_method": "token_endpoint_auth_method",
    "id_token_alg": "id_token_signed_response_alg",
    "redirect_uris": "redirect_uris",
    "post_logout_redirect_uris": "post_logout_redirect_uris",
    "backchannel_logout_session_required": "backchannel_logout_session_required",
    "grant_types": "grant_types",
    "contacts": "contacts",
}
_WHERE_GIVEN = ("jwks", "jwks_uri", "backchannel_logout_uri")


def registered(client: Client, secret: str | None = None) -> dict[str, Any]:
    """Return the registration; secret: shown in the answer that made it, and never again."""
    signs_in = "authorization_code" in client.grant_types
    body: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {}),
        **_in_languages("client_name", client.name),
        **_in_languages("description", client.description),
        **{name: getattr(client, column) for column, name in _COPIED.items()},
        **{name: getattr(client, name) for name in _WHERE_GIVEN if getattr(client, name)},
        **client.information,
        "response_types": ["code"] if signs_in else [],
        "scope": " ".join(dict.fromkeys([*client.person_scopes, *client.scopes])),
        "subject_type": "pairwise",
        "environment": "live" if client.status in ("live", "pending") else "sandbox",
    }
    if client.profile == FAPI2:
        body["dpop_bound_access_tokens"] = body["require_pushed_authorization_requests"] = True
    return body


def managed(
    client: Client,
    request: ClientRequest | None,
    decided: ClientRequest | None,
    owner: str | None,
    now: datetime,
    secret: str | None = None,
) -> dict[str, Any]:
    """Return the registration with its state: what it waits for, and its injected faults."""
    until = client.former_secret_until
    return registered(client, secret) | {
        "status": client.status,
        "owner": owner,
        "faults": client.faults,
        "former_secret_until": timestamp(until) if until and until > now else None,
        "waiting": _waiting(request),
        "decision": _decision(decided),
    }


def _waiting(request: ClientRequest | None) -> dict[str, Any] | None:
    if request is None:
        return None
    wants = request.wants
    return {
        "why": request.why,
        "asked_at": timestamp(request.asked_at),
        "environment": "live" if wants["status"] == "live" else "sandbox",
        "scope": " ".join(dict.fromkeys([*wants["person_scopes"], *wants["scopes"]])),
        "redirect_uris": wants["redirect_uris"],
        "grant_types": wants["grant_types"],
        "client_name": wants["name"]["en"],
    }


def _decision(decided: ClientRequest | None) -> dict[str, Any] | None:
    if decided is None or decided.decided_at is None:
        return None
    return {
        "decision": decided.state,
        "reason": decided.reason,
        "decided_at": timestamp(decided.decided_at),
    }


def _in_languages(name: str, words: dict[str, str]) -> dict[str, str]:
    return {name if code == "en" else f"{name}#{code}": text for code, text in words.items()}
