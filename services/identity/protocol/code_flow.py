"""What Authlib decides at the authorization endpoint, and where we are stricter than it is."""

import secrets
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, grants
from authlib.oauth2.rfc7636 import CodeChallenge

from services.identity import words
from services.identity.domain import parameters, scopes
from services.identity.domain.digests import fingerprint, random_id
from services.identity.protocol import tokens
from services.identity.protocol.errors import InvalidTarget
from services.identity.protocol.request import Request
from services.identity.storage.tables import Client, Code, Grant

PROMPTS = frozenset({"none", "login", "consent", "select_account"})


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


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code (RFC 6749 section 4.1); codes are redeemed in ``grants.py``."""

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
            acr=signed_in.acr,
            amr=signed_in.amr,
            acr_reason=self.server.acr_reason(),
            scope=self.server.granted_scope(),
            purpose=self.server.purpose(),
            resources=request.payload.datalist["resource"],
            auth_time=signed_in.auth_time,
            expires_at=now + timedelta(seconds=parts.settings.refresh_life_s),
            revoked_at=None,
        )
        parts.profile.bind_grant(self.server.session, grant, data)
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


def _check_extensions(grant: CodeGrant, _result: None) -> None:
    data = grant.request.payload.data
    if data.get("response_mode", "query") != "query":
        raise InvalidRequestError("The only response_mode is query.")
    if not data.get("max_age", "0").isdecimal() or len(data.get("max_age", "0")) > 9:
        raise InvalidRequestError("max_age must be a number of seconds.")
    prompts = data.get("prompt", "").split()
    if not PROMPTS.issuperset(prompts) or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError(f"prompt can be {', '.join(sorted(PROMPTS))}; none stands alone.")
    if not words.is_purpose(data.get("purpose", "sign-in")):
        raise InvalidRequestError("There is no such purpose. The purposes catalogue lists them.")
    for resource in grant.request.payload.datalist["resource"]:
        if resource not in scopes.AUDIENCES:
            raise InvalidTarget("There is no such resource. Use urn:atoll:<service>.")
    grant.server.parts.profile.check_authorization(grant.request.client, data)
