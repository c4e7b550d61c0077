"""Starting a sign-in: state, nonce, code verifier (RFC 7636, OpenID Connect Core 3.1.2.1)."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class SignInRequest:
    """What a sign-in must remember until the person comes back."""

    state: str
    nonce: str
    verifier: str


def fresh() -> SignInRequest:
    """Return three unguessable values of 256 bits."""
    return SignInRequest(*(secrets.token_urlsafe(32) for _ in range(3)))


def challenge(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorize_address(
    issuer: str, client_id: str, redirect_uri: str, scope: str, request: SignInRequest, locale: str
) -> str:
    """Return where to send the browser so that the person signs in."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": challenge(request.verifier),
        "code_challenge_method": "S256",
        "ui_locales": locale,
    }
    return f"{issuer}/authorize?{urlencode(query)}"


def safe_return(path: str | None) -> str:
    """Return a path of this platform to go back to, or the start page for anything else."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "/"
    if any(ord(c) <= 32 or ord(c) == 127 for c in path):
        return "/"
    parts = urlsplit(path)
    own = parts.path == "/" or parts.path.startswith("/portal/")
    return path if own and not parts.scheme and not parts.netloc else "/"
