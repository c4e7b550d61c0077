"""Setting up an authenticator app: a new secret, its address and the picture to scan."""

import base64
import binascii
from dataclasses import dataclass

import pyotp
import segno
from cryptography.exceptions import InvalidTag
from markupsafe import Markup

from services.identity.vault import Vault

ISSUER = "Atoll"
_GROUP = 4


@dataclass(frozen=True)
class SetUp:
    """What the page shows once: the secret as text and as a picture, and the sealed copy."""

    secret: str
    picture: Markup
    sealed: str

    @property
    def spaced(self) -> str:
        """The secret in groups of four, for people who type it."""
        parts = range(0, len(self.secret), _GROUP)
        return " ".join(self.secret[at : at + _GROUP] for at in parts)


def begin(vault: Vault, browser: str, username: str, sealed: str = "") -> SetUp:
    """Return a new set-up, or the one that this browser began when its sealed copy comes back."""
    secret = unseal(vault, browser, sealed) or pyotp.random_base32()
    address = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)
    picture = segno.make(address, error="m").svg_inline(
        scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )
    closed = base64.urlsafe_b64encode(vault.seal(secret, _owner(browser))).decode()
    return SetUp(secret, Markup(picture), closed)  # noqa: S704 (segno's drawing, no text in it)


def unseal(vault: Vault, browser: str, sealed: str) -> str | None:
    """Return the secret that this browser was shown, or None when it was not given any."""
    try:
        return vault.open(base64.urlsafe_b64decode(sealed.encode()), _owner(browser))
    except (InvalidTag, binascii.Error, ValueError):
        return None


def _owner(browser: str) -> str:
    return f"authenticator:{browser}"
