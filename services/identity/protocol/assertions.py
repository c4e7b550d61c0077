"""Client assertions (``private_key_jwt``, RFC 7523 section 3): signed, short, used once."""

import re
from collections.abc import Mapping
from typing import Any

import jwt
from flask import Request

from services.identity.domain.digests import fingerprint
from services.identity.parts import Parts
from services.identity.protocol.request import Parameters
from services.identity.storage import single_use
from services.identity.storage.tables import Client

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "PS256", "EdDSA", "RS256")
FAPI_ALGORITHMS = ALGORITHMS[:3]  # FAPI 2.0 Security Profile section 5.4
LONGEST_LIFE_S = 300
LEEWAY_S = 5
MAX_BYTES = 8192
MAX_JTI = 255
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = (None, "JWT", "client-authentication+jwt")


def client_of(parts: Parts, http: Request, form: Parameters) -> Client | None:
    """Return the client whose assertion came with the form and spend it; None if it proves nothing.

    The spending is committed by itself: an assertion is used up whatever becomes of the request.
    """
    text = form.get("client_assertion", "")
    if form.get("client_assertion_type") != TYPE:
        return None
    if len(text) > MAX_BYTES or not _COMPACT.fullmatch(text):
        return None
    try:
        header = jwt.get_unverified_header(text)
        claimed = jwt.decode(text, options={"verify_signature": False}).get("iss")
        if not isinstance(claimed, str) or form.get("client_id", claimed) != claimed:
            return None
        client = parts.clients.find(claimed)
        if client is None or client.auth_method != "private_key_jwt" or not _fits(client, header):
            return None
        kid = header.get("kid")
        for key in parts.client_keys.of(client, str(kid) if kid is not None else None):
            claims = _verified(text, str(header["alg"]), key)
            if claims is not None:
                return client if _is_good(parts, http, client, claims) else None
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    return None


def _fits(client: Client, header: Mapping[str, Any]) -> bool:
    algorithms = FAPI_ALGORITHMS if client.profile == "fapi2" else ALGORITHMS
    return (
        header.get("alg") in algorithms
        and header.get("typ") in _TYPES
        and not set(header) - {"alg", "kid", "typ"}  # nothing that leads to another key
    )


def _verified(text: str, algorithm: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return jwt.decode(
            text,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=[algorithm],
            options={
                "require": ["iss", "sub", "aud", "exp", "jti"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None  # another of the client's keys may fit


def _is_good(parts: Parts, http: Request, client: Client, claims: Mapping[str, Any]) -> bool:
    now, jti = parts.clock.now().timestamp(), claims["jti"]
    issuer = parts.settings.issuer
    accepted = {issuer, f"{issuer}/token", f"{parts.settings.public_url}{http.path}"}
    if client.profile == "fapi2":
        accepted = {issuer}
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    expires_at = claims["exp"]
    issued_at, not_before = claims.get("iat", now), claims.get("nbf", now)
    if not all(isinstance(each, int | float) for each in (expires_at, issued_at, not_before)):
        return False
    good = (
        claims["iss"] == claims["sub"] == client.client_id
        and isinstance(jti, str)
        and 0 < len(jti) <= MAX_JTI
        and bool(audience)
        and all(isinstance(each, str) and each in accepted for each in audience)
        and now - LEEWAY_S < expires_at <= now + LONGEST_LIFE_S + LEEWAY_S
        and issued_at <= now + 10
        and not_before <= now + 10
    )
    if not good:
        return False
    with parts.database.transaction() as session:
        return single_use.take(
            session, fingerprint(f"{client.client_id}\n{jti}"), parts.clock.now()
        )
