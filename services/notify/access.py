"""The third access marker: calls signed with a notify key (HS256), as the official clients do."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import jwt
from flask import g, request

from servicekit import access
from services.notify.components import components
from services.notify.domain import credentials
from services.notify.errors import AuthError
from services.notify.storage import services
from services.notify.storage.tables import ApiKey, Service
from services.notify.vault import Vault

F = TypeVar("F", bound=Callable[..., Any])
CLOCK_BOUND_S = 30
_WHOLE_KEY = "apikey-v1 "
_USE_IS_NOTED_EVERY = timedelta(minutes=5)
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
    """The service that signed the call, and with which key."""

    service: Service
    key_type: str
    key_id: str = ""

    @property
    def vault(self) -> Vault:
        """Return the vault that seals this service's recipients and texts."""
        return components().vault.of(self.service.id, self.service.sealed_key, self.service.keyring)

    @property
    def lasting_vault(self) -> Vault:
        """Return the vault for what outlives messages: it never forgets a key."""
        return components().vault.of(self.service.id, self.service.sealed_key)


class NotifyKey:
    """Callers with a key of a notify service that allows what they do."""

    def __init__(self, scope: str) -> None:
        self.scope, self.label = scope, "notify key"

    def check(self) -> None:
        """Verify who calls as the notification API does (its messages, its order)."""
        header = request.headers.get("Authorization")
        if header and header[: len(_WHOLE_KEY)].lower() == _WHOLE_KEY:
            service, key = self._by_whole_key(header[len(_WHOLE_KEY) :].strip())
        else:
            service, key = self._by_signature(_bearer(header))
        self._permit(key)
        g.notify_caller = Caller(service, key.key_type, key.id)

    def _by_signature(self, text: str) -> tuple[Service, ApiKey]:
        service, keys = _keys(_issuer(text))
        parts = components()
        for key in keys:
            claims = _claims(text, parts.vault.open(f"api_key/{key.id}", key.sealed_secret))
            if claims is not None and "iat" in claims:
                _accept(claims, parts.clock.now().timestamp())
                _check_life(key)
                return service, key
        raise AuthError("Invalid token: API key not found")

    def _by_whole_key(self, text: str) -> tuple[Service, ApiKey]:
        """Find a key that was sent as it is, by callers who cannot sign."""
        try:
            service_id, secret = credentials.parts(text)
        except ValueError:
            raise AuthError(_GENERAL) from None
        service, keys = _keys(service_id)
        for key in keys:
            kept = components().vault.open(f"api_key/{key.id}", key.sealed_secret)
            if hmac.compare_digest(secret.encode(), kept.encode()):
                _check_life(key)
                return service, key
        raise AuthError("Invalid token: API key not found")

    def _permit(self, key: ApiKey) -> None:
        if not credentials.is_from(key.networks, request.headers.get("X-Forwarded-For", "")):
            raise AuthError("Invalid token: API key may not be used from this address")
        if not credentials.may(key.scopes, self.scope):
            raise AuthError(f"Invalid token: API key lacks the scope {self.scope}")
        parts = components()
        now = parts.clock.now()
        if key.last_used_at is None or now - key.last_used_at >= _USE_IS_NOTED_EVERY:
            with parts.database.transaction() as session:
                services.note_use(session, key.id, now)


def _keys(service_id: str) -> tuple[Service, list[ApiKey]]:
    parts = components()
    with parts.database.snapshot() as session:
        service = services.find(session, service_id)
        if service is None:
            raise AuthError("Invalid token: service not found")
        keys = services.keys(session, service_id, parts.clock.now())
    if not keys:
        raise AuthError("Invalid token: service has no API keys")
    if not service.is_active:
        raise AuthError("Invalid token: service is archived")
    return service, keys


def _check_life(key: ApiKey) -> None:
    if key.revoked_at is not None:
        raise AuthError("Invalid token: API key revoked")
    if key.expires_at is not None and key.expires_at <= components().clock.now():
        raise AuthError("Invalid token: API key expired")


def notify_key(view: F) -> F:
    """Mark a view that needs a call signed with a notify key that may read."""
    return access.mark(NotifyKey("read"))(view)


def notify_key_for(scope: str) -> Callable[[F], F]:
    """Return a marker of views that need a notify key with a scope of ``domain.credentials``."""
    return access.mark(NotifyKey(scope))


def caller() -> Caller:
    """Return who signed this call; only in views marked with a notify key."""
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


def _accept(claims: dict[str, Any], now: float) -> None:
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
