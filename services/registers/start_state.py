"""The start state: the registers of ``seed/``, each a description (YAML) and its rows (CSV).

The rows of the registers ``register`` and ``field`` are made from the descriptions.
"""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from servicekit.database import Database, empty
from servicekit.settings import ServiceSettings
from services.registers.domain import canonical, catalogue, declarations, governance
from services.registers.domain.items import Field, Item, read_item
from services.registers.personal import start_state as personal
from services.registers.personal.vault import PersonalVault
from services.registers.settings import Settings
from services.registers.storage import appending, heads, metadata, system

SEED = Path(__file__).parent / "seed"


def is_empty(session: Session) -> bool:
    """Tell whether there is no register yet."""
    return not heads.has_registers(session)


def load(session: Session, settings: ServiceSettings) -> None:
    """Fill an empty database; synthetic registers only where the platform is on this machine.

    Entries are dated as the seed says, so that every start state has the same tree heads.
    """
    for register in read_seed(synthetic=settings.is_loopback):
        rows = register.pop("rows")
        _load_one(session, register, rows)
    if isinstance(settings, Settings) and settings.people and settings.log_key:
        personal.load(session, PersonalVault(settings.log_key), settings.people)


def _load_one(session: Session, register: dict[str, Any], rows: list[dict[str, str]]) -> None:
    heads.add_register(session, register)
    head = heads.lock_register(session, register["name"])
    assert head is not None  # noqa: S101 (just added)
    said = [
        (key, canonical.item_json(item))
        for key, item in (
            *declarations.write(register, heads.fields_of(head)),
            ("governance", governance.item(head)),
        )
    ]
    system.append(session, head, said, register["started"])
    items = [_item(register, row) for row in rows]
    appending.append_entries(session, head, items, register["started"])


def reset(settings: ServiceSettings, database: Database) -> None:
    """Put the start state back; appends under way finish first, new ones wait."""
    with database.transaction() as session:
        heads.lock_all(session)  # or an append and the deletes could wait for each other
        empty(session, metadata)
        load(session, settings)


def check_ready(database: Database) -> None:
    """Raise when the registers cannot be read."""
    with database.snapshot() as session:
        heads.has_registers(session)


def read_seed(*, synthetic: bool = True) -> list[dict[str, Any]]:
    """Read the registers of the seed, in order, as the columns of their table and ``rows``.

    synthetic: whether to read those that are made up, too.
    """
    registers = []
    for path in SEED.glob("*.yaml"):
        register = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (safe)
        register["name"], register["id"] = path.stem, register.pop("position")
        started = datetime.fromisoformat(register.pop("appended").replace("Z", "+00:00"))
        register["started"] = int(started.timestamp())
        register["rows"] = []
        if (table := path.with_suffix(".csv")).exists():
            with table.open(encoding="utf-8", newline="") as file:
                register["rows"] = list(csv.DictReader(file))
        registers.append(register)
    registers = [each for each in registers if synthetic or not each["synthetic"]]
    registers.sort(key=lambda register: int(register["id"]))
    made = {"register": catalogue.registers(registers), "field": catalogue.fields(registers)}
    for register in registers:
        register["rows"] += made.get(register["name"], [])
    return registers


def _item(register: dict[str, Any], row: dict[str, str]) -> Item:
    fields = [Field(**field) for field in register["fields"]]
    many = {field.id for field in fields if field.cardinality == "n"}
    values = {name: cell.split(";") if name in many else cell for name, cell in row.items()}
    return read_item(register["name"], fields, values, pointer="")


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster
