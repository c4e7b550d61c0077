"""Who a token speaks of: the pairwise subject of a person for one client (OIDC Core 8.1)."""

import base64
import hashlib
import hmac
import re

_CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,20}")


def pairwise(key: bytes, client_id: str, subject: str) -> str:
    """Return the subject that one client knows a person by; no two clients can compare theirs."""
    message = f"{client_id}\n{subject}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_client_id(text: str) -> bool:
    """Whether a text can be a client id: 2 to 21 of ``a-z 0-9 -``.

    A person's subject always has 22 characters, so no client can ever bear one
    (RFC 9700 section 4.15).
    """
    return _CLIENT_ID.fullmatch(text) is not None
