"""Access tokens (RFC 9068): the keys that verify them, kept through outages; verification."""

import hashlib
import hmac
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt

from servicekit.dpop import InvalidProof, ProofMemory, check_proof
from servicekit.problems import InsufficientAuthentication, Unauthenticated

__all__ = [
    "Credentials",
    "DenyList",
    "InvalidProof",
    "KeySource",
    "ProofMemory",
    "Token",
    "UnknownKey",
    "Verifier",
    "bearer",
    "check_authentication",
    "check_confirmation",
    "check_proof",
    "credentials",
]
ALGORITHMS = ("ES256", "RS256")
LEVELS = ("low", "substantial", "high")  # of assurance, as acr
LEEWAY_S = 5
BRIEFLY_S = 0.5  # an ordinary fetch takes milliseconds
MAX_TOKEN_BYTES = 8192
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = frozenset({"alg", "kid", "typ"})  # what would lead to another key or reading is refused
_INVALID = "invalid_token"
_REQUIRED = ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """A verified access token; ``claims`` holds the whole payload."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    jti: str
    expires_at: int
    claims: Mapping[str, Any]
    key_id: str = ""
    confirmed_key: str | None = None  # thumbprint of the key it is bound to (RFC 9449 section 6.1)

    @property
    def is_person(self) -> bool:
        """Whether it speaks for a person: a machine's subject is its own client id."""
        return self.subject != self.client_id

    @property
    def actors(self) -> tuple[str, ...]:
        """Who acts for the subject, the present one first (RFC 8693 section 4.1)."""
        found, act = [], self.claims.get("act")
        while isinstance(act, dict):
            found.append(str(act.get("sub", "")))
            act = act.get("act")
        return tuple(found)


@dataclass(frozen=True)
class DenyList:
    """What is worth nothing any more, before it expires; whoever hears of it fills the sets."""

    jtis: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    clients: set[str] = field(default_factory=set)

    def covers(self, token: Token) -> bool:
        """Whether the token must be refused."""
        return (
            token.jti in self.jtis
            or token.client_id in self.clients
            or token.key_id in self.keys
            or token.claims.get("grant_id") in self.grants
        )


class UnknownKey(Exception):
    """No key with this id is held; ``worth_fetching`` says whether asking again may help now."""

    def __init__(self, worth_fetching: bool) -> None:
        super().__init__()
        self.worth_fetching = worth_fetching


