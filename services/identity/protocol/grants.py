"""The three grants: Authlib's rules, with single use, S256 alone and revocation added."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9101.errors import RequestNotSupportedError, RequestUriNotSupportedError
from authlib.oidc.core import OpenIDCode

from services.identity.domain import parameters, scopes
from services.identity.domain.digests import fingerprint, random_id
from services.identity.parts import Parts
from services.identity.protocol import tokens
from services.identity.protocol.errors import InvalidTarget
from services.identity.protocol.request import Request
from services.identity.storage import grants as store
from services.identity.storage import people
from services.identity.storage.tables import Client, Code, Grant, Person, RefreshToken

BASIC = ["client_secret_basic"]


class S256(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636) for every client, with S256 and nothing else."""

    DEFAULT_CODE_CHALLENGE_METHOD = "none"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012
    CODE_CHALLENGE_METHODS = {  # noqa: RUF012
        "S256": CodeChallenge.CODE_CHALLENGE_METHODS["S256"]
    }

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without challenge, or without the method: Authlib takes it for plain."""
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Send code_challenge and code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: "CodeInHand") -> str:
        """Every code has a challenge by S256."""
        return "S256"


class OpenID(OpenIDCode):  # type: ignore[misc]
    """OpenID Connect on top of the code grant; the ID token is signed by PyJWT."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    def exists_nonce(self, nonce: str, request: Request) -> bool:
        """Leave it to the client, whose value it is (OIDC Core 15.5.2)."""
        return False

    def encode_id_token(self, token: dict[str, Any], request: Request) -> str:
        """Return the signed ID token that goes with this access token."""
        code: CodeInHand = request.authorization_code
        return tokens.id_token(
            self._parts, request.client, request.user, code.grant, code.nonce, token["access_token"]
        )


@dataclass(frozen=True)
class CodeInHand:
    """A code that this request has claimed, with its grant; its methods are Authlib's."""

    grant: Grant
    redirect_uri: str
    code_challenge: str
    nonce: str | None

    def get_redirect_uri(self) -> str:
        """Return the address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the scopes that the person's sign-in granted."""
        return self.grant.scope


