"""The personal registers that are declared: their fields, categories and start-state records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from services.registers.domain import commitments
from services.registers.domain.items import Field
from services.registers.personal.problems import PersonalRegister

_COLUMNS = (
    *("title", "description", "custodian", "synthetic"),
    *("source", "licence", "phase", "governance"),
)
SEED = Path(__file__).parent / "seed"


@dataclass(frozen=True)
class Personal:
    """A personal register: what is kept of a person, and what may be asked without reading it.

    columns: of the public register, whose fields are commitments. read, ask: the categories of
    data that the gateway names for reading and for questions. records: those of the start state,
    each with the made-up ``person`` it is about.
    """

    name: str
    columns: Mapping[str, Any]
    fields: tuple[Field, ...]
    questions: frozenset[str]
    read: str
    ask: str
    records: tuple[Mapping[str, str], ...]

    @property
    def values(self) -> list[Field]:
        """The fields whose values are kept apart: all but the key."""
        return [field for field in self.fields if field.id != self.name]


@cache
def personal_registers() -> Mapping[str, Personal]:
    """Return every personal register by its name."""
    return MappingProxyType({path.stem: _read(path) for path in sorted(SEED.glob("*.yaml"))})


def _read(path: Path) -> Personal:
    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    fields = tuple(Field(**field) for field in described["fields"])
    started = datetime.fromisoformat(described["appended"].replace("Z", "+00:00"))
    columns = {name: described[name] for name in _COLUMNS} | {
        "id": described["position"],
        "name": path.stem,
        "started": int(started.timestamp()),
        "fields": commitments.public_fields(path.stem, fields),
    }
    return Personal(
        name=path.stem,
        columns=columns,
        fields=fields,
        questions=frozenset(described["questions"]),
        read=described["categories"]["read"],
        ask=described["categories"]["ask"],
        records=tuple(described.get("records", ())),
    )


def refuse_file(register: str) -> None:
    """Refuse to load a file into a personal register; raises PersonalRegister."""
    if register in personal_registers():
        raise PersonalRegister(
            f"{register} is a personal register: no file is loaded into it, because files hold "
            f"values. It is changed at /registers/{register}/personal/records only."
        )
