"""People's sessions: signing in, staying signed in, a token for each service, signing out."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.outbound import Refused
from servicekit.problems import Problem, Unavailable
from services.portal import storage
from services.portal.domain import pkce
from services.portal.id_token import IdTokens, SignInFailed
from services.portal.identity_client import Grant, IdentityClient
from services.portal.vault import Vault

SCOPES = (
    "openid profile identity.contact identity.apps notify.inbox exchanges.own registers.personal"
)
SIGN_IN_S = 600
SESSION_S = 8 * 3600
_RENEWAL_S = 15  # longer than a call's time limits, so that a renewal is never cut short by another
_SPARE_S = 60  # a token is renewed this long before it ends


class SignInNeeded(Problem):
    """The page belongs to a person, and nobody is signed in here."""

    slug, title, status = "sign-in-needed", "Sign in to see this page", 403

    def __init__(self) -> None:
        super().__init__("This page belongs to one person. Sign in as that person to open it.")


@dataclass(frozen=True)
class Person:
    """The person who is signed in; ``subject`` is what identity calls her towards the portal."""

    subject: str
    names: Mapping[str, str]
    session_id: str


class Sessions:
    """Signed-in browsers, and the tokens that stay on this side."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        identity: IdentityClient,
        id_tokens: IdTokens,
        clock: Clock,
        *,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database, self._vault = database, vault
        self._identity, self._id_tokens = identity, id_tokens
        self._clock, self._pause = clock, pause
        self._issuer, self._client_id, self._redirect_uri = issuer, client_id, redirect_uri

    def begin(self, browser: str, return_to: str, locale: str) -> str:
        """Start a sign-in of this browser; return the address to send it to."""
        request, now = pkce.fresh(), self._now()
        state_hash = _hash(request.state)
        sealed = self._vault.seal(
            state_hash,
            {"nonce": request.nonce, "verifier": request.verifier, "return_to": return_to},
        )
        with self._database.transaction() as session:
            storage.remember_sign_in(
                session, state_hash, _hash(browser), sealed, now, now + SIGN_IN_S
            )
        return pkce.authorize_address(
            self._issuer, self._client_id, self._redirect_uri, SCOPES, request, locale
        )

    def finish(self, browser: str, answer: Mapping[str, str]) -> tuple[str, str]:
        """Finish a sign-in with identity's answer; return the new cookie and where to go back.

        Raises SignInFailed unless the answer belongs to a sign-in that this browser began, comes
        from our issuer (RFC 9207) and carries an ID token that verifies.
        """
        started = self._take(browser, answer.get("state", ""))
        if not hmac.compare_digest(answer.get("iss", "").encode(), self._issuer.encode()):
            raise SignInFailed(
                "The answer did not come from this platform's identity service. Sign in again."
            )
        if "code" not in answer:
            raise SignInFailed("You did not sign in, so nothing was opened. You can try again.")
        try:
            grant = self._identity.redeem(answer["code"], started["verifier"])
        except Refused:
            raise SignInFailed(
                "Identity refused this sign-in; its code is used or too old. Sign in again."
            ) from None
        claims = self._id_tokens.verify(grant.id_token or "", started["nonce"])
        cookie, now = secrets.token_urlsafe(32), self._now()
        kept = {
            "subject": str(claims["sub"]),
            "names": self._names(grant.access_token, str(claims["sub"])),
            "id_token": grant.id_token,
            "refresh_token": grant.refresh_token or "",
            "tokens": {},
        }
        with self._database.transaction() as session:
            storage.close_session(session, _hash(browser))
            storage.open_session(
                session, _hash(cookie), self._vault.seal(_hash(cookie), kept), now, now + SESSION_S
            )
        return cookie, pkce.safe_return(started["return_to"])

    def find(self, browser: str) -> Person | None:
        """Return who is signed in in this browser."""
        kept = self._read(browser)[0] if browser else None
        return None if kept is None else Person(kept["subject"], kept["names"], browser)

    def token(self, person: Person, service: str, scope: str) -> str:
        """Return the person's token for one service, renewed when it is about to end.

        One request renews at a time, because a refresh token works once. Raises SignInNeeded when
        identity does not renew any more.
        """
        id_hash, ends = _hash(person.session_id), self._clock.now().timestamp() + _RENEWAL_S
        for _ in range(int(_RENEWAL_S / 0.05)):
            kept, version = self._read(person.session_id)
            if kept is None:
                raise SignInNeeded
            now = self._now()
            held = kept["tokens"].get(f"{service} {scope}")
            if held and now < held["until"]:
                return str(held["token"])
            with self._database.transaction() as session:
                claimed = storage.claim_renewal(session, id_hash, version, now, now + _RENEWAL_S)
            if claimed:
                return self._renew(person, kept, service, scope)
            if self._clock.now().timestamp() >= ends:
                break
            self._pause(0.05)
        raise Unavailable("Your sign-in is being renewed. Try again in a moment.")

    def end(self, browser: str) -> str:
        """Sign this browser out; return the ID token, by which identity knows whom to sign out."""
        kept = self._read(browser)[0]
        with self._database.transaction() as session:
            storage.close_session(session, _hash(browser))
        return "" if kept is None else str(kept["id_token"])

    def _names(self, access_token: str, subject: str) -> Mapping[str, str]:
        try:
            found = self._identity.person(access_token)
        except Problem:  # a page can do without a name
            return {}
        return found.names if found.subject == subject else {}  # OpenID Connect Core 5.3.2

    def _take(self, browser: str, state: str) -> dict[str, Any]:
        state_hash = _hash(state)
        with self._database.transaction() as session:
            sealed = storage.take_sign_in(session, state_hash, _hash(browser), self._now())
        started = None if sealed is None else self._vault.unseal(state_hash, sealed)
        if started is None:
            raise SignInFailed(
                "This sign-in was not started in this browser, or it took longer than ten "
                "minutes. Sign in again."
            )
        return started

    def _read(self, browser: str) -> tuple[dict[str, Any] | None, int]:
        id_hash = _hash(browser)
        with self._database.snapshot() as session:
            stored = storage.find_session(session, id_hash, self._now())
        if stored is None:
            return None, 0
        return self._vault.unseal(id_hash, stored.sealed), stored.version

    def _renew(self, person: Person, kept: dict[str, Any], service: str, scope: str) -> str:
        id_hash = _hash(person.session_id)
        sealed = None
        try:
            grant = self._identity.renew(kept["refresh_token"], service, scope)
            sealed = self._vault.seal(id_hash, self._kept(kept, grant, service, scope))
            return grant.access_token
        except Refused as refused:
            if refused.problem.get("error") != "invalid_grant":
                raise
            self.end(person.session_id)
            raise SignInNeeded from None
        finally:
            with self._database.transaction() as session:
                storage.keep_renewed(session, id_hash, sealed)

    def _kept(
        self, kept: Mapping[str, Any], grant: Grant, service: str, scope: str
    ) -> dict[str, Any]:
        token = {
            "token": grant.access_token,
            "until": self._now() + max(0, grant.expires_in - _SPARE_S),
        }
        return {
            **kept,
            "refresh_token": grant.refresh_token or kept.get("refresh_token", ""),
            "tokens": {**kept["tokens"], f"{service} {scope}": token},
        }

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
