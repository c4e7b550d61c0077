"""The plans: how many calls each kind of payer has in a period."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TRIAL = "trial"
PLANS = (TRIAL, "standard", "platform")
_KINDS = ("person", "address", "visitor")


@dataclass(frozen=True, slots=True)
class Quota:
    """So many calls in a period; ``lease``: how many one worker may count before it reports them.

    A report for each hundredth part keeps the count of all workers close, and costs a caller that
    uses all of its quota a hundred short transactions a period, a small caller none.
    """

    name: str
    calls: int
    period_s: int
    lease: int
    header: bytes  # RateLimit-Policy, as a structured field's item

    @classmethod
    def of(cls, name: str, calls: int, period_s: int) -> "Quota":
        """Return a quota with everything that follows from its figures."""
        header = f'"{name}";q={calls};w={period_s}'.encode()
        return cls(name, calls, period_s, max(1, calls // 100), header)


@dataclass(frozen=True)
class Plans:
    """Every quota: of clients by plan, of a person, of an address, of a visitor of pages."""

    period_s: int
    clients: Mapping[str, Quota]
    person: Quota
    address: Quota
    visitor: Quota

    def of_client(self, plan: str | None) -> Quota:
        """Return the quota of a client; one whose plan is not known is on trial."""
        return self.clients.get(plan or TRIAL) or self.clients[TRIAL]


def load_plans(path: Path, factor: float = 1.0) -> Plans:
    """Read the figures from their YAML file; raise ValueError where one makes no sense."""
    return read_plans(yaml.safe_load(path.read_text(encoding="utf-8")), factor)


def read_plans(figures: Mapping[str, Any], factor: float = 1.0) -> Plans:
    """Turn the figures of the file into quotas."""
    if set(figures) != {"period_s", "plans", *_KINDS} or set(figures["plans"]) != set(PLANS):
        raise ValueError(f"plans: {', '.join(PLANS)}, and {', '.join(_KINDS)}, each once")
    numbers = [figures["period_s"], *figures["plans"].values(), *(figures[one] for one in _KINDS)]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("plans: every figure is a whole number above 0")

    def quota(name: str, calls: int) -> Quota:
        return Quota.of(name, max(1, round(calls * factor)), figures["period_s"])

    return Plans(
        figures["period_s"],
        {name: quota(name, calls) for name, calls in figures["plans"].items()},
        *(quota(name, figures[name]) for name in _KINDS),
    )
