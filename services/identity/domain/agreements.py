"""Agreements: what a person allowed a service, for what purpose, until when; item by item.

An item is the smallest thing that can be agreed to or withdrawn: a claim about the person
(``name``, ``email``), a scope that the service may use in the person's name (``notify.inbox``), the
person's official roles, or a category of data that it may read by itself (``category:contact``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

LIFE = timedelta(days=365)
CHOICES: Mapping[str, timedelta] = {
    "day": timedelta(days=1),
    "month": timedelta(days=30),
    "year": LIFE,
}
SIGN_IN = "sign-in"  # the purpose of a request that names none
SIGNED_IN, ROLES = "openid", "roles"
CATEGORY = "category:"
# the claims behind a scope (OpenID Connect Core 5.4); every other scope is an item by itself
CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": ("name", "preferred_username", "locale"),
    "email": ("email",),
    "phone": ("phone_number",),
}
# what a scope shows when the service reads it by itself, under the agreement and its purpose
CATEGORIES: Mapping[str, str] = {
    "identity.contact": "contact",
    "registers.personal": "vessel-ownership",
}


class Agreement(Protocol):
    """The part of a stored agreement that decides whether it is in force."""

    until: datetime
    withdrawn_at: datetime | None


class State(StrEnum):
    """What an agreement is worth now."""

    IN_FORCE = "in-force"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


def state(agreement: Agreement, moment: datetime) -> State:
    """Return what an agreement is worth at a moment; a withdrawn one stays withdrawn."""
    if agreement.withdrawn_at is not None:
        return State.WITHDRAWN
    return State.IN_FORCE if moment < agreement.until else State.EXPIRED


def items_of(scopes: Iterable[str], *, has_roles: bool = False) -> list[str]:
    """Return the items that a request for these scopes asks a person for, each once.

    has_roles: the person holds an office, and the service would act with its powers.
    """
    items = [item for scope in scopes for item in CLAIMS.get(scope, (scope,))]
    return list(dict.fromkeys(items + ([ROLES] if has_roles else [])))


def categories_of(items: Iterable[str], purpose: str) -> list[str]:
    """Return the categories of data that the service may read by itself for the purpose.

    An agreement to sign in lets nobody read anything while the person is away.
    """
    found = [item.removeprefix(CATEGORY) for item in items if item.startswith(CATEGORY)]
    if purpose != SIGN_IN:
        found += [CATEGORIES[item] for item in items if item in CATEGORIES]
    return sorted(set(found))


def ordered(items: Iterable[str], like: Sequence[str] = ()) -> list[str]:
    """Return items each once: first in the order of ``like``, then as they come."""
    given = list(items)
    return list(dict.fromkeys([*(item for item in like if item in given), *given]))


@dataclass(frozen=True)
class Permission:
    """What a service may have of a person now; items is None for the platform's own services."""

    items: frozenset[str] | None

    def allows(self, item: str) -> bool:
        """Whether an item is agreed to."""
        return self.items is None or item in self.items

    def covers(self, items: Iterable[str]) -> bool:
        """Whether every one of the items is agreed to."""
        return all(self.allows(item) for item in items)

    def scope(self, scope: str) -> str:
        """Return those of the scopes that something agreed stands behind."""
        return " ".join(
            each for each in scope.split() if any(map(self.allows, CLAIMS.get(each, (each,))))
        )


EVERYTHING = Permission(None)
