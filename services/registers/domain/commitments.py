"""Salted commitments: what the log of a personal register holds in place of the values.

Each field of an entry has its own 128-bit salt. The log shows SHA-256(salt ‖ name ‖ value) and
never the salt, so that nobody finds a value by trying all that there are; without the salt the
commitment says nothing, and every proof of the log holds as before.
"""

import hashlib
from collections.abc import Iterable, Mapping

from services.registers.domain import canonical, objecthash
from services.registers.domain.items import Field, Value

SALT_BYTES = 16
ERASED = "erased"  # the public field with the day on which a record was erased


def commit(salt: bytes, name: str, value: Value) -> bytes:
    """Return the commitment to one field; its name is known, so the value is the whole rest."""
    return hashlib.sha256(salt + name.encode() + text_of(value).encode()).digest()


def text_of(value: Value) -> str:
    """Return a value as the text that is committed to: itself, or a list in canonical JSON."""
    return value if isinstance(value, str) else canonical.item_json(value)


def public_fields(register: str, fields: Iterable[Field]) -> list[dict[str, object]]:
    """Return the fields of the public log: the key, a commitment for each field, the erasure."""
    shown: list[dict[str, object]] = []
    for field in fields:
        described: dict[str, object] = {"id": field.id, "title": dict(field.title or {})}
        if field.id == register:
            shown.append(described | {"datatype": "string"})
            continue
        shown.append(
            described
            | {
                "datatype": "hash",
                "description": {
                    "en": "A salted commitment (SHA-256 of salt, name and value) in place of "
                    "the value, which is kept apart and can be erased."
                },
            }
        )
    shown.append(
        {
            "id": ERASED,
            "datatype": "datetime",
            "title": {"en": "Erased on", "dv": "ފުހެލި ތާރީޚު"},
            "description": {"en": "The day on which the values and their salts were erased."},
        }
    )
    return shown


def public_item(register: str, key: str, made: Mapping[str, bytes]) -> dict[str, str]:
    """Return the item that the log shows of a record."""
    return {register: key} | {name: objecthash.multihash(value) for name, value in made.items()}
