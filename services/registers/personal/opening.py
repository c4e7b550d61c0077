"""Reading personal records: values with their salts, so that their reader can check the log."""

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from services.registers.domain import commitments, moments, objecthash
from services.registers.personal.keeping import Keeper
from services.registers.problems import RegisterDamaged
from services.registers.storage import personal
from services.registers.storage.personal import Correction

HISTORY = 50  # the newest entries of a record that are shown


def document(
    keeper: Keeper, session: Session, head: RowMapping, key: str, *, history: bool
) -> dict[str, Any]:
    """Return a record: its values, their salts and commitments, and what it said before."""
    rows = personal.entries(session, head["id"], key, HISTORY if history else 1)
    numbers = [row.number for row in rows]
    sealed = personal.values(session, head["id"], key, numbers)
    entries = [
        {
            "entry-number": row.number,
            "entry-timestamp": moments.write(row.timestamp),
            "blob-hash": objecthash.multihash(row.hash),
            **_opened(keeper, key, row, sealed.get(row.number, {})),
        }
        for row in rows
        if sealed.get(row.number)
    ]
    shown: dict[str, Any] = {"key": key, **entries[-1]} if entries else {"key": key}
    if history:
        shown["history"] = entries
    shown["corrections"] = [
        correction(keeper, one) for one in personal.corrections(session, head["id"], key)
    ]
    return shown


def _opened(keeper: Keeper, key: str, row: Any, sealed: dict[str, bytes]) -> dict[str, Any]:
    values, disclosures = {}, {}
    name, number = keeper.declared.name, row.number
    made: dict[str, bytes] = {}
    for field in [field.id for field in keeper.declared.values if field.id in sealed]:
        try:
            opened = keeper.vault.open(sealed[field], name, key, number, field)
        except InvalidTag:
            raise _damaged(name, number) from None
        salt, values[field] = bytes.fromhex(opened["salt"]), opened["value"]
        made[field] = commitments.commit(salt, field, values[field])
        disclosures[field] = {
            "salt": opened["salt"],
            "commitment": objecthash.multihash(made[field]),
        }
    if objecthash.blob_hash(commitments.public_item(name, key, made)) != row.hash:
        raise _damaged(name, number)
    return {"values": values, "disclosures": disclosures}


def correction(keeper: Keeper, asked: Correction) -> dict[str, Any]:
    """Return a correction with what was asked for and what was decided."""
    said = keeper.vault.open(asked.sealed, keeper.declared.name, asked.id)
    shown = {
        "id": asked.id,
        "made": moments.write(asked.made),
        "state": asked.state,
        **said,
    }
    if asked.answer is not None and asked.decided is not None:
        shown["decided"] = moments.write(asked.decided)
        shown |= keeper.vault.open(asked.answer, keeper.declared.name, asked.id, "answer")
    return shown


def holds(
    keeper: Keeper,
    session: Session,
    head: RowMapping,
    found: Sequence[tuple[str, int]],
    field: str,
    equals: str,
) -> bool:
    """Tell whether any of a person's records says this of a field now."""
    for key, number in found:
        value = keeper.current(session, head, key, number).get(field)
        if value == equals or (isinstance(value, list) and equals in value):
            return True
    return False


def _damaged(register: str, number: int) -> RegisterDamaged:
    return RegisterDamaged(
        f"What is kept of entry {number} of {register} is not what its log committed to. It is not "
        "shown; the operator must look."
    )
