"""The token endpoint (RFC 6749 section 3.2): who asks, by what grant; errors in its shape."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from flask import Request, Response, json
from sqlalchemy.orm import Session

from services.identity import teaching
from services.identity.domain import parameters
from services.identity.parts import Parts
from services.identity.protocol import authentication, grants
from services.identity.protocol.request import Parameters, parameters_of
from services.identity.storage.tables import Client

FORM = "application/x-www-form-urlencoded"


@dataclass
class TokenRequest:
    """A token request whose client is known."""

    parts: Parts
    http: Request
    form: Parameters
    client: Client
    confirmation: Mapping[str, str] | None = field(default=None)

    @property
    def resources(self) -> list[str]:
        """The services that the token is asked for (RFC 8707)."""
        return self.form.getlist("resource")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction in which a refusal undoes nothing: what was claimed stays spent."""
        refusal: OAuth2Error | None = None
        with self.parts.database.transaction() as session:
            try:
                yield session
            except OAuth2Error as error:
                refusal = error
        if refusal is not None:
            raise refusal


Answer = Callable[[Parts, Request, Parameters, Client], Mapping[str, Any] | None]


def token(parts: Parts, http: Request) -> Response:
    """Answer a token request."""

    def answer(parts: Parts, http: Request, form: Parameters, client: Client) -> Mapping[str, Any]:
        name = form["grant_type"]
        grant = grants.GRANT_TYPES.get(name) or parts.profile.grant_types()[name]
        if not client.check_grant_type(name):
            raise UnauthorizedClientError(f"The client may not use this grant: {name}.")
        request = TokenRequest(parts, http, form, client)
        request.confirmation = parts.profile.confirmation(request)
        body = teaching.told(client, grant(request))
        parts.teaching.slow_token(client)
        return body

    return respond(parts, http, answer, check=_check_grant_type)


def respond(
    parts: Parts,
    http: Request,
    answer: Answer,
    check: Callable[[Parts, Parameters], None] = lambda parts, form: None,
) -> Response:
    """Answer a form that a client sends by itself; the header Atoll-Caller tells the gateway who.

    check: looks at the form before the client is asked who it is.
    """
    client = None
    try:
        form = form_of(http)
        check(parts, form)
        client = authentication.authenticate(parts, http, form)
        body = answer(parts, http, form, client)
        response = _json(200, body)
    except OAuth2Error as error:
        response = refusal(error)
    if client is not None:
        response.headers["Atoll-Caller"] = client.client_id
    return response


def form_of(http: Request) -> Parameters:
    """Return the form's parameters and nothing else; refuse what comes in another way or twice."""
    if http.args:
        raise InvalidRequestError("Send the parameters in the body, never in the address.")
    if http.mimetype != FORM:
        raise InvalidRequestError(f"Send a form: Content-Type: {FORM}.")
    form = parameters_of(http.form)
    if fault := parameters.fault(dict(form.lists())):
        raise InvalidRequestError(fault)
    return form


def refusal(error: OAuth2Error) -> Response:
    """Return an error as RFC 6749 section 5.2 writes it."""
    status, body, headers = error()
    response = _json(status, dict(body))
    response.headers.update(headers)
    return response


def _check_grant_type(parts: Parts, form: Parameters) -> None:
    name = form.get("grant_type")
    if name is None:
        raise InvalidRequestError("grant_type is missing.")
    if name not in grants.GRANT_TYPES and name not in parts.profile.grant_types():
        raise UnsupportedGrantTypeError(name if name.replace("_", "").isalnum() else "unknown")


def _json(status: int, body: Mapping[str, Any] | None) -> Response:
    response = Response(
        b"" if body is None else json.dumps(body), status, mimetype="application/json"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