class KeySource:
    """The issuer's public keys: stale ones serve while a background thread refreshes them.

    fetch: returns the JWKS document and raises on any failure; it must have its own time limit.
    Known keys answer for ``hard_limit_s`` without identity; unknown ids cost at most one fetch per
    ``cooldown_s``, so that a flood of forged tokens reaches nobody.
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, Any]],
        *,
        max_age_s: float = 300,
        hard_limit_s: float = 3600,
        cooldown_s: float = 10,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._max_age_s, self._hard_limit_s = max_age_s, hard_limit_s
        self._cooldown_s, self._monotonic = cooldown_s, monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()
        self._patience = threading.Semaphore(2)

    def key(self, kid: str) -> jwt.PyJWK:
        """Return the key with this id at once; raises UnknownKey when none is held."""
        now = self._monotonic()
        under_way = self._lock.locked()  # a fetch that another thread began is worth waiting for
        key = self._keys.get(kid)
        if key is not None and now - self._fetched_at < self._hard_limit_s:
            is_due = now - self._fetched_at > self._max_age_s and self._may_fetch(now)
            if is_due and not under_way:
                threading.Thread(target=self.refresh, daemon=True).start()
            return key
        raise UnknownKey(worth_fetching=under_way or self._lock.locked() or self._may_fetch(now))

    def refresh(self) -> None:
        """Fetch the keys now, unless another thread is doing so or just did.

        While keys are held, two callers at most wait for a slow fetch and others only briefly:
        forged tokens must not hold every thread of a service whose good tokens need none.
        """
        had_keys = bool(self._keys)
        if had_keys and not self._patience.acquire(timeout=BRIEFLY_S):
            return
        try:
            self._refresh()
        finally:
            if had_keys:
                self._patience.release()

    def _refresh(self) -> None:
        if not self._lock.acquire(timeout=10):
            return
        try:
            now = self._monotonic()
            if not self._may_fetch(now):
                return
            self._tried_at = now
            self.adopt(self._fetch())
        except Exception as error:  # noqa: BLE001 (whatever went wrong, held keys go on serving)
            logger.warning("the issuer's keys could not be refreshed", extra={"error": repr(error)})
        finally:
            self._lock.release()

    def adopt(self, document: Mapping[str, Any], age_s: float = 0) -> None:
        """Hold these keys; ``age_s``: how long ago they were fetched, by an earlier process."""
        keys = jwt.PyJWKSet.from_dict(dict(document)).keys
        self._keys = {
            key.key_id: key
            for key in keys
            if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use != "enc"
        }
        self._fetched_at = self._monotonic() - age_s

    def _may_fetch(self, now: float) -> bool:
        return now - self._tried_at >= self._cooldown_s


class Verifier:
    """Verifies access tokens of one issuer; results are kept for up to a minute.

    The cache is keyed by the text's SHA-256 and bound to audience and expiry; deny-lists go by
    ``jti`` because one token can be written in several ways.
    """

    def __init__(
        self,
        keys: KeySource,
        issuer: str,
        *,
        denied: Callable[[Token], bool] | None = None,
        now: Callable[[], float] = time.time,
        cache_size: int = 10_000,
    ) -> None:
        self._keys, self._issuer, self._now = keys, issuer, now
        self._denied = denied or (lambda token: False)
        self._cache: OrderedDict[tuple[bytes, str], tuple[float, Token]] = OrderedDict()
        self._cache_size, self._lock = cache_size, threading.Lock()

    def verify(self, text: str, audience: str, *, may_fetch: bool = True) -> Token:
        """Return the verified token or raise Unauthenticated.

        may_fetch=False never blocks: it raises UnknownKey instead of asking the issuer.
        """
        cache_key = (hashlib.sha256(text.encode("utf-8", "replace")).digest(), audience)
        now = self._now()
        cached = self._cache.get(cache_key)
        if cached is not None and now < cached[0]:
            token = cached[1]
        else:
            token = self._decode(text, audience, may_fetch)
            with self._lock:
                self._cache[cache_key] = (min(now + 60, token.expires_at + LEEWAY_S), token)
                while len(self._cache) > self._cache_size:
                    self._cache.popitem(last=False)
        if self._denied(token):
            raise Unauthenticated("This token has been revoked. Sign in or get a new token.")
        return token

    def _decode(self, text: str, audience: str, may_fetch: bool) -> Token:
        if len(text) > MAX_TOKEN_BYTES or not _COMPACT.fullmatch(text):
            raise Unauthenticated("The bearer token is not a signed JWT in compact form.")
        try:
            kid = _key_id(text[: text.index(".")])
            key = self._key(kid, may_fetch)
            # time is checked below against our own clock, so that tests and leeway are exact
            claims = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=audience,
                issuer=self._issuer,
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
            return self._token(claims, kid)
        except jwt.InvalidAudienceError:
            raise Unauthenticated(
                f"This token is for another service; this one needs a token whose audience is "
                f"{audience}. Ask the token endpoint for it with resource={audience}."
            ) from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise Unauthenticated(
                "The token's signature or content is not valid. Get a new token from "
                f"{self._issuer}/token."
            ) from None

    def _key(self, kid: str, may_fetch: bool) -> jwt.PyJWK:
        try:
            return self._keys.key(kid)
        except UnknownKey as unknown:
            if unknown.worth_fetching and not may_fetch:
                raise
            if unknown.worth_fetching:
                self._keys.refresh()
                try:
                    return self._keys.key(kid)
                except UnknownKey:
                    pass
            raise Unauthenticated(
                "The token was signed with a key that the issuer does not "
                f"publish. Get a new token from {self._issuer}/token."
            ) from None

    def _token(self, claims: Mapping[str, Any], key_id: str) -> Token:
        now, expires_at = self._now(), int(claims["exp"])
        if now > expires_at + LEEWAY_S:
            raise Unauthenticated(
                "This token has expired. Nothing was changed. Get a new one from "
                f"{self._issuer}/token."
            )
        if int(claims["iat"]) > now + 10 or int(claims.get("nbf", 0)) > now + LEEWAY_S:
            raise Unauthenticated("This token is not valid yet; check the clock that issued it.")
        roles = claims.get("roles", [])
        confirmation = claims.get("cnf")
        confirmed_key = confirmation.get("jkt") if isinstance(confirmation, dict) else None
        if confirmation is not None and not isinstance(confirmed_key, str):
            raise Unauthenticated("This token is bound in a way that is not understood here.")
        return Token(
            subject=str(claims["sub"]),
            client_id=str(claims["client_id"]),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            roles=frozenset(str(role) for role in roles if isinstance(roles, list)),
            jti=str(claims["jti"]),
            expires_at=expires_at,
            claims=claims,
            key_id=key_id,
            confirmed_key=confirmed_key,
        )


@lru_cache(maxsize=256)  # the tokens of one key begin with one text; reading it costs 20 µs
def _key_id(head: str) -> str:
    """Return the key id of a token by its first part; raises what ``Verifier`` turns into words."""
    header = jwt.get_unverified_header(f"{head}.e30.AAAA")
    if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
        raise Unauthenticated("This is not an access token (its typ is not at+jwt).")
    if set(header) - _HEADER or header.get("alg") not in ALGORITHMS:
        raise ValueError("the header leads elsewhere")
    return str(header.get("kid", ""))


@dataclass(frozen=True)
class Credentials:
    """An access token as it was sent."""

    scheme: str  # bearer or dpop
    token: str


def credentials(header: str | None) -> Credentials:
    """Read an ``Authorization`` header (RFC 6750 2.1, RFC 9449 7.1) or raise Unauthenticated."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not text.strip():
        raise Unauthenticated("Send an access token: Authorization: Bearer TOKEN.", error=None)
    return Credentials(scheme.lower(), text.strip())


