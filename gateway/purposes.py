"""The purposes catalogue: the reasons for which personal data may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Purpose:
    """One reason, with its title by language and the lawful bases it goes with."""

    code: str
    title: Mapping[str, str]
    bases: frozenset[str]


Purposes = Mapping[str, Purpose]


def load_purposes(path: Path) -> Purposes:
    """Read the catalogue from its YAML file."""
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        code: Purpose(code, line["title"], frozenset(line["bases"])) for code, line in lines.items()
    }
