"""Which tokens a grant yields: audience (RFC 8707), claims (RFC 9068), ID token (OIDC Core 2)."""

import base64
import hashlib
import secrets
from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError

from services.identity import teaching
from services.identity.domain import scopes
from services.identity.domain.subjects import pairwise
from services.identity.parts import Parts
from services.identity.protocol.errors import InvalidTarget
from services.identity.storage.tables import Client, Grant, Person


def audience(resources: list[str], granted: list[str], *, default: str | None) -> str:
    """Return the one audience of a token; raises InvalidTarget when it is not clear or not allowed.

    granted: the resources named when the person signed in; empty allows every one.
    """
    if len(resources) > 1:
        raise InvalidTarget("Ask for one resource at a time: a token has one audience.")
    if not resources and default is None:
        raise InvalidTarget("Name the service with resource=urn:atoll:<service>.")
    wanted = resources[0] if resources else str(default)
    if wanted not in scopes.AUDIENCES:
        raise InvalidTarget("There is no such resource. Use urn:atoll:<service>.")
    if granted and resources and wanted not in granted:
        raise InvalidTarget("This resource was not asked for when the person signed in.")
    return wanted


def scope_for(requested: str, aud: str) -> str:
    """Return those of the scopes that the audience understands; raises when none is left."""
    kept = scopes.for_audience(requested.split(), aud)
    if not kept:
        raise InvalidScopeError(f"None of the scopes is one of {aud}.")
    return " ".join(kept)


def access_token(
    parts: Parts,
    client: Client,
    scope: str,
    aud: str,
    person: Person | None,
    grant: Grant | None,
    **more: Any,
) -> str:
    """Sign an access token for a client itself, or for a person who signed in at it.

    more: the person's roles that the client may use, and claims that a profile adds.
    """
    now = int(parts.clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": parts.settings.issuer,
        "sub": client.client_id if person is None else person.sub,
        "aud": aud,
        "client_id": client.client_id,
        "scope": scope,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + parts.settings.access_token_life_s,
        "roles": client.roles if person is None else [],  # a person's roles come with ``more``
    }
    if grant is not None:
        claims |= {
            "auth_time": int(grant.auth_time.timestamp()),
            "acr": grant.acr,
            "grant_id": grant.id,
        }
    claims |= more
    if client.faults:  # a developer teaches a program what bad tokens look like
        return teaching.spoil_signature(
            client, parts.keys.sign(teaching.spoil(client, claims), "at+jwt")
        )
    return parts.keys.sign(claims, "at+jwt")


def id_token(
    parts: Parts, client: Client, person: Person, grant: Grant, nonce: str | None, bearer: str
) -> str:
    """Sign an ID token: who signed in, when and how, for this client alone."""
    now = int(parts.clock.now().timestamp())
    # the first half of SHA-256, which goes with ES256 and RS256 alike
    half = hashlib.sha256(bearer.encode()).digest()[:16]  # OIDC Core 3.1.3.6
    claims: dict[str, Any] = {
        "iss": parts.settings.issuer,
        "sub": subject_for(parts, client, person.sub),
        "aud": client.client_id,
        "iat": now,
        "exp": now + parts.settings.access_token_life_s,
        "auth_time": int(grant.auth_time.timestamp()),
        "acr": grant.acr,
        "amr": grant.amr,
        "sid": grant.sid,
        "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
    }
    if grant.acr_reason is not None:
        claims["acr_reason"] = grant.acr_reason
    if nonce is not None:
        claims["nonce"] = nonce
    if client.faults:
        claims = teaching.spoil(client, claims)
    return teaching.spoil_signature(client, parts.keys.sign(claims, "JWT", client.id_token_alg))


def session_id(parts: Parts, client_id: str, session_hash: str) -> str:
    """Return the name that one client knows a sign-in by (Back-Channel Logout section 2.1)."""
    return pairwise(parts.vault.key_for("sid"), client_id, session_hash)


def subject_for(parts: Parts, client: Client, sub: str) -> str:
    """Return the subject that a client, and others of its sector, know a person by."""
    return pairwise(parts.vault.key_for("pairwise"), client.sector, sub)
