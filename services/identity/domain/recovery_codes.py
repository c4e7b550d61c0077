"""Recovery codes: ten on paper, each stands in once for the one-time code."""

import hashlib
import hmac
import re
import secrets

COUNT = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_GROUPS, _LENGTH = 3, 4


def new() -> list[str]:
    """Return ten new codes of 59 random bits: ``k7wm-3fhq-x2cv``."""
    return [one() for _ in range(COUNT)]


def one() -> str:
    """Return one new code."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def plain(text: str) -> str:
    """Return a code as it is compared: without spaces and dashes, in small letters."""
    return re.sub(r"[\s\-\u2010-\u2015]", "", text).lower()


def is_one(text: str) -> bool:
    """Whether a text can be a recovery code; one-time codes have digits alone."""
    return re.fullmatch(f"[{_LETTERS}]{{{_GROUPS * _LENGTH}}}", plain(text)) is not None


def keyed(key: bytes, owner: str, code: str) -> str:
    """Return what is stored of a short code: worthless without the key, and for anybody else."""
    message = f"{owner}\n{plain(code)}".encode("utf-8", "replace")
    return hmac.new(key, message, hashlib.sha256).hexdigest()
