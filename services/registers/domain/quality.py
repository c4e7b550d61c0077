"""How good the data of a register are: five measures, each from 0 to 1, and what pulls it down."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from services.registers.domain import canonical, datatypes, governance, keys
from services.registers.domain.items import Field

Reference = tuple[str, str]  # a register and a key in it; "" is the whole register
MOST_EXAMPLES = 20


class Measuring:
    """Takes records one by one; ``exists`` tells whether a curie leads to something."""

    def __init__(
        self, key_field: str, fields: Sequence[Field], exists: Callable[[Reference], bool]
    ) -> None:
        self._key_field, self._fields, self._exists = key_field, fields, exists
        self.records = 0
        self._filled = {field.id: 0 for field in fields}
        self._values = self._faulty = self._references = self._dangling = 0
        self._twice = 0
        self._seen: dict[bytes, str] = {}
        self._faults: list[dict[str, str]] = []
        self._twins: list[dict[str, str]] = []
        self._lost: list[dict[str, str]] = []

    def take(self, key: str, item: Mapping[str, Any]) -> None:
        """Count one record."""
        self.records += 1
        for field in self._fields:
            values = _values(item.get(field.id))
            self._filled[field.id] += bool(values)
            for value in values:
                self._take_value(key, field, value)
        rest = {name: value for name, value in item.items() if name != self._key_field and value}
        digest = hashlib.sha256(canonical.item_json(rest).encode()).digest()[:16]
        twin = self._seen.setdefault(digest, key)
        if twin != key and rest:
            self._twice += 1
            _note(self._twins, {"key": key, "same-as": twin})

    def _take_value(self, key: str, field: Field, value: str) -> None:
        self._values += 1
        wanted = datatypes.fault_of(value, field.datatype, field.format)
        if wanted:
            self._faulty += 1
            detail = f"This must be {wanted}."
            _note(self._faults, {"key": key, "field": field.id, "detail": detail})
        elif field.datatype == "curie":
            self._references += 1
            if not self._exists(reference(value)):
                self._dangling += 1
                _note(self._lost, {"key": key, "field": field.id, "curie": value})

    def told(self) -> dict[str, Any]:
        """Return the measures of what was taken."""
        shares = {name: _share(count, self.records) for name, count in self._filled.items()}
        known = [share for share in shares.values() if share is not None]
        return {
            "completeness": {"score": _mean(known), "fields": shares},
            "validity": {
                "score": _share(self._values - self._faulty, self._values),
                "values": self._values,
                "faulty": self._faulty,
                "first": self._faults,
            },
            "uniqueness": {
                "score": _share(self.records - self._twice, self.records),
                "same": self._twice,
                "first": self._twins,
            },
            "referential-integrity": {
                "score": _share(self._references - self._dangling, self._references),
                "references": self._references,
                "dangling": self._dangling,
                "first": self._lost,
            },
        }


def timeliness(frequency: str | None, updated: int, now: int) -> dict[str, Any]:
    """Return how far a register keeps its promise of being brought up to date."""
    period = governance.FREQUENCIES.get(frequency or "")
    age = max(0, now - updated)
    score = None if period is None else round(min(1.0, period / age), 4) if age else 1.0
    return {
        "score": score,
        "update-frequency": frequency,
        "age-days": age // governance.DAY,
        "overdue": period is not None and age > period,
    }


def overall(measures: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the mean of the measures that say something."""
    return _mean([each["score"] for each in measures.values() if each["score"] is not None])


def reference(curie: str) -> Reference:
    """Return where a curie leads."""
    register, _, rest = curie.partition(":")
    return register, unquote(rest)


def references(fields: Sequence[Field], content: str) -> Iterator[tuple[str, str, Reference]]:
    """Yield field, curie and target of each reference of an item that can lead somewhere."""
    item = json.loads(content)
    for field in fields:
        if field.datatype == "curie":
            for value in _values(item.get(field.id)):
                if datatypes.is_curie(value):
                    yield field.id, value, reference(value)


def can_be(target: Reference) -> bool:
    """Tell whether there can be a record at all where a reference leads."""
    return keys.is_name(target[0]) and (not target[1] or keys.is_key(target[1]))


def _values(value: Any) -> list[str]:
    return [value] if isinstance(value, str) and value else [v for v in value or () if v]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(shares: Sequence[float]) -> float | None:
    return round(sum(shares) / len(shares), 4) if shares else None


def _note(examples: list[dict[str, str]], example: dict[str, str]) -> None:
    if len(examples) < MOST_EXAMPLES:
        examples.append(example)
