"""The personal registers of the start state, with records about its made-up people.

Their keys and salts come from the platform's own key, so that each reset has the same tree heads;
those of records that are entered later are random.
"""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from services.registers import enlisting
from services.registers.domain import canonical, declarations
from services.registers.personal.declared import personal_registers
from services.registers.personal.keeping import Keeper
from services.registers.personal.vault import PersonalVault
from services.registers.storage import heads, system


def load(session: Session, vault: PersonalVault, people: Mapping[str, str]) -> None:
    """Add every personal register; people: the access tokens' subject of each made-up person."""
    for declared in personal_registers().values():
        _load_one(session, Keeper(declared, vault), people)


def _load_one(session: Session, keeper: Keeper, people: Mapping[str, str]) -> None:
    declared = keeper.declared
    started = declared.columns["started"]
    heads.add_register(session, dict(declared.columns))
    head = heads.lock_register(session, declared.name)
    assert head is not None  # noqa: S101 (just added)
    said = [
        (key, canonical.item_json(item))
        for key, item in declarations.write(declared.columns, heads.fields_of(head))
    ]
    system.append(session, head, said, started)
    for place, record in enumerate(declared.records):
        if (subject := people.get(record["person"])) is not None:
            _enter(session, keeper, str(place), subject, record)
    enlisting.enlist(session, declared.name, started)


def _enter(
    session: Session, keeper: Keeper, place: str, subject: str, record: Mapping[str, str]
) -> None:
    vault, declared = keeper.vault, keeper.declared
    head = heads.lock_register(session, declared.name)
    assert head is not None  # noqa: S101 (added in this transaction)
    keeper.enter(
        session,
        head,
        vault.start_salt(declared.name, place).hex(),
        vault.person(declared.name, subject),
        {name: value for name, value in record.items() if name != "person"},
        declared.columns["started"],
        lambda field: vault.start_salt(declared.name, place, field),
    )
