"""Who may call a view. Every view carries exactly one marker; a view without one never answers."""

import hmac
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from flask import Flask, current_app, g, request

from servicekit.problems import InsufficientScope, NotFound
from servicekit.tokens import (
    LEVELS,
    Token,
    Verifier,
    check_authentication,
    check_confirmation,
    credentials,
)

F = TypeVar("F", bound=Callable[..., Any])
# Atoll-Caller of the gateway's own calls; no client has this id
GATEWAY_ITSELF = "urn:atoll:gateway"


class Access(Protocol):
    """A rule that a request must pass before its view runs."""

    label: str

    def check(self) -> None:
        """Raise a Problem unless the present request may go on."""


class Public:
    """Anyone may call."""

    label = "public"

    def check(self) -> None:
        """Let everyone pass."""


class Scoped:
    """Callers with an access token for this service that carries one of the scopes.

    acr, max_age_s: how strongly and how recently the person must have signed in (RFC 9470).
    """

    def __init__(
        self, scopes: tuple[str, ...], acr: str | None = None, max_age_s: int | None = None
    ) -> None:
        if acr is not None and acr not in LEVELS:
            raise ValueError(f"{acr} is no level of assurance")
        self.scopes, self.acr, self.max_age_s = scopes, acr, max_age_s
        self.label = "scope " + " or ".join(scopes)

    def check(self) -> None:
        """Verify the access token (the gateway did; a service does not take its word for it)."""
        given = credentials(request.headers.get("Authorization"))
        token = verifier().verify(given.token, current_app.config["ATOLL_AUDIENCE"])
        check_confirmation(token, given.scheme, proof_of_request(given.token))
        if self.acr is not None or self.max_age_s is not None:
            check_authentication(token, time.time(), acr=self.acr, max_age_s=self.max_age_s)
        if not token.scopes.intersection(self.scopes):
            raise InsufficientScope(*self.scopes)
        g.atoll_token = token


class GatewayOnly:
    """Only the gateway's own calls: feeds and resets that have no route from outside."""

    label = "gateway only"

    def check(self) -> None:
        """Refuse every forwarded call as if nothing were here."""
        if not hmac.compare_digest(request.headers.get("Atoll-Caller", ""), GATEWAY_ITSELF):
            raise NotFound("Nothing is at this address.")


def mark(access: Access) -> Callable[[F], F]:
    """Return a decorator that gives a view this access rule."""

    def decorate(view: F) -> F:
        if access_of(view) is not None:
            raise TypeError(f"{view.__name__} already declares its access")
        vars(view)["atoll_access"] = access
        return view

    return decorate


def public(view: F) -> F:
    """Mark a view that anyone may call."""
    return mark(Public())(view)


def scope(*names: str, acr: str | None = None, max_age_s: int | None = None) -> Callable[[F], F]:
    """Mark a view that needs a token for this service with one of these scopes.

    acr, max_age_s: ask for a stronger or newer sign-in, with the challenge of RFC 9470.
    """
    return mark(Scoped(names, acr, max_age_s))


def gateway_only(view: F) -> F:
    """Mark a view that only the gateway itself calls."""
    return mark(GatewayOnly())(view)


def access_of(view: Callable[..., Any] | None) -> Access | None:
    """Return the marker of a view, or None."""
    return cast("Access | None", getattr(view, "atoll_access", None))


def check_access(app: Flask) -> None:
    """Apply the marker of the view that the request was routed to; fail closed without one."""
    if request.endpoint is None:
        return  # unrouted: Flask answers 404 or 405 itself
    access = access_of(app.view_functions[request.endpoint])
    if access is None:
        raise RuntimeError(f"the view {request.endpoint} declares no access")
    access.check()


def token() -> Token:
    """Return the verified token of this request; only in views marked with a scope."""
    return cast(Token, g.atoll_token)


def proof_of_request(access_token: str) -> str | None:
    """Return the thumbprint of the key that the caller proved to hold, or None without a proof.

    The gateway checked the proof and says so in Atoll-Proof. An application that is reached with
    the proof itself sets ``atoll_proof``, a function of the access token.
    """
    own: Callable[[str], str | None] | None = current_app.extensions.get("atoll_proof")
    return own(access_token) if own else request.headers.get("Atoll-Proof")


def verifier() -> Verifier:
    """Return the application's token verifier."""
    return cast(Verifier, current_app.extensions["atoll_verifier"])
