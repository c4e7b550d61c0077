"""Where the records of a register are: by their own coordinates, or by the island they name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from services.portal.answers import text
from services.portal.domain.map_picture import Mark, Place, read_point
from services.portal.registers_client import Context, RegistersClient

ISLANDS, ATOLLS, MOST = "island", "atoll", 2000
PAGE = {"limit": "1000"}
Say = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Atlas:
    """Marks by atoll, and the atolls themselves: islands, names and the letters on the map.

    elsewhere: how many records have no place. is_whole: whether all records were looked at.
    """

    marks: list[Mark]
    land: Mapping[str, list[Place]]
    names: Mapping[str, str]
    codes: Mapping[str, str]
    elsewhere: int
    is_whole: bool

    def marks_of(self, group: str, chosen: str) -> list[Mark]:
        """Return the marks of one atoll, numbered, or all; ``chosen`` is the key to point at."""
        found = [one for one in self.marks if not group or one.group == group]
        return [
            replace(one, number=place if group else None, is_chosen=one.key == chosen)
            for place, one in enumerate(found, start=1)
        ]

    @property
    def groups(self) -> list[tuple[str, str, list[Mark]]]:
        """The atolls that have marks: id, name and marks, from north to south."""
        found = [(one, [m for m in self.marks if m.group == one]) for one in self._north_to_south]
        return [(one, self.names.get(one, one), marks) for one, marks in found if marks]

    @property
    def _north_to_south(self) -> list[str]:
        def middle(group: str) -> float:
            places = self.land.get(group, [])
            return -sum(place[0] for place in places) / max(1, len(places))

        return sorted(self.land, key=middle) + (
            [""] if any(not m.group for m in self.marks) else []
        )


def read_atlas(client: RegistersClient, register: str, context: Context, say: Say) -> Atlas:
    """Read a register's records, the islands under them and the atolls around these."""
    islands = {text(one.get("_id")): one for one in _all(client, ISLANDS)[0]}
    atolls = {text(one.get("_id")): one for one in _all(client, ATOLLS)[0]}
    records, is_whole = (
        (list(islands.values()), True) if register == ISLANDS else _all(client, register)
    )
    point = next((f.id for f in context.fields if f.format == "point"), None)
    link = next((f.id for f in context.fields if f.register == ISLANDS), None)
    land: dict[str, list[Place]] = {}
    for island in islands.values():
        if (place := read_point(island.get("coordinates"))) is not None:
            land.setdefault(_reference(island.get("atoll")), []).append(place)
    marks: list[Mark] = []
    for record in records:
        island = record if point else islands.get(_reference(record.get(link or "")), {})
        at = read_point(island.get(point or "coordinates"))
        if at is not None:
            group = _reference(island.get("atoll"))
            marks.append(Mark(text(record.get("_id")), _name(record, say), at, group))
    marks.sort(key=lambda mark: (mark.group, -mark.at[0]))
    return Atlas(
        marks,
        land,
        {one: _name(atolls.get(one, {"_id": one}), say) for one in land},
        {one: _letters(one, atolls.get(one, {}), say) for one in land},
        len(records) - len(marks),
        is_whole,
    )


def _all(client: RegistersClient, register: str) -> tuple[list[Mapping[str, Any]], bool]:
    """Return a register's records, ``MOST`` at most, and whether these are all."""
    found: list[Mapping[str, Any]] = []
    query: Mapping[str, str] | None = PAGE
    while query is not None and len(found) < MOST:
        page = client.records(register, query)
        found += page.records
        query = page.next
    return found[:MOST], query is None


def _reference(value: object) -> str:
    return unquote(value.partition(":")[2]) if isinstance(value, str) else ""


def _name(record: Mapping[str, Any], say: Say) -> str:
    names = {"en": text(record.get("name")), "dv": text(record.get("name-dv"))}
    return say({key: name for key, name in names.items() if name}) or text(record.get("_id"))


def _letters(key: str, atoll: Mapping[str, Any], say: Say) -> str:
    """Return the letters of an atoll for the map: ``K``, or in Dhivehi its letter in Thaana."""
    return say({"en": key, "dv": text(atoll.get("name-dv")) or key})
