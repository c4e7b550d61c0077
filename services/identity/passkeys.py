"""Passkeys (WebAuthn level 3): challenges bound to one browser and used once; py_webauthn verifies.

A challenge is not stored when it is made. It carries its own end and a code that only this
platform can compute for this browser; its use is written down. So a page view writes nothing.
"""

import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, exceptions, options_to_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

LIFE = timedelta(minutes=15)  # how long a page with a challenge may stay open
NAME = "Atoll"
LONGEST_ANSWER = 16_384
_NONCE, _TIME, _CODE = 16, 8, 16
_UNUSABLE = (exceptions.WebAuthnException, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Given:
    """A new passkey as the device made it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    device_bound: bool


@dataclass(frozen=True)
class Answer:
    """A passkey's answer to a challenge, not yet verified."""

    credential: dict[str, Any]
    credential_hash: str
    user: str | None  # the subject that the device keeps beside the key
    challenge: bytes


@dataclass(frozen=True)
class Spent:
    """What to write down so that a challenge is never answered twice."""

    digest: str
    expires_at: datetime


def relying_party(public_url: str) -> str | None:
    """Return the name that passkeys are bound to, or None: an address of digits cannot have any."""
    host = urlsplit(public_url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or None
    return None


class Passkeys:
    """Makes the options for a browser's passkey dialogue and judges what comes back."""

    def __init__(self, public_url: str, key: bytes) -> None:
        public = urlsplit(public_url)
        self._origin = f"{public.scheme}://{public.netloc}"
        self._key = key
        self.rp_id = relying_party(public_url)

    def to_add(
        self, browser: str, sub: str, username: str, name: str, have: Iterable[bytes], now: datetime
    ) -> str | None:
        """Return the options for a new passkey as JSON, or None where there can be none."""
        if self.rp_id is None:
            return None
        options = webauthn.generate_registration_options(
            rp_id=self.rp_id,
            rp_name=NAME,
            user_id=sub.encode(),
            user_name=username,
            user_display_name=name,
            challenge=self._challenge(browser, "add", now),
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in have],
        )
        return options_to_json(options)

    def to_sign_in(self, browser: str, now: datetime) -> str | None:
        """Return the options for a sign-in without a user name as JSON, or None."""
        if self.rp_id is None:
            return None
        options = webauthn.generate_authentication_options(
            rp_id=self.rp_id,
            challenge=self._challenge(browser, "sign-in", now),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def added(
        self, browser: str, text: str, now: datetime, spend: Callable[[Spent], bool]
    ) -> Given | None:
        """Return the new passkey that a browser answered with, or None when the answer is wrong."""
        answer = read(text)
        if answer is None or not self._is_ours(browser, "add", answer.challenge, now, spend):
            return None
        try:
            verified = webauthn.verify_registration_response(
                credential=answer.credential,
                expected_challenge=answer.challenge,
                expected_rp_id=str(self.rp_id),
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except _UNUSABLE:
            return None
        return Given(
            verified.credential_id,
            verified.credential_public_key,
            verified.sign_count,
            verified.credential_device_type == CredentialDeviceType.SINGLE_DEVICE,
        )

    def used(
        self,
        browser: str,
        answer: Answer,
        public_key: bytes,
        sign_count: int,
        now: datetime,
        spend: Callable[[Spent], bool],
    ) -> int | None:
        """Return a passkey's new counter when it answered rightly, or None."""
        if not self._is_ours(browser, "sign-in", answer.challenge, now, spend):
            return None
        try:
            return webauthn.verify_authentication_response(
                credential=answer.credential,
                expected_challenge=answer.challenge,
                expected_rp_id=str(self.rp_id),
                expected_origin=self._origin,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            ).new_sign_count
        except _UNUSABLE:
            return None

    def _challenge(self, browser: str, use: str, now: datetime) -> bytes:
        ends = int((now + LIFE).timestamp())
        start = secrets.token_bytes(_NONCE) + ends.to_bytes(_TIME, "big")
        return start + self._code(browser, use, start)

    def _code(self, browser: str, use: str, start: bytes) -> bytes:
        message = f"{browser}\n{use}\n".encode() + start
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_CODE]

    def _is_ours(
        self,
        browser: str,
        use: str,
        challenge: bytes,
        now: datetime,
        spend: Callable[[Spent], bool],
    ) -> bool:
        start, code = challenge[: _NONCE + _TIME], challenge[_NONCE + _TIME :]
        if (
            self.rp_id is None
            or not browser
            or not hmac.compare_digest(self._code(browser, use, start), code)
        ):
            return False
        ends = datetime.fromtimestamp(int.from_bytes(start[_NONCE:], "big"), UTC)
        return now < ends and spend(Spent(hashlib.sha256(challenge).hexdigest(), ends))


def read(text: str) -> Answer | None:
    """Read what a browser sent, or return None when it is not an answer of a passkey."""
    if len(text) > LONGEST_ANSWER:
        return None
    try:
        credential = json.loads(text)
        response = credential["response"]
        challenge = json.loads(base64url_to_bytes(response["clientDataJSON"]))["challenge"]
        handle = response.get("userHandle")
        return Answer(
            credential,
            credential_hash(base64url_to_bytes(credential["id"])),
            base64url_to_bytes(handle).decode() if handle else None,
            base64url_to_bytes(challenge),
        )
    except (*_UNUSABLE, RecursionError):
        return None


def credential_hash(credential_id: bytes) -> str:
    """Return what a passkey is found by."""
    return hashlib.sha256(credential_id).hexdigest()
