"""Who a token speaks of: the pairwise subject of a person for one sector (OIDC Core 8.1)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,20}")


def pairwise(key: bytes, sector: str, subject: str) -> str:
    """Return the subject that one sector knows a person by; no two sectors can compare theirs."""
    message = f"{sector}\n{subject}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def sector_of(client_id: str, redirect_uris: Iterable[str]) -> str:
    """Return the sector of a client that names none: the one host of its redirect addresses.

    A client without a host, with several, or on the loopback of whoever runs it is its own sector.
    """
    hosts = {urlsplit(address).hostname for address in redirect_uris}
    host = hosts.pop() if len(hosts) == 1 else None
    return client_id if host is None or host in _LOOPBACK else host


def is_client_id(text: str) -> bool:
    """Whether a text can be a client id: 2 to 21 of ``a-z 0-9 -``.

    A person's subject always has 22 characters, so no client can ever bear one
    (RFC 9700 section 4.15).
    """
    return _CLIENT_ID.fullmatch(text) is not None
