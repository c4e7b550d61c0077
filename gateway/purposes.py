"""The purposes catalogue: why personal data may be asked for, and which laws allow it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STATUTE = "statute:"  # a basis is consent, own, or this with the id of a law


@dataclass(frozen=True)
class Purpose:
    """One reason, with its title by language and the lawful bases it goes with.

    disclose_after_days: for how long the law keeps a reading from the person it is about, as while
    a crime is investigated; 0: the person sees it at once.
    """

    code: str
    title: Mapping[str, str]
    bases: frozenset[str]
    disclose_after_days: int = 0


Purposes = Mapping[str, Purpose]


@dataclass(frozen=True)
class Statute:
    """A law that lets somebody read personal data: its title and where it stands, by language.

    roles: who may rely on it; the token must hold one of them.
    """

    id: str
    title: Mapping[str, str]
    citation: Mapping[str, str]
    roles: frozenset[str]


Statutes = Mapping[str, Statute]


def load_purposes(path: Path) -> Purposes:
    """Read the catalogue from its YAML file; raise ValueError for a line that makes no sense."""
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {code: read_purpose(code, line) for code, line in lines.items()}


def read_purpose(code: str, line: Mapping[str, Any]) -> Purpose:
    """Turn one entry of the file into a Purpose.

    Only a law can keep a reading from the person: who agreed, or looked themselves, knows of it.
    """
    bases, days = frozenset(line["bases"]), line.get("disclose_after_days", 0)
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise ValueError(f"{code}: disclose_after_days is a whole number of days")
    if days and bases & {"consent", "own"}:
        raise ValueError(f"{code}: disclose_after_days goes with statutes only")
    return Purpose(code, line["title"], bases, days)


def load_statutes(path: Path) -> Statutes:
    """Read the laws from their YAML file; raise ValueError for one that nobody may rely on."""
    laws = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    found = {}
    for identifier, line in laws.items():
        roles = frozenset(line["roles"])
        if not roles:
            raise ValueError(f"{identifier}: roles says who may rely on the law")
        found[identifier] = Statute(identifier, line["title"], line["citation"], roles)
    return found


def check_statutes(purposes: Purposes, statutes: Statutes) -> None:
    """Raise ValueError for a purpose that goes with a law which is not in the list."""
    for purpose in purposes.values():
        for basis in purpose.bases:
            if basis.startswith(STATUTE) and basis.removeprefix(STATUTE) not in statutes:
                raise ValueError(f"{purpose.code}: {basis} is not in statutes.yaml")
