"""The keys that sign tokens: the ring that every process reads from the database (PyJWT signs)."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy.orm import Session

from servicekit.clock import Clock
from servicekit.database import Database
from services.identity.domain.jwk import thumbprint
from services.identity.domain.key_life import ALGORITHMS, State
from services.identity.settings import Settings
from services.identity.storage import keys as store
from services.identity.storage.protocol_tables import StoredKey
from services.identity.vault import Vault

LONGEST_HINT = 8192
FRESH_S = 1.0  # a key that another process withdrew signs here so long at most


@dataclass(frozen=True)
class SigningKey:
    """One key; ``kid`` is its RFC 7638 thumbprint."""

    kid: str
    algorithm: str
    state: str
    jwk: Mapping[str, Any]
    private: Any
    public: jwt.PyJWK

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """Return a signed JWT."""
        headers = {"kid": self.kid, "typ": typ}
        return jwt.encode(dict(claims), self.private, algorithm=self.algorithm, headers=headers)


class Maker:
    """Makes key pairs whose private half only the data key opens."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._settings, self._vault = settings, vault

    def first(self, algorithm: str) -> store.NewKey:
        """Return the key that a platform begins with: for ES256 the one in its secret file."""
        if algorithm == "ES256":
            return self._sealed(algorithm, self._settings.signing_key)
        return self.new(algorithm)

    def new(self, algorithm: str) -> store.NewKey:
        """Return a new key."""
        return self._sealed(algorithm, generate(algorithm))

    def _sealed(self, algorithm: str, pem: str) -> store.NewKey:
        public = load_pem_private_key(pem.encode(), password=None).public_key()
        jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
        kid = thumbprint(jwk)
        jwk = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
        return store.NewKey(
            kid, {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}, self._vault.seal(pem, kid)
        )


def generate(algorithm: str) -> str:
    """Return a new private key in PEM."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = (
        rsa.generate_private_key(65537, 2048)
        if algorithm == "RS256"
        else ec.generate_private_key(ec.SECP256R1())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def begin(session: Session, settings: Settings, vault: Vault, now: datetime) -> None:
    """Give a database its first keys, unless it has some."""
    if not store.exist(session):
        move_on(session, settings, vault, now)


def move_on(session: Session, settings: Settings, vault: Vault, now: datetime) -> None:
    """Make the keys that are missing and let each go on in its life when its time has come."""
    maker = Maker(settings, vault)
    known = {key.algorithm for key in store.every(session)}
    made: set[str] = set()

    def make(algorithm: str) -> store.NewKey:
        is_first = algorithm not in known | made
        made.add(algorithm)
        return maker.first(algorithm) if is_first else maker.new(algorithm)

    store.advance(session, make, now, settings.key_pace)


class KeyRing:
    """Every published key, read again each second so that all processes see one state."""

    def __init__(self, settings: Settings, database: Database, vault: Vault, clock: Clock) -> None:
        self._settings, self._database, self._vault = settings, database, vault
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._active: dict[str, SigningKey] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def sign(self, claims: Mapping[str, Any], typ: str, algorithm: str = "ES256") -> str:
        """Return a JWT signed with the active key; typ: ``at+jwt``, ``JWT`` or ``logout+jwt``."""
        self._refresh()
        return self._active[algorithm].sign(claims, typ)

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set: public members only."""
        self._refresh()
        return {"keys": [dict(key.jwk) for key in self._keys.values()]}

    def public(self, kid: str) -> jwt.PyJWK | None:
        """Return the public half of a published key, or None."""
        self._refresh()
        key = self._keys.get(kid)
        return key.public if key else None

    def active_kid(self, algorithm: str = "ES256") -> str:
        """Return the id of the key that signs now."""
        self._refresh()
        return self._active[algorithm].kid

    def forget(self) -> None:
        """Read the keys again at the next use: they were just changed."""
        self._read_at = float("-inf")

    def advance(self) -> None:
        """Do what is due by age, or because somebody asked."""
        with self._database.transaction() as session:
            move_on(session, self._settings, self._vault, self._clock.now())
        self.forget()

    def rotate(self, algorithms: tuple[str, ...] = ALGORITHMS) -> None:
        """Let the next keys take over as soon as every verifier knows them."""
        with self._database.transaction() as session:
            now, pace = self._clock.now(), self._settings.key_pace
            move_on(session, self._settings, self._vault, now)
            store.rotate(session, algorithms, now, pace)
            move_on(session, self._settings, self._vault, now)
        self.forget()

    def withdraw(self, kid: str, reason: str) -> bool:
        """Take a key out of use at once; False when there is none with this id."""
        with self._database.transaction() as session:
            now = self._clock.now()
            done = store.withdraw(session, kid, reason, now)
            move_on(session, self._settings, self._vault, now)
        self.forget()
        return done

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < FRESH_S:
            return
        with self._lock:
            if time.monotonic() - self._read_at < FRESH_S:
                return
            begun = time.monotonic()
            with self._database.snapshot() as session:
                rows = store.published(session) if store.exist(session) else []
            if not rows:
                with self._database.transaction() as session:
                    begin(session, self._settings, self._vault, self._clock.now())
                    rows = store.published(session)
            keys = {row.kid: self._opened(row) for row in rows}
            self._active = {k.algorithm: k for k in keys.values() if k.state == State.ACTIVE}
            self._keys, self._read_at = keys, begun

    def _opened(self, row: StoredKey) -> SigningKey:
        known = self._keys.get(row.kid)
        if known is not None and known.state == row.state:
            return known
        assert row.sealed is not None  # noqa: S101 (a published key has its private half)
        private = (
            known.private
            if known
            else load_pem_private_key(self._vault.open(row.sealed, row.kid).encode(), password=None)
        )
        return SigningKey(
            row.kid, row.algorithm, row.state, row.jwk, private, jwt.PyJWK(row.jwk, row.algorithm)
        )
