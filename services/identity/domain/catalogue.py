"""The scopes catalogue: who may be given each scope, and whether a person must approve it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.identity.domain.scopes import SCOPES


class Given(StrEnum):
    """What a program needs before it is given a scope."""

    AT_ONCE = "at once"  # a sandbox program gets it without being asked why
    APPROVED = "approved"  # an administrator approves it
    PLATFORM = "platform"  # the platform's own programs alone; it cannot be registered for


@dataclass(frozen=True)
class Rule:
    """What holds for one scope."""

    given: Given
    for_itself: bool = False  # the program acts for itself
    for_people: bool = False  # the program acts for somebody who signed in


_PLATFORM_ONLY = Rule(Given.PLATFORM)
RULES = {
    "openid": Rule(Given.AT_ONCE, for_people=True),
    "profile": Rule(Given.AT_ONCE, for_people=True),
    "email": Rule(Given.AT_ONCE, for_people=True),
    "phone": Rule(Given.AT_ONCE, for_people=True),
    "identity.contact": Rule(Given.APPROVED, for_itself=True, for_people=True),
    "identity.consents": Rule(Given.APPROVED, for_itself=True),
    "identity.clients": _PLATFORM_ONLY,
    "identity.apps": _PLATFORM_ONLY,
    "identity.own": _PLATFORM_ONLY,
    "registers.read": Rule(Given.AT_ONCE, for_itself=True, for_people=True),
    "registers.append": Rule(Given.APPROVED, for_itself=True, for_people=True),
    "registers.personal": Rule(Given.APPROVED, for_itself=True, for_people=True),
    "registers.subscribe": Rule(Given.APPROVED, for_itself=True),
    "notify.inbox": _PLATFORM_ONLY,
    "exchanges.own": Rule(Given.APPROVED, for_people=True),
    "exchanges.own-calls": Rule(Given.AT_ONCE, for_itself=True),
    "exchanges.overview": Rule(Given.APPROVED, for_itself=True),
    "exchanges.stream": Rule(Given.APPROVED, for_itself=True),
    "platform.operate": _PLATFORM_ONLY,
    "platform.observe": Rule(Given.APPROVED, for_itself=True),
}


def rule(scope: str) -> Rule:
    """Return what holds for a scope; one that no rule names stays with the platform."""
    return RULES.get(scope, _PLATFORM_ONLY) if scope in SCOPES else _PLATFORM_ONLY


def is_known(scope: str) -> bool:
    """Whether there is such a scope."""
    return scope in SCOPES


def at_once(scopes: Iterable[str]) -> list[str]:
    """Return those of the scopes that nobody needs to approve."""
    return [scope for scope in scopes if rule(scope).given is Given.AT_ONCE]
