"""Providers that can stand in for each other."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from servicekit.clock import Clock
from services.notify.domain.breaker import Breaker
from services.notify.providers.message import Provider


@dataclass
class _Member:
    """One provider of a pool, its share and its breaker."""

    provider: Provider
    weight: float
    breaker: Breaker


class Pool:
    """Providers that can stand in for each other: chosen by weight among those that work."""

    def __init__(
        self,
        weighted: Sequence[tuple[Provider, float]],
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._members = {
            provider.name: _Member(provider, weight, Breaker()) for provider, weight in weighted
        }
        self._clock, self._chance = clock, chance

    def choose(self, excluding: str | None) -> Provider:
        """Return a provider by weight; one that just failed only when there is no other.

        A provider whose breaker is open is left alone; after a pause one message tries it.
        """
        now = self._clock.now()
        others = [m for m in self._members.values() if m.provider.name != excluding]
        for member in others:
            if member.breaker.may_try(now):
                return member.provider
        closed = [m for m in others if m.breaker.is_closed]
        candidates = closed or [m for m in self._members.values() if m.breaker.is_closed]
        candidates = candidates or others or list(self._members.values())
        at = self._chance() * sum(member.weight for member in candidates)
        for member in candidates:
            at -= member.weight
            if at < 0:
                return member.provider
        return candidates[-1].provider

    def named(self, name: str) -> Provider | None:
        """Return a member by its name."""
        member = self._members.get(name)
        return member.provider if member else None

    def record(self, name: str, *, failed: bool) -> None:
        """Learn from a call."""
        self._members[name].breaker.record(self._clock.now(), failed=failed)

    def has_another(self, name: str, attempts: int) -> bool:
        """Whether somebody else should get a message at once, after so many attempts."""
        return attempts < len(self._members) and any(
            member.breaker.is_closed
            for member in self._members.values()
            if member.provider.name != name
        )

    def close(self) -> None:
        """Let all members go of connections."""
        for member in self._members.values():
            member.provider.close()
