"""What the portal asks registers beside reading: searching, comparing, links, verifying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, number, rows, text, words
from services.portal.registers_client import (
    SCOPE,
    SERVICE,
    Change,
    Page,
    RegistersClient,
    changes_of,
    next_query,
    part,
)

MEASURES = ("completeness", "validity", "uniqueness", "referential-integrity", "timeliness")
PARTS = 20  # of a verification: 5120 entries each


@dataclass(frozen=True)
class Value:
    """One value of a facet, how many records have it, and what it is called."""

    value: str
    count: int
    label: Mapping[str, str]


@dataclass(frozen=True)
class Facet:
    """The values of one field, counted; ``more``: not all are shown."""

    field: str
    title: Mapping[str, str]
    values: list[Value]
    more: bool

    @property
    def tells_apart(self) -> bool:
        """Whether it narrows anything down: not where every value has a record or two."""
        return any(value.count > 2 for value in self.values)


@dataclass(frozen=True)
class Link:
    """A record that another one leads to or that leads here, and how it is called."""

    register: str
    key: str
    label: Mapping[str, str]


@dataclass(frozen=True)
class Links:
    """The records of one register whose field leads to a record."""

    register: str
    field: str
    title: Mapping[str, str]
    total: int
    records: list[Link]


@dataclass(frozen=True)
class Difference:
    """How one record differs between two sizes of the log; ``kind``: added or changed."""

    key: str
    kind: str
    changes: list[Change]


@dataclass(frozen=True)
class Comparison:
    """What two sizes of the log show differently, and the query of the next page."""

    old: int
    new: int
    differences: list[Difference]
    next: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Quality:
    """How good a register's data are, from 0 to 1; a measure that says nothing is None."""

    score: float | None
    measures: Mapping[str, float | None]


@dataclass(frozen=True)
class Verification:
    """How far a register was rebuilt from its entries, and the first thing that cannot be true."""

    verified: int
    size: int
    done: bool
    entry: int | None
    detail: str

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.detail


def search(client: RegistersClient, register: str, query: Sequence[tuple[str, str]]) -> Page:
    """Return the records that a search finds, the best ones first."""
    answer = client.answer(f"/registers/{part(register)}/search", list(query))
    told = members(json_of(answer))
    found: list[Mapping[str, Any]] = [
        {"_id": text(one.get("_id")), **members(one.get("item"))}
        for one in rows(told.get("results"))
    ]
    total = told.get("total")
    return Page(found, next_query(answer), total if isinstance(total, int) else None)


def facets(client: RegistersClient, register: str, query: Sequence[tuple[str, str]]) -> list[Facet]:
    """Return the values by which a register's records can be narrowed down, references first."""
    answer = client.answer(f"/registers/{part(register)}/facets", list(query))
    found = [
        Facet(
            text(one.get("field")),
            words(one.get("title")),
            [
                Value(text(each.get("value")), number(each.get("count")), words(each.get("label")))
                for each in rows(one.get("values"))
            ],
            one.get("more") is True,
        )
        for one in rows(members(json_of(answer)).get("facets"))
    ]
    return sorted(
        (facet for facet in found if facet.tells_apart),
        key=lambda facet: not any(value.label for value in facet.values),
    )


def links_to(client: RegistersClient, register: str, key: str) -> list[Links]:
    """Return what leads to a record."""
    answer = client.answer(f"/registers/{part(register)}/records/{part(key)}/links")
    return [
        Links(
            (other := text(one.get("register"))),
            text(one.get("field")),
            words(one.get("title")),
            number(one.get("total")),
            [
                Link(other, text(each.get("_id")), words(each.get("label")))
                for each in rows(one.get("records"))
            ],
        )
        for one in rows(members(json_of(answer)).get("incoming"))
    ]


def quality(client: RegistersClient, register: str) -> Quality:
    """Return how complete, valid, unique, well connected and timely a register's records are."""
    told = members(json_of(client.answer(f"/registers/{part(register)}/quality")))
    measures = members(told.get("measures"))
    return Quality(
        _share(told.get("score")),
        {name: _share(members(measures.get(name)).get("score")) for name in MEASURES},
    )


def compare(client: RegistersClient, register: str, query: Mapping[str, str]) -> Comparison:
    """Return what a register shows differently at two sizes; query: from, to, and the page."""
    answer = client.answer(f"/registers/{part(register)}/diff", query)
    told = members(json_of(answer))
    return Comparison(
        number(told.get("from")),
        number(told.get("to")),
        [_difference(one) for one in rows(told.get("changes"))],
        next_query(answer),
    )


def compare_record(
    client: RegistersClient, register: str, key: str, query: Mapping[str, str]
) -> Comparison:
    """Return how one record differs between two sizes."""
    path = f"/registers/{part(register)}/records/{part(key)}/diff"
    told = members(json_of(client.answer(path, query)))
    return Comparison(number(told.get("from")), number(told.get("to")), [_difference(told)])


def verify(corridor: Corridor, register: str) -> Verification:
    """Have a register rebuilt from its entries, part by part, up to the first difference."""
    path, after = f"/registers/{part(register)}/verification", 0
    for _ in range(PARTS):
        told = members(
            json_of(
                corridor.call(
                    "GET", path, service=SERVICE, scope=SCOPE, params={"after": str(after)}
                )
            )
        )
        after, difference = number(told.get("verified")), members(told.get("difference"))
        if told.get("done") is True:
            break
    return Verification(
        after,
        number(told.get("size")),
        told.get("done") is True,
        number(difference.get("entry-number")) or None,
        text(difference.get("detail")),
    )


def _difference(one: Mapping[str, Any]) -> Difference:
    return Difference(text(one.get("key")), text(one.get("change")), changes_of(one.get("fields")))


def _share(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else None  # type: ignore[arg-type,operator]
