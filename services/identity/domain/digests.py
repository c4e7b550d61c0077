"""Fingerprints of random secrets: what is stored instead of codes, tokens and client secrets."""

import hashlib
import secrets

SUBJECT_LENGTH = 22  # 16 random bytes in base64url


def fingerprint(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hexadecimal.

    Enough for secrets of 128 random bits or more; passwords need argon2id instead.
    """
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def random_id() -> str:
    """Return a new random identifier of 22 characters (128 bits, base64url)."""
    return secrets.token_urlsafe(16)
