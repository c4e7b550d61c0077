"""The purposes catalogue: the reasons for which personal data may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


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


def load_purposes(path: Path) -> Purposes:
    """Read the catalogue from its YAML file."""
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        code: Purpose(
            code, line["title"], frozenset(line["bases"]), int(line.get("disclose_after_days", 0))
        )
        for code, line in lines.items()
    }
