"""The third access marker: calls signed with a notify key (HS256), as the official clients do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

import jwt
from flask import g, request

from servicekit import access
from services.notify.components import components
from services.notify.errors import AuthError
from services.notify.storage import services
from services.notify.storage.tables import ApiKey, Service
from services.notify.vault import Vault

F = TypeVar("F", bound=Callable[..., Any])
CLOCK_BOUND_S = 30
_ALGORITHM = "HS256"
_GENERAL = (
    "Invalid token: make sure your API token matches the example at "
    "https://docs.notifications.service.gov.uk/rest-api.html#authorisation-header"
)
_UNVERIFIED = {
    "verify_signature": False,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_SIGNATURE_ONLY = _UNVERIFIED | {"verify_signature": True}


@dataclass(frozen=True)
class Caller:
    """The service that signed the call, and with which type of key."""

    service: Service
    key_type: str

    @property
    def vault(self) -> Vault:
        """Return the vault that seals this service's recipients and texts."""
        return components().vault.of(self.service.id, self.service.sealed_key, self.service.keyring)


class NotifyKey:
    """Callers with a key of a notify service."""

    label = "notify key"

    def check(self) -> None:
        """Verify the bearer token as the notification API does (its messages, its order)."""
        text = _bearer(request.headers.get("Authorization"))
        service_id = _issuer(text)
        parts = components()
        now = parts.clock.now()
        with parts.database.snapshot() as session:
            service = services.find(session, service_id)
            if service is None:
                raise AuthError("Invalid token: service not found")
            keys = services.keys(session, service_id, now)
        if not keys:
            raise AuthError("Invalid token: service has no API keys")
        if not service.is_active:
            raise AuthError("Invalid token: service is archived")
        for key in keys:
            claims = _claims(text, parts.vault.open(f"api_key/{key.id}", key.sealed_secret))
            if claims is not None and "iat" in claims:
                _accept(claims, key, now.timestamp())
                g.notify_caller = Caller(service, key.key_type)
                return
        raise AuthError("Invalid token: API key not found")


def notify_key(view: F) -> F:
    """Mark a view that needs a call signed with a notify key."""
    return access.mark(NotifyKey())(view)


def caller() -> Caller:
    """Return who signed this call; only in views marked with ``notify_key``."""
    return cast(Caller, g.notify_caller)


def _bearer(header: str | None) -> str:
    if not header:
        raise AuthError("Unauthorized: authentication token must be provided", status=401)
    if header[:7].lower() != "bearer ":
        raise AuthError("Unauthorized: authentication bearer scheme must be used", status=401)
    return header[7:].strip()


def _issuer(text: str) -> str:
    try:
        claims = jwt.decode(text, options=_UNVERIFIED)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise AuthError(_GENERAL) from None
    if "iss" not in claims:
        raise AuthError("Invalid token: iss field not provided")
    try:
        return str(UUID(claims["iss"]))
    except (ValueError, AttributeError, TypeError):
        raise AuthError("Invalid token: service id is not the right data type") from None


def _claims(text: str, secret: str) -> dict[str, Any] | None:
    """Return the claims when this secret signed them, None when another one did."""
    try:
        return jwt.decode(text, secret, algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)  # type: ignore[arg-type]
    except jwt.InvalidAlgorithmError:
        raise AuthError("Invalid token: algorithm used is not HS256") from None
    except jwt.DecodeError:
        return None
    except (jwt.PyJWTError, ValueError):
        raise AuthError(_GENERAL) from None


def _accept(claims: dict[str, Any], key: ApiKey, now: float) -> None:
    issued_at = claims["iat"]
    # checked by hand: PyJWT takes a token of any age, and its clock is not ours
    if (
        isinstance(issued_at, bool)
        or not isinstance(issued_at, int | float)
        or not abs(int(now) - issued_at) <= CLOCK_BOUND_S
    ):
        raise AuthError("Error: Your system clock must be accurate to within 30 seconds")
    expiry = claims.get("exp", now)
    if "aud" in claims or not isinstance(expiry, int | float) or expiry < int(now):
        raise AuthError(_GENERAL)
    if key.revoked_at is not None:
        raise AuthError("Invalid token: API key revoked")
