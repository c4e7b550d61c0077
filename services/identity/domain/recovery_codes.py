"""Recovery codes: ten on paper, each stands in once for the one-time code."""

import hashlib
import hmac
import re
import secrets

COUNT = 10
_DIGITS = "0123456789"  # every keyboard and every script has them
_GROUPS, _LENGTH = 4, 4


def new() -> list[str]:
    """Return ten new codes of 53 random bits: ``4831-0927-5516-2208``."""
    return [one() for _ in range(COUNT)]


def one() -> str:
    """Return one new code."""
    groups = ("".join(secrets.choice(_DIGITS) for _ in range(_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def plain(text: str) -> str:
    """Return a code as it is compared: without spaces and dashes."""
    return re.sub(r"[\s\-\u2010-\u2015]", "", text)


def is_one(text: str) -> bool:
    """Whether a text can be a recovery code; one-time codes are shorter."""
    return re.fullmatch(f"[{_DIGITS}]{{{_GROUPS * _LENGTH}}}", plain(text)) is not None


def keyed(key: bytes, owner: str, code: str) -> str:
    """Return what is stored of a short code: worthless without the key, and for anybody else."""
    message = f"{owner}\n{plain(code)}".encode("utf-8", "replace")
    return hmac.new(key, message, hashlib.sha256).hexdigest()