def bearer(header: str | None) -> str:
    """Return the token of an ``Authorization`` header sent as a bearer's."""
    given = credentials(header)
    if given.scheme != "bearer":
        raise Unauthenticated("Send an access token: Authorization: Bearer TOKEN.", error=None)
    return given.token


def check_confirmation(token: Token, scheme: str, proof: str | None) -> None:
    """Refuse a bound token without its key's proof, and a proof without a token bound to it.

    proof: the thumbprint that ``check_proof`` returned, here or at the gateway (Atoll-Proof).
    """
    bound_to = token.confirmed_key
    if bound_to is None:
        if scheme == "dpop" or proof is not None:
            raise InvalidProof("This token is not bound to a key. Send it as Bearer.", _INVALID)
        return
    if scheme != "dpop" or proof is None:
        raise InvalidProof(
            "This token is bound to a key. Send Authorization: DPoP TOKEN and a DPoP proof.",
            _INVALID,
        )
    if not hmac.compare_digest(bound_to.encode(), proof.encode("utf-8", "replace")):
        raise InvalidProof("The proof is signed with another key than the token's.", _INVALID)


def check_authentication(
    token: Token, now: float, *, acr: str | None = None, max_age_s: int | None = None
) -> None:
    """Refuse a token whose person signed in too weakly or too long ago (RFC 9470).

    acr: the lowest of LEVELS that will do. A machine's token has no sign-in and never will do.
    """
    reached = token.claims.get("acr")
    is_weak = acr is not None and (
        reached not in LEVELS or LEVELS.index(reached) < LEVELS.index(acr)
    )
    signed_in_at = token.claims.get("auth_time")
    is_old = max_age_s is not None and (
        not isinstance(signed_in_at, int | float) or now - signed_in_at > max_age_s + LEEWAY_S
    )
    if is_weak or is_old:
        scheme = "Bearer" if token.confirmed_key is None else "DPoP"
        raise InsufficientAuthentication(scheme, acr, max_age_s)
