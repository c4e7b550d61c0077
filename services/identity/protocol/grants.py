"""The three grants of the token endpoint: code, refresh, client credentials (RFC 6749, OIDC 3.1.3).

A grant is a function from a token request to its answer. What it claims (a code, a refresh token)
stays claimed when the rest of the request is wrong.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError

from services.identity.domain import scopes
from services.identity.domain.agreements import Permission
from services.identity.protocol import consent, tokens
from services.identity.storage import grants as store
from services.identity.storage import people
from services.identity.storage.tables import Grant, Person

if TYPE_CHECKING:
    from services.identity.protocol.token_endpoint import TokenRequest

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1
_SPENT = "This code is not valid: unknown, used before, expired or issued to another client."


def redeem_code(request: "TokenRequest") -> dict[str, Any]:
    """Exchange an authorization code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""
    form, parts = request.form, request.parts
    if "code" not in form:
        raise InvalidRequestError("code is missing.")
    with request.transaction() as session:
        # from here on the code is spent, even when the rest of the request is wrong
        row = store.take_code(session, form["code"], request.client.client_id, parts.clock.now())
        if row is None or store.is_revoked(session, row.grant_id):
            raise InvalidGrantError(_SPENT)
        if form.get("redirect_uri") != row.redirect_uri:
            raise InvalidGrantError("redirect_uri is not the one that the code was sent to.")
        _check_verifier(form.get("code_verifier"), row.code_challenge)
        grant = store.get(session, row.grant_id)
        parts.profile.check_grant(request, grant)
        person = _person(people.by_subject(session, grant.sub))
        allowed = consent.of_grant(session, request.client, grant, parts.clock.now())
        answer = _for_person(request, grant, person, allowed.scope(grant.scope), allowed)
        if request.client.check_grant_type("refresh_token"):
            answer["refresh_token"] = secrets.token_urlsafe(32)
            store.add_refresh_token(session, answer["refresh_token"], grant.id)
        if allowed.allows("openid") and "openid" in grant.scope.split():
            answer["id_token"] = tokens.id_token(
                parts, request.client, person, grant, row.nonce, answer["access_token"]
            )
        return answer


def refresh(request: "TokenRequest") -> dict[str, Any]:
    """Go on with a sign-in (RFC 6749 section 6): rotated, reuse detected, lost answers survived."""
    form, parts, client = request.form, request.parts, request.client
    if "refresh_token" not in form:
        raise InvalidRequestError("refresh_token is missing.")
    with request.transaction() as session:
        token = form["refresh_token"]
        row = store.find_refresh_token(session, token, client.client_id)
        grant = store.get(session, row.grant_id) if row else None
        now = parts.clock.now()
        if row is None or grant is None or grant.revoked_at or now >= grant.expires_at:
            raise InvalidGrantError("This refresh token is not valid. Sign in again.")
        allowed = consent.of_grant(session, client, grant, now)
        granted = allowed.scope(grant.scope)
        wanted = form.get("scope", granted)
        if not set(wanted.split()) <= set(granted.split()):
            raise InvalidScopeError("A refresh cannot ask for more than was granted.")
        parts.profile.check_grant(request, grant)
        # nothing is taken before the rest of the request is known to be right
        person = _person(people.by_subject(session, grant.sub))
        answer = _for_person(request, grant, person, wanted, allowed)
        if not parts.profile.rotates(client):
            return answer
        successor = _successor(parts.vault.key_for("refresh"), token)
        window = timedelta(seconds=parts.settings.refresh_retry_s)
        if not store.rotate(session, row, successor, now, window):
            raise InvalidGrantError("This refresh token was used before. Sign in again.")
        return answer | {"refresh_token": successor}


def client_credentials(request: "TokenRequest") -> dict[str, Any]:
    """Give a system a token for itself (RFC 6749 section 4.4); public clients prove nothing."""
    client, asked = request.client, request.form.get("scope")
    if client.auth_method == "none":
        raise InvalidGrantError("A public client cannot act for itself.")
    wanted = scopes.allowed(asked, client.scopes) if asked else " ".join(client.scopes)
    if wanted is None:
        raise InvalidScopeError("The client may not ask for one of these scopes.")
    aud = tokens.audience(request.resources, [], default=scopes.common_audience(wanted.split()))
    return _answer(request, tokens.scope_for(wanted, aud), aud, None, None)


GRANT_TYPES: Mapping[str, Callable[["TokenRequest"], dict[str, Any]]] = {
    "authorization_code": redeem_code,
    "refresh_token": refresh,
    "client_credentials": client_credentials,
}


def _check_verifier(verifier: str | None, challenge: str) -> None:
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        raise InvalidGrantError("code_verifier is missing or is not 43 to 128 unreserved letters.")
    digest = hashlib.sha256(verifier.encode()).digest()
    computed = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if not hmac.compare_digest(computed, challenge):
        raise InvalidGrantError("code_verifier does not belong to the code_challenge.")


def _successor(key: bytes, token: str) -> str:
    """Return the token that replaces another: a caller that lost it gets the same one again."""
    digest = hmac.new(key, token.encode("utf-8", "replace"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _person(person: Person | None) -> Person:
    if person is None:
        raise InvalidGrantError("This account is no more.")
    return person


def _for_person(
    request: "TokenRequest", grant: Grant, person: Person, wanted: str, allowed: Permission
) -> dict[str, Any]:
    """Return the answer with an access token; without ``resource`` it is for userinfo."""
    aud = tokens.audience(request.resources, grant.resources, default=scopes.OWN_AUDIENCE)
    roles = consent.roles(allowed, person)
    return _answer(request, tokens.scope_for(wanted, aud), aud, person, grant, roles=roles)


def _answer(
    request: "TokenRequest",
    scope: str,
    aud: str,
    person: Person | None,
    grant: Grant | None,
    **more: Any,
) -> dict[str, Any]:
    bound_to = request.confirmation
    return {
        "access_token": tokens.access_token(
            request.parts,
            request.client,
            scope,
            aud,
            person,
            grant,
            **more,
            **({"cnf": dict(bound_to)} if bound_to else {}),
        ),
        "token_type": "DPoP" if bound_to else "Bearer",
        "expires_in": request.parts.settings.access_token_life_s,
        "scope": scope,
    }
