"""The authorization endpoint: Authlib's server, bound to one request and one transaction."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from flask import Request as FlaskRequest
from flask import Response, json
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from services.identity import teaching
from services.identity.domain import redirects
from services.identity.domain.agreements import Permission
from services.identity.domain.assurance import suffices, unreached
from services.identity.parts import Parts
from services.identity.problems import AuthorizationRefused
from services.identity.protocol import consent
from services.identity.protocol.code_flow import S256, CodeGrant
from services.identity.protocol.errors import UnmetAuthentication
from services.identity.protocol.request import Parameters, Request
from services.identity.storage import clients, people
from services.identity.storage.tables import Client, Person, SignInSession


class Wants(StrEnum):
    """What must happen on a page before an authorization request can be answered."""

    SIGN_IN = "sign-in"  # nobody is signed in, or not newly enough
    STEP_UP = "step-up"  # somebody is, but not strongly enough for acr_values
    CONSENT = "consent"  # the person has not agreed to this yet


_REFUSALS = {
    Wants.SIGN_IN: LoginRequiredError,
    Wants.STEP_UP: UnmetAuthentication,
    Wants.CONSENT: ConsentRequiredError,
}


class Server(AuthorizationServer):  # type: ignore[misc]
    """Answers one request at the authorization endpoint; ``wants`` says why it could not yet."""

    def __init__(
        self, parts: Parts, session: Session, request: Request, signed_in: SignInSession | None
    ) -> None:
        super().__init__()
        self.parts, self.session, self.request, self.signed_in = parts, session, request, signed_in
        self.wants: Wants | None = None
        self.register_grant(CodeGrant, [S256(required=True)])

    def query_client(self, client_id: str) -> Client | None:
        """Return the enabled client with this id."""
        return clients.find(self.session, client_id)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody."""

    def create_oauth2_request(self, request: object) -> Request:
        """Return the one request this server was made for."""
        return self.request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """Return Authlib's answer; a redirect names the issuer (RFC 9207) and is a GET (303)."""
        response = Response(json.dumps(body) if isinstance(body, dict) else body, status)
        response.headers.update(Headers(headers))
        if location := response.headers.get("Location"):
            response.status_code = 303
            response.headers["Location"] = redirects.with_parameters(
                location, [("iss", self.parts.settings.issuer)]
            )
        return response

    def authorization_response(
        self, *, fresh: bool = False, agreed: bool | None = None
    ) -> Response | None:
        """Answer an authorization request, or return None when a page must be shown first.

        fresh: the person has signed in for this very request, which meets prompt and max_age; an
        assurance that the sign-in did not reach is then simply not claimed (OIDC Core 5.5.1.1).
        agreed: what the person has just answered on the consent page; None: was not asked.
        """
        person = self._person()
        try:
            self._take_parameters()
            grant = self.get_consent_grant(end_user=person)
            self.wants = self._wanted(fresh) or self._wanted_of_person(agreed)
            if self.wants is not None:
                if "none" in self._prompts():
                    raise _REFUSALS[self.wants](
                        redirect_uri=grant.redirect_uri, state=self.request.payload.state
                    )
                return None
        except OAuth2Error as error:
            if error.redirect_uri is None:
                raise AuthorizationRefused(
                    "The service that sent you here asked in a way that identity does not accept, "
                    "so nothing was shared. Go back and try again, or tell the service: "
                    f"{error.error}: {error.get_error_description()}"
                ) from None
            response: Response = self.handle_error_response(self.request, error)
        else:
            user = None if teaching.denies(self.request.client) or agreed is False else person
            response = self.create_authorization_response(grant_user=user, grant=grant)
        return response

    def _take_parameters(self) -> None:
        """Let the profile say what the request stands for; its refusal goes back to the client."""
        asked = self.request
        try:
            asked.replace(self.parts.profile.parameters(self.session, asked.payload.data))
        except OAuth2Error as error:
            client = self.query_client(asked.payload.client_id)
            address = asked.payload.redirect_uri
            if client is not None and address and client.check_redirect_uri(address):
                error.redirect_uri, error.state = address, asked.payload.state
            raise

    def _wanted(self, fresh: bool) -> Wants | None:
        if self.signed_in is None or self.request.user is None:
            return Wants.SIGN_IN
        if fresh:
            return None
        if {"login", "select_account"}.intersection(self._prompts()) or self._is_too_old():
            return Wants.SIGN_IN
        levels = self.request.payload.data.get("acr_values", "").split()
        return None if suffices(self.signed_in.acr, levels) else Wants.STEP_UP

    def _wanted_of_person(self, agreed: bool | None) -> Wants | None:
        """Whether the person must be asked: not for own clients, nor for what they agreed to."""
        client, person = self.request.client, self.request.user
        if client.first_party or agreed is False or teaching.denies(client):
            return None
        missing = not self.permission().covers(consent.asked(client, person, self.request.scope))
        if agreed:
            return Wants.CONSENT if not self.granted_scope() else None
        return Wants.CONSENT if missing or "consent" in self._prompts() else None

    def permission(self) -> Permission:
        """Return what the client may have of the person by the agreement in force."""
        return consent.permission(
            self.session,
            self.request.client,
            self.request.user.sub,
            consent.purpose_of(self.request.payload.data),
            self.parts.clock.now(),
        )

    def granted_scope(self) -> str:
        """Return those of the scopes asked for that the person agreed to."""
        return self.permission().scope(self.request.scope)

    def purpose(self) -> str | None:
        """Return the purpose of the agreement that the grant rests on; None: it needs none."""
        own = self.request.client.first_party
        return None if own else consent.purpose_of(self.request.payload.data)

    def acr_reason(self) -> str | None:
        """Return why the level that was asked for is not reached; None when it is."""
        levels = self.request.payload.data.get("acr_values", "").split()
        if self.signed_in is None or suffices(self.signed_in.acr, levels):
            return None
        return str(unreached(self.request.user.identity_level, levels))

    def _prompts(self) -> list[str]:
        prompts: list[str] = self.request.payload.data.get("prompt", "").split()
        return prompts

    def _person(self) -> Person | None:
        if self.signed_in is None:
            return None
        return people.by_subject(self.session, self.signed_in.sub)

    def _is_too_old(self) -> bool:
        max_age = self.request.payload.data.get("max_age")
        if max_age is None or self.signed_in is None:
            return False
        age: timedelta = self.parts.clock.now() - self.signed_in.auth_time
        return age > timedelta(seconds=int(max_age))


def authorization_request(parts: Parts, request: FlaskRequest, values: Parameters) -> Request:
    """Return an authorization request as Authlib reads it."""
    return Request(request.method, parts.settings.public_url, request.path, request.headers, values)
