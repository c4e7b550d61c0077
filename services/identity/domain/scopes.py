"""The scopes of the platform: which service each is for (wire section 2, RFC 8707)."""

from collections.abc import Iterable

OWN_AUDIENCE = "urn:atoll:identity"
EVERYWHERE = frozenset({"platform.operate"})  # the one scope that more than one service takes

# scope -> the service whose tokens carry it; README.md explains each
SCOPES = {
    "openid": "identity",
    "profile": "identity",
    "email": "identity",
    "phone": "identity",
    "identity.contact": "identity",
    "identity.consents": "identity",
    "identity.clients": "identity",
    "identity.apps": "identity",
    "identity.own": "identity",
    "registers.read": "registers",
    "registers.append": "registers",
    "registers.personal": "registers",
    "registers.subscribe": "registers",
    "notify.inbox": "notify",
    "exchanges.own": "gateway",
    "exchanges.overview": "gateway",
    "exchanges.stream": "gateway",
    "platform.operate": "gateway",
    "platform.teach": "gateway",
    "platform.observe": "gateway",
}
AUDIENCES = frozenset(f"urn:atoll:{service}" for service in SCOPES.values())


def for_audience(scopes: Iterable[str], audience: str) -> list[str]:
    """Return those scopes that the service with this audience understands, in their order."""
    return [
        scope
        for scope in scopes
        if f"urn:atoll:{SCOPES.get(scope)}" == audience or scope in EVERYWHERE
    ]


def common_audience(scopes: Iterable[str]) -> str | None:
    """Return the service that all these scopes are for, or None: then the caller must name it."""
    services = {SCOPES.get(scope) for scope in scopes}
    return f"urn:atoll:{services.pop()}" if len(services) == 1 else None


def allowed(requested: str | None, registered: Iterable[str]) -> str | None:
    """Return the scopes asked for, each once; None when one is not registered or none is asked.

    Nothing is dropped silently: RFC 6749 section 3.3 lets a server refuse, and a client that gets
    less than it asked for would only find out later.
    """
    wanted = list(dict.fromkeys((requested or "").split()))
    return " ".join(wanted) if wanted and set(wanted) <= set(registered) else None
