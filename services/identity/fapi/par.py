"""Pushed authorization requests (RFC 9126): the client sends them itself, before the browser."""

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc9101.errors import RequestNotSupportedError
from flask import Request as FlaskRequest
from flask import Response
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from servicekit.clock import Clock
from services.identity.fapi.proofs import InvalidDpopProof, client_key
from services.identity.fapi.rules import check_client, check_dpop_jkt
from services.identity.parts import Parts
from services.identity.protocol import token_endpoint
from services.identity.protocol.request import Parameters, Request
from services.identity.protocol.server import Server
from services.identity.storage import pushed
from services.identity.storage.tables import Client

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFE = timedelta(seconds=60)
_URI = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")
_PROVES_THE_CLIENT = ("client_secret", "client_assertion", "client_assertion_type")


def push(parts: Parts, http: FlaskRequest) -> Response:
    """Answer a pushed request with the address that stands for it."""
    response = token_endpoint.respond(parts, http, _keep)
    if response.status_code == 200:
        response.status_code = 201  # RFC 9126 section 2.2
    return response


def _keep(parts: Parts, http: FlaskRequest, form: Parameters, client: Client) -> Mapping[str, Any]:
    check_client(client)
    if "request" in form:
        raise RequestNotSupportedError()
    if "request_uri" in form:
        raise InvalidRequestError("Send the request itself here, not a request_uri.")
    values: Parameters = MultiDict(
        [pair for pair in form.items(multi=True) if pair[0] not in _PROVES_THE_CLIENT]
    )
    values["client_id"] = client.client_id
    check_dpop_jkt(values)
    proven = client_key(parts, http)
    if proven is not None:
        if values.get("dpop_jkt", proven) != proven:
            raise InvalidDpopProof("The proof is signed with another key than dpop_jkt names.")
        values["dpop_jkt"] = proven
    uri = PREFIX + secrets.token_urlsafe(32)
    with parts.database.transaction() as session:
        _check(parts, session, http, MultiDict([*values.items(multi=True), ("request_uri", uri)]))
        pushed.keep(session, uri, client.client_id, dict(values.lists()), parts.clock.now(), LIFE)
    return {"request_uri": uri, "expires_in": int(LIFE.total_seconds())}


def _check(parts: Parts, session: Session, http: FlaskRequest, values: Parameters) -> None:
    """Apply every rule of the authorization endpoint; errors go to the client, never elsewhere."""
    asked = Request("POST", parts.settings.public_url, http.path, http.headers, values)
    try:
        Server(parts, session, asked, None).get_consent_grant(end_user=None)
    except OAuth2Error as error:
        error.redirect_uri = error.state = None
        raise


def opened(session: Session, values: Parameters, clock: Clock) -> Parameters | None:
    """Return the pushed parameters that an authorization request stands for, or None.

    Whatever else the browser brought is ignored (RFC 9126 section 4, RFC 9101 section 6.3).
    """
    uri, client_id = values.getlist("request_uri"), values.getlist("client_id")
    if not (len(uri) == len(client_id) == 1 and _URI.fullmatch(uri[0])):
        return None
    found = pushed.open_for(session, uri[0], client_id[0], clock.now())
    if found is None:
        return None
    pairs = [(name, value) for name, given in found.items() for value in given]
    return MultiDict([*pairs, ("request_uri", uri[0])])
