"""The authorization server: Authlib's, bound to one request and one transaction."""

from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError
from authlib.oidc.core.errors import LoginRequiredError
from flask import Request as FlaskRequest
from flask import Response, json
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from services.identity.domain import parameters, redirects
from services.identity.parts import Parts
from services.identity.problems import AuthorizationRefused
from services.identity.protocol import clients as client_authentication
from services.identity.protocol.grants import (
    S256,
    ClientCredentialsGrant,
    CodeGrant,
    OpenID,
    RefreshGrant,
)
from services.identity.protocol.request import Parameters, Request, parameters_of
from services.identity.storage import clients, people
from services.identity.storage.tables import Client, Person, SignInSession


class Server(AuthorizationServer):  # type: ignore[misc]
    """Answers one request at the authorization or token endpoint."""

    def __init__(
        self, parts: Parts, session: Session, request: Request, signed_in: SignInSession | None
    ) -> None:
        super().__init__()
        self.parts, self.session, self.request, self.signed_in = parts, session, request, signed_in
        self.register_client_auth_method("client_secret_basic", client_authentication.authenticate)
        self.register_grant(CodeGrant, [S256(required=True), OpenID(parts)])
        self.register_grant(RefreshGrant)
        self.register_grant(ClientCredentialsGrant)

    def query_client(self, client_id: str) -> Client | None:
        """Return the enabled client with this id."""
        return clients.find(self.session, client_id)

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        """Have nothing to save: access tokens are signed, refresh tokens are rows already."""

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

    def token_response(self, flask_request: FlaskRequest) -> Response:
        """Answer a token request; the header Atoll-Caller tells the gateway who asked."""
        fault = _token_fault(flask_request, self.request.payload.datalist)
        if fault is not None:
            return self._refuse(InvalidRequestError(fault))
        response: Response = self.create_token_response()
        if self.request.client is not None:
            response.headers["Atoll-Caller"] = self.request.client.client_id
        return response

    def authorization_response(self) -> Response | None:
        """Answer an authorization request, or return None when the person must sign in first."""
        person = self._person()
        try:
            grant = self.get_consent_grant(end_user=person)
            if person is None or grant.prompt == "login" or self._is_too_old():
                if self.request.payload.data.get("prompt") == "none":
                    raise LoginRequiredError(
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
            return self._refuse(error)
        response: Response = self.create_authorization_response(grant_user=person, grant=grant)
        return response

    def _refuse(self, error: OAuth2Error) -> Response:
        response: Response = self.handle_error_response(self.request, error)
        return response

    def _person(self) -> Person | None:
        if self.signed_in is None:
            return None
        return people.by_subject(self.session, self.signed_in.sub)

    def _is_too_old(self) -> bool:
        max_age = self.request.payload.data.get("max_age")
        if max_age is None or self.signed_in is None:
            return False
        now: datetime = self.parts.clock.now()
        return now - self.signed_in.auth_time > timedelta(seconds=int(max_age))


def token_request(parts: Parts, request: FlaskRequest) -> Request:
    """Return a token request as Authlib reads it: the form and nothing else."""
    return _read(parts, request, parameters_of(request.form))


def authorization_request(parts: Parts, request: FlaskRequest, values: Parameters) -> Request:
    """Return an authorization request as Authlib reads it."""
    return _read(parts, request, values)


def _read(parts: Parts, request: FlaskRequest, values: Parameters) -> Request:
    return Request(request.method, parts.settings.public_url, request.path, request.headers, values)


def _token_fault(request: FlaskRequest, values: dict[str, list[str]]) -> str | None:
    if request.args:
        return "Send the parameters in the body, never in the address."
    if request.mimetype != "application/x-www-form-urlencoded":
        return "Send a form: Content-Type: application/x-www-form-urlencoded."
    if "grant_type" not in values:
        return "grant_type is missing."
    return parameters.fault(values)
