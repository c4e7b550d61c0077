"""Errors that a caller can act on, and their one shape: RFC 9457 problem details."""

from collections.abc import Iterable, Mapping
from typing import Any

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """A refusal with a status and a sentence that says what to do.

    Subclasses fix ``slug`` (the last part of the type's address), ``title`` and ``status``.
    errors: ``{"detail": sentence, "pointer": JSON Pointer}`` for each faulty field.
    """

    slug = "internal-error"
    title = "Something went wrong here"
    status = 500

    def __init__(
        self,
        detail: str,
        *,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})
        self.members = members

    def body(self, public_url: str, instance: str | None = None) -> dict[str, Any]:
        """Return the members of RFC 9457 section 3.1, ready for JSON."""
        body: dict[str, Any] = {
            "type": f"{public_url}/portal/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if instance:
            body["instance"] = instance
        if self.errors:
            body["errors"] = self.errors
        return body | self.members


class Malformed(Problem):
    """The request cannot be read."""

    slug, title, status = "malformed", "The request cannot be read", 400


class Unauthenticated(Problem):
    """No valid token came with the request (RFC 6750 section 3)."""

    slug, title, status = "unauthenticated", "A valid token is needed", 401

    def __init__(self, detail: str, *, error: str | None = "invalid_token", **members: Any) -> None:
        # RFC 6750 section 3.1: a request without any token gets no error code
        challenge = 'Bearer realm="atoll"' + (f', error="{error}"' if error else "")
        super().__init__(detail, headers={"WWW-Authenticate": challenge}, **members)


class InsufficientAuthentication(Problem):
    """The person must sign in again, or more strongly (RFC 9470 section 3)."""

    slug, title = "insufficient-user-authentication", "A stronger or newer sign-in is needed"
    status = 401

    def __init__(self, scheme: str, acr: str | None, max_age_s: int | None) -> None:
        asks: dict[str, Any] = ({"acr_values": acr} if acr else {}) | (
            {"max_age": max_age_s} if max_age_s is not None else {}
        )
        detail = "Nothing was done. Let the person sign in again, with " + " and ".join(
            f"{name}={value}" for name, value in asks.items()
        )
        parameters = {"error_description": "A stronger or newer sign-in is needed", **asks}
        challenge = f'{scheme} realm="atoll", error="insufficient_user_authentication"'
        challenge += "".join(f', {name}="{value}"' for name, value in parameters.items())
        super().__init__(f"{detail}.", headers={"WWW-Authenticate": challenge}, **asks)


class Forbidden(Problem):
    """The caller is known and may not do this."""

    slug, title, status = "forbidden", "Not allowed", 403


class InsufficientScope(Problem):
    """The token lacks a scope (RFC 6750 section 3.1)."""

    slug, title, status = "insufficient-scope", "The token does not allow this", 403

    def __init__(self, *scopes: str) -> None:
        needed = " ".join(scopes)
        super().__init__(
            f"This needs a token with the scope {' or '.join(scopes)}. "
            "Ask for it when you get the token.",
            headers={
                "WWW-Authenticate": 'Bearer realm="atoll", error="insufficient_scope", '
                f'scope="{needed}"'
            },
            scope=needed,
        )


class NotFound(Problem):
    """There is nothing at this address for this caller."""

    slug, title, status = "not-found", "Nothing is here", 404


class MethodNotAllowed(Problem):
    """The address exists but does not take this method."""

    slug, title, status = "method-not-allowed", "This address does not take that method", 405


class NotAcceptable(Problem):
    """None of the formats asked for is available."""

    slug, title, status = "not-acceptable", "This format is not available", 406


class Conflict(Problem):
    """The request contradicts what is already there."""

    slug, title, status = "conflict", "This contradicts what is already there", 409


class TooLarge(Problem):
    """The body is larger than this address takes."""

    slug, title, status = "too-large", "The body is too large", 413


class UnsupportedMediaType(Problem):
    """The body is in a format that this address does not take."""

    slug, title, status = "unsupported-media-type", "The body is in another format", 415


class Invalid(Problem):
    """The request can be read, but fields break rules; ``errors`` names each."""

    slug, title, status = "invalid", "Some fields break a rule", 422


class TooManyRequests(Problem):
    """The caller must wait."""

    slug, title, status = "too-many-requests", "Too many requests", 429


class BadGateway(Problem):
    """A service answered in a way that cannot be passed on."""

    slug, title, status = "bad-gateway", "A service gave an unusable answer", 502


class Unavailable(Problem):
    """A service is down; trying again later can help."""

    slug, title, status = "unavailable", "A service is not available", 503

    def __init__(self, detail: str, *, retry_after_s: int = 2, **members: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)}, **members)


class GatewayTimeout(Problem):
    """A service did not answer in time."""

    slug, title, status = "gateway-timeout", "A service did not answer in time", 504
