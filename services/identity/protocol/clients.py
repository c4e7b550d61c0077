"""How clients prove who they are: ``client_secret_basic`` (RFC 6749 section 2.3.1)."""

import base64
import binascii
import hmac
from collections.abc import Callable
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidRequestError

from services.identity.domain.digests import fingerprint, random_id
from services.identity.protocol.request import Request
from services.identity.storage.tables import Client

_NOBODY = fingerprint(random_id())


def authenticate(query: Callable[[str], Client | None], request: Request) -> Client | None:
    """Return the client whose id and secret the Authorization header carries, or None.

    Unknown clients and wrong secrets cost the same and end in the same error, which Authlib
    raises. A header that cannot be read is no client, never a fault of ours.
    """
    data = request.payload.data
    if "client_secret" in data or "client_assertion" in data:
        raise InvalidRequestError("Authenticate with HTTP Basic and with nothing else.")
    client_id, secret = _basic(request.headers.get("Authorization", ""))
    client = query(client_id)
    same = hmac.compare_digest(fingerprint(secret), (client and client.secret_hash) or _NOBODY)
    if client is None or not same:
        return None
    if data.get("client_id", client_id) != client_id:
        raise InvalidRequestError("client_id is not the one in the Authorization header.")
    return client


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
