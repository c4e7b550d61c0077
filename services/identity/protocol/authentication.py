"""How clients prove who they are (RFC 6749 section 2.3, RFC 7523): one way each, never two."""

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from flask import Request

from services.identity.domain.digests import fingerprint, random_id
from services.identity.parts import Parts
from services.identity.protocol import assertions
from services.identity.protocol.request import Parameters
from services.identity.storage.tables import Client

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
_NOBODYS = fingerprint(random_id())


def authenticate(parts: Parts, http: Request, form: Parameters) -> Client:
    """Return the client that the request proves to come from.

    Unknown clients, wrong secrets and a method that is not the client's cost the same and end in
    the same error. A header that cannot be read is no client, never a fault of ours.
    """
    header = http.headers.get("Authorization")
    is_assertion = "client_assertion" in form or "client_assertion_type" in form
    if sum((bool(header), "client_secret" in form, is_assertion)) > 1:
        raise InvalidRequestError("Authenticate in one way: by header, by secret or by assertion.")
    if is_assertion:
        client = assertions.client_of(parts, http, form)
        if client is None:
            raise _unknown()
        return client
    if header is not None:
        method, (client_id, secret) = METHODS[0], _basic(header)
    elif "client_secret" in form:
        method, client_id, secret = METHODS[1], form.get("client_id", ""), form["client_secret"]
    elif "client_id" in form:
        method, client_id, secret = METHODS[3], form["client_id"], ""
    else:
        raise _unknown()
    client = _proved(parts, parts.clients.find(client_id), method, secret)
    client = client or _proved(parts, parts.clients.find_anew(client_id), method, secret)
    if client is None:
        raise _unknown()
    if form.get("client_id", client_id) != client_id:
        raise InvalidRequestError("client_id is not the one in the Authorization header.")
    return client


def _proved(parts: Parts, client: Client | None, method: str, secret: str) -> Client | None:
    """Return the client if this is its method and its secret, or the one it had until lately."""
    fits = client is not None and client.auth_method == method
    if method == METHODS[3]:
        return client if fits else None
    stored = client.secret_hash if client and fits else None
    former = client.former_secret_hash if client and fits else None
    until = client.former_secret_until if client else None
    given = fingerprint(secret)
    is_present = hmac.compare_digest(given, stored or _NOBODYS)
    is_former = hmac.compare_digest(given, former or _NOBODYS)
    lives_on = until is not None and parts.clock.now() < until
    return client if is_present or (is_former and lives_on) else None


def _unknown() -> InvalidClientError:
    return InvalidClientError(
        status_code=401, description="The client is not known or did not prove who it is."
    )


def _basic(header: str) -> tuple[str, str]:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
