"""Revocation (RFC 7009) and introspection (RFC 7662): what becomes of tokens that are out there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from flask import Request

from services.identity.parts import Parts
from services.identity.protocol.request import Parameters
from services.identity.protocol.verify import access_token_of
from services.identity.storage import grants
from services.identity.storage.tables import Client

COPIED = ("scope", "sub", "aud", "iss", "jti", "iat", "exp", "auth_time", "acr", "cnf", "act")
INACTIVE: Mapping[str, Any] = {"active": False}


def revoke(parts: Parts, http: Request, form: Parameters, client: Client) -> None:
    """Make a token of the calling client worthless; one that is not its own changes nothing.

    A refresh token takes its whole grant along; an access token goes alone.
    """
    text = _token(form)
    now = parts.clock.now()
    token = access_token_of(parts, text)
    with parts.database.transaction() as session:
        refresh = grants.find_refresh_token(session, text, client.client_id)
        if refresh is not None:
            grants.revoke(session, refresh.grant_id, now)
        elif token is not None and token.client_id == client.client_id:
            ends = datetime.fromtimestamp(token.expires_at, UTC)
            grants.revoke_token(session, token.jti, ends)


def introspect(parts: Parts, http: Request, form: Parameters, client: Client) -> Mapping[str, Any]:
    """Tell whether a token is worth anything now, and what it says.

    Any client that can prove who it is may ask about an access token that it holds: its claims can
    be read by whoever has it. A refresh token is told of to its own client alone.
    """
    text = _token(form)
    if client.auth_method == "none":
        raise InvalidClientError(
            status_code=401, description="A public client cannot ask about tokens."
        )
    token = access_token_of(parts, text)
    if token is None:
        return _refresh_token(parts, text, client)
    claims = {name: token.claims[name] for name in COPIED if name in token.claims}
    kind = "Bearer" if token.confirmed_key is None else "DPoP"
    return {"active": True, "client_id": token.client_id, "token_type": kind, **claims}


def _refresh_token(parts: Parts, text: str, client: Client) -> Mapping[str, Any]:
    with parts.database.snapshot() as session:
        row = grants.find_refresh_token(session, text, client.client_id)
        grant = grants.get(session, row.grant_id) if row else None
    if row is None or grant is None or row.used_at is not None or grant.revoked_at is not None:
        return INACTIVE
    if parts.clock.now() >= grant.expires_at:
        return INACTIVE
    return {
        "active": True,
        "client_id": client.client_id,
        "scope": grant.scope,
        "exp": int(grant.expires_at.timestamp()),
    }


def _token(form: Parameters) -> str:
    if "token" not in form:
        raise InvalidRequestError("token is missing.")
    return form["token"]
