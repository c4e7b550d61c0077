"""How a register is kept: what must be said of it before it is published, and what it may become.

All of it is told in the register's system log under the keys ``governance`` and ``status``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.registers.domain import datatypes

DRAFT, PUBLISHED, ARCHIVED = "draft", "published", "archived"
# a published register never becomes a draft again: readers rely on it
NEXT = {DRAFT: (PUBLISHED,), PUBLISHED: (ARCHIVED,), ARCHIVED: (PUBLISHED,)}
CLASSIFICATIONS = ("open", "restricted", "confidential")
DAY = 86_400
# how often a register promises to be brought up to date, in seconds; None: no promise
FREQUENCIES: Mapping[str, int | None] = {
    "continuous": DAY,
    "daily": DAY,
    "weekly": 7 * DAY,
    "monthly": 31 * DAY,
    "quarterly": 92 * DAY,
    "annual": 366 * DAY,
    "irregular": None,
    "never": None,
}
# what is kept together in the column ``governance``; custodian and licence have their own
NAMES = ("owner", "legal-basis", "classification", "retention", "update-frequency", "contact")
NEEDED = ("owner", "custodian", "legal-basis", "classification", "licence", "retention",
          "update-frequency")  # fmt: skip
# columns of a register's table
Register = Mapping[Any, Any]
TEXTS = ("title", "description")
# addresses of their own under /registers
RESERVED = frozenset(
    {"load", "search", "catalogue", "administration", "operate", "static", "curie"}
)


def faults(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a fault for each value that cannot be said of a register."""
    found = []
    for name, value in given.items():
        wanted = None
        if name == "classification" and value not in CLASSIFICATIONS:
            wanted = f"one of {', '.join(CLASSIFICATIONS)}"
        elif name == "update-frequency" and value not in FREQUENCIES:
            wanted = f"one of {', '.join(FREQUENCIES)}"
        elif not datatypes.is_string(value):
            wanted = "a text of one line that is not blank"
        if wanted:
            found.append({"detail": f"This must be {wanted}.", "pointer": f"/governance/{name}"})
    return found


def of(register: Register) -> dict[str, str]:
    """Return what is said of a register (columns of its table), in the order of ``NEEDED``."""
    kept = dict(register["governance"] or {})
    kept |= {"custodian": register["custodian"], "licence": register["licence"]}
    return {name: kept[name] for name in (*NEEDED, "contact") if kept.get(name)}


def needs_review(register: Register) -> bool:
    """Tell whether changes wait for a second person; a draft's do when it is published."""
    return bool(register["review"]) and register["state"] != DRAFT


def item(register: Register) -> dict[str, str]:
    """Return the item of a ``governance`` entry."""
    return of(register) | {"review": "two-persons" if register.get("review") else "none"}


def missing(register: Register, fields: Iterable[str]) -> list[dict[str, str]]:
    """Return a fault for each thing that a register lacks to be published."""
    said = of(register)
    found = [
        {"detail": "This must be said before a register is published.", "pointer": f"/{name}"}
        for name in NEEDED
        if not said.get(name)
    ]
    if said.get("classification", "open") != "open":
        found.append(
            {
                "detail": "Only open registers are published here: everyone reads them.",
                "pointer": "/classification",
            }
        )
    found += [
        {"detail": "This must be said in English.", "pointer": f"/{name}"}
        for name in TEXTS
        if not register[name].get("en")
    ]
    if set(fields) <= {register["name"]}:
        found.append({"detail": "The register has no field beside its key.", "pointer": "/fields"})
    return found


def read(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return what system entries (key, item) say: the latest of the key ``governance`` counts."""
    said: Mapping[str, Any] = {}
    for key, value in entries:
        if key == "governance":
            said = value
    texts = {name: said[name] for name in NAMES if isinstance(said.get(name), str)}
    return {} if faults(texts) else texts
