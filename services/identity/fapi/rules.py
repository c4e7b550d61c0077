"""What the profile asks of a client, apart from any request."""

import re

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError

from services.identity.protocol.request import Parameters
from services.identity.storage.tables import Client

FAPI2 = "fapi2"
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


def is_strict(client: Client) -> bool:
    """Whether the client lives by FAPI 2.0."""
    return client.profile == FAPI2


def check_client(client: Client) -> None:
    """Refuse a strict client that is registered for a shared secret, or for weak ID tokens."""
    if not is_strict(client):
        return
    if client.auth_method != "private_key_jwt":
        raise UnauthorizedClientError("A client of the profile fapi2 must use private_key_jwt.")
    if client.id_token_alg == "RS256":  # noqa: S105 (a name; FAPI 2.0 section 5.4.1)
        raise UnauthorizedClientError("A client of the profile fapi2 must take ES256 ID tokens.")


def check_dpop_jkt(values: Parameters) -> None:
    """Refuse a dpop_jkt that cannot be a thumbprint (RFC 9449 section 10)."""
    if not _THUMBPRINT.fullmatch(values.get("dpop_jkt", "x" * 43)):
        raise InvalidRequestError("dpop_jkt must be the SHA-256 thumbprint of a key (RFC 7638).")