@dataclass(frozen=True)
class RefreshInHand:
    """A refresh token of this client, its grant and its successor; its methods are Authlib's."""

    row: RefreshToken
    grant: Grant
    successor: str

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client."""
        return self.grant.client_id == client.client_id

    def get_scope(self) -> str:
        """Return the scopes that a refresh may not exceed."""
        return self.grant.scope


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code (RFC 6749 section 4.1)."""

    TOKEN_ENDPOINT_AUTH_METHODS = BASIC

    @staticmethod
    def validate_no_multiple_request_parameter(request: Request) -> None:
        """Refuse any parameter that comes twice or is not printable."""
        if fault := parameters.fault(request.payload.datalist):
            raise InvalidRequestError(fault)

    @staticmethod
    def validate_authorization_redirect_uri(request: Request, client: Client) -> str:
        """Return the redirect address; it must be sent and be registered."""
        address: str | None = request.payload.redirect_uri
        if address is None or not client.check_redirect_uri(address):
            raise InvalidRequestError(
                "redirect_uri is missing or is not one of those that the client registered."
            )
        return address

    def __init__(self, request: Request, server: Any) -> None:
        super().__init__(request, server)
        # one hook, because Authlib runs several in no fixed order
        self.register_hook("after_validate_authorization_request_payload", _check_extensions)

    def generate_authorization_code(self) -> str:
        """Return 256 random bits."""
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: Request) -> None:
        """Remember a code and the grant that it opens."""
        parts, data = self.server.parts, request.payload.data
        now, signed_in = parts.clock.now(), self.server.signed_in
        grant = Grant(
            id=random_id(),
            client_id=request.client.client_id,
            sub=request.user.sub,
            session_hash=signed_in.id_hash,
            sid=tokens.session_id(parts, request.client.client_id, signed_in.id_hash),
            acr=getattr(signed_in, "acr", tokens.ACR),
            amr=getattr(signed_in, "amr", tokens.AMR),
            scope=request.scope,
            resources=request.payload.datalist["resource"],
            auth_time=signed_in.auth_time,
            expires_at=now + timedelta(seconds=parts.settings.refresh_life_s),
            revoked_at=None,
        )
        self.server.session.add(grant)
        self.server.session.flush()
        self.server.session.add(
            Code(
                code_hash=fingerprint(code),
                grant_id=grant.id,
                redirect_uri=request.payload.redirect_uri,
                nonce=data.get("nonce"),
                code_challenge=data["code_challenge"],
                expires_at=now + timedelta(seconds=parts.settings.code_life_s),
                used_at=None,
            )
        )
        self.server.session.flush()

    def query_authorization_code(self, code: str, client: Client) -> CodeInHand | None:
        """Claim the code; from here on it is spent, even when the rest of the request is wrong."""
        row = store.take_code(
            self.server.session, code, client.client_id, self.server.parts.clock.now()
        )
        if row is None or store.is_revoked(self.server.session, row.grant_id):
            return None
        grant = store.get(self.server.session, row.grant_id)
        return CodeInHand(grant, row.redirect_uri, row.code_challenge, row.nonce)

    def delete_authorization_code(self, authorization_code: CodeInHand) -> None:
        """Keep the row: it tells a second use from a code that never was."""

    def authenticate_user(self, authorization_code: CodeInHand) -> Person | None:
        """Return the person whose sign-in the code stands for."""
        return people.by_subject(self.server.session, authorization_code.grant.sub)

    def generate_token(
        self, user: Person, scope: str, include_refresh_token: bool
    ) -> dict[str, Any]:
        """Return the token answer; without ``resource`` the token is for userinfo."""
        request, session = self.request, self.server.session
        grant: Grant = request.authorization_code.grant
        aud = tokens.audience(
            request.payload.datalist["resource"], grant.resources, default=scopes.OWN_AUDIENCE
        )
        answer = _answer(
            self.server.parts, request.client, tokens.scope_for(scope, aud), aud, user, grant
        )
        if include_refresh_token:
            answer["refresh_token"] = secrets.token_urlsafe(32)
            store.add_refresh_token(session, answer["refresh_token"], grant.id)
        return answer


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """Refresh (RFC 6749 section 6): rotated, reuse detected, and safe against lost answers."""

    TOKEN_ENDPOINT_AUTH_METHODS = BASIC
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshInHand | None:
        """Find the token; nothing is taken before the rest of the request is known to be right."""
        session, parts = self.server.session, self.server.parts
        row = store.find_refresh_token(session, refresh_token, self.request.client.client_id)
        if row is None:
            return None
        grant = store.get(session, row.grant_id)
        if grant.revoked_at is not None or parts.clock.now() >= grant.expires_at:
            return None
        key = parts.vault.key_for("refresh")
        digest = hmac.new(key, refresh_token.encode("utf-8", "replace"), hashlib.sha256).digest()
        return RefreshInHand(row, grant, base64.urlsafe_b64encode(digest).decode().rstrip("="))

    def authenticate_user(self, refresh_token: RefreshInHand) -> Person | None:
        """Return the person whose sign-in the token goes on with."""
        return people.by_subject(self.server.session, refresh_token.grant.sub)

    def issue_token(self, user: Person, refresh_token: RefreshInHand) -> dict[str, Any]:
        """Return the token answer with the successor, or refuse and revoke after reuse."""
        request, parts, grant = self.request, self.server.parts, refresh_token.grant
        aud = tokens.audience(
            request.payload.datalist["resource"], grant.resources, default=scopes.OWN_AUDIENCE
        )
        scope = tokens.scope_for(request.payload.scope or grant.scope, aud)
        if not store.rotate(
            self.server.session,
            refresh_token.row,
            refresh_token.successor,
            parts.clock.now(),
            timedelta(seconds=parts.settings.refresh_retry_s),
        ):
            raise InvalidGrantError("This refresh token was used before. Sign in again.")
        answer = _answer(parts, request.client, scope, aud, user, grant)
        return answer | {"refresh_token": refresh_token.successor}

    def revoke_old_credential(self, refresh_token: RefreshInHand) -> None:
        """Have nothing left to do: the rotation took it."""


class ClientCredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials (RFC 6749 section 4.4): a system acts for itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = BASIC

    def generate_token(self, scope: str | None, include_refresh_token: bool) -> dict[str, Any]:
        """Return the token answer: the scopes asked for, or all that the client has there."""
        client: Client = self.request.client
        aud = tokens.audience(self.request.payload.datalist["resource"], [], default=None)
        wanted = scopes.allowed(scope, client.scopes) if scope else " ".join(client.scopes)
        if wanted is None:
            raise InvalidScopeError("The client may not ask for one of these scopes.")
        return _answer(self.server.parts, client, tokens.scope_for(wanted, aud), aud, None, None)


def _answer(
    parts: Parts, client: Client, scope: str, aud: str, person: Person | None, grant: Grant | None
) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token(parts, client, scope, aud, person, grant),
        "token_type": "Bearer",
        "expires_in": parts.settings.access_token_life_s,
        "scope": scope,
    }


def _check_extensions(grant: CodeGrant, _result: None) -> None:
    data = grant.request.payload.data
    if "request" in data:
        raise RequestNotSupportedError()
    if "request_uri" in data:
        raise RequestUriNotSupportedError()
    if data.get("response_mode", "query") != "query":
        raise InvalidRequestError("The only response_mode is query.")
    if not data.get("max_age", "0").isdecimal() or len(data.get("max_age", "0")) > 9:
        raise InvalidRequestError("max_age must be a number of seconds.")
    for resource in grant.request.payload.datalist["resource"]:
        if resource not in scopes.AUDIENCES:
            raise InvalidTarget("There is no such resource. Use urn:atoll:<service>.")
