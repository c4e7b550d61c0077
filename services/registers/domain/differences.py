"""What changed between two states of a record: field by field, for people and programs."""

from collections.abc import Mapping
from typing import Any

from services.registers.domain import forms

Values = Mapping[str, Any]


def change(key: str, before: Values | None, after: Values | None) -> dict[str, Any]:
    """Return how a record changed: added, changed or unchanged, and each field that differs."""
    old = forms.without_empty(dict(before or {}))
    new = forms.without_empty(dict(after or {}))
    kind = "added" if before is None else "unchanged" if same(old, new) else "changed"
    names = dict.fromkeys([*old, *new])
    return {
        "key": key,
        "change": kind,
        "before": None if before is None else old,
        "after": new,
        "fields": [
            {"field": name, "before": old.get(name), "after": new.get(name)}
            for name in names
            if not _equal(old.get(name), new.get(name))
        ],
    }


def same(old: Values, new: Values) -> bool:
    """Tell whether two states say the same; the values of a list have no order."""
    return old.keys() == new.keys() and all(_equal(old[name], new[name]) for name in old)


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return sorted(old) == sorted(new)
    return bool(old == new)
