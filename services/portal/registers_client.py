"""The registers as the portal reads them: the list, one register, its records and their life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import requests

from servicekit.outbound import Corridor
from servicekit.problems import Problem
from services.portal.answers import json_of, members, number, rows, text, words

SERVICE, SCOPE = "registers", "registers.read"
_PAGE, _PAGES = 200, 5  # of a record's life that are read; the newest are shown


@dataclass(frozen=True)
class Register:
    """One line of the list of registers."""

    id: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    synthetic: bool
    source: str
    records: int
    entries: int
    updated: str
    custodian: str = ""
    personal: bool = False


@dataclass(frozen=True)
class Field:
    """One column of a register. ``format`` narrows a text: ``decimal`` or ``point``, or nothing.

    register: where its references lead, if it has any.
    """

    id: str
    title: Mapping[str, str]
    datatype: str
    many: bool
    format: str = ""
    register: str = ""

    @property
    def is_figure(self) -> bool:
        """Whether its values are numbers."""
        return self.datatype == "integer" or self.format == "decimal"


@dataclass(frozen=True)
class Context:
    """What a register says about itself: columns in their order, who keeps it, on what terms."""

    fields: list[Field]
    custodian: str
    source: str
    licence: str
    size: int = 0
    kept_apart: tuple[Field, ...] = ()  # of a personal register: the fields that its log hides
    questions: tuple[str, ...] = ()
    governance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Some records, and the query of the next page. total: how many there are, if that is known."""

    records: list[Mapping[str, Any]]
    next: Mapping[str, str] | None
    total: int | None = None


@dataclass(frozen=True)
class Change:
    """What one field said before and after."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Version:
    """One entry of a record's life, what it changed and why."""

    number: int
    at: str
    blob_hash: str
    item: Mapping[str, Any]
    is_first: bool
    changes: list[Change]
    reason: str


@dataclass(frozen=True)
class Life:
    """The newest versions of a record, newest first, and how many there are in all."""

    versions: list[Version]
    total: int


class RegistersClient:
    """Reads public registers through the gateway."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def registers(self) -> list[Register]:
        """Return every register with its size."""
        answer = members(json_of(self.answer("/registers")))
        return [
            Register(
                id=text(one.get("id")),
                title=words(one.get("title")),
                description=words(one.get("description")),
                synthetic=one.get("synthetic") is True,
                source=text(one.get("source")) or words(one.get("source")).get("en", ""),
                records=number(one.get("records")),
                entries=number(one.get("entries")),
                updated=text(one.get("updated")),
                custodian=text(one.get("custodian")),
                personal=one.get("personal") is True,
            )
            for one in rows(answer.get("registers"))
        ]

    def context(self, register: str) -> Context:
        """Return what a register says about itself."""
        answer = members(json_of(self.answer(f"/registers/{part(register)}/context")))
        personal = members(answer.get("personal"))
        questions = personal.get("questions")
        return Context(
            fields=[_field(one) for one in rows(answer.get("schema"))],
            custodian=text(answer.get("custodian")),
            source=text(answer.get("source")),
            licence=text(answer.get("licence")),
            size=number(members(answer.get("statistics")).get("total-entries")),
            kept_apart=tuple(_field(one) for one in rows(personal.get("schema"))),
            questions=tuple(map(text, questions)) if isinstance(questions, list) else (),
            governance=words(answer.get("governance")),
        )

    def records(self, register: str, query: Mapping[str, str]) -> Page:
        """Return a page of records; query: what an earlier page's ``next`` said."""
        answer = self.answer(f"/registers/{part(register)}/records", query)
        return Page(rows(json_of(answer)), next_query(answer))

    def record(
        self, register: str, key: str, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Return one record, now or (query: log-size or at) as it was."""
        path = f"/registers/{part(register)}/records/{part(key)}"
        return members(json_of(self.answer(path, query)))

    def life(self, register: str, key: str, most: int = 20) -> Life:
        """Return a record's newest versions, newest first, each with what it changed."""
        path = f"/registers/{part(register)}/records/{part(key)}/history"
        query: Mapping[str, str] | None = {"limit": str(_PAGE)}
        found: list[Mapping[str, Any]] = []
        total = 0
        for _ in range(_PAGES):
            answer = self.answer(path, query)
            told = members(json_of(answer))
            found = (found + rows(told.get("versions")))[-most:]
            total, query = number(told.get("total-versions")), next_query(answer)
            if query is None:
                break
        return Life([_version(one) for one in reversed(found)], total)

    def answer(self, path: str, query: Any = None) -> requests.Response:
        """Read an address under the portal's own name, or under none while identity is away."""
        try:
            token = self._corridor.token(SERVICE, SCOPE)
        except Problem:  # registers are public: they can be read while identity is away
            return self._corridor.send(
                "GET", path, params=query, headers={"Accept": "application/json"}
            )
        return self._corridor.call(
            "GET", path, service=SERVICE, scope=SCOPE, token=token, params=query
        )


def next_query(answer: requests.Response) -> Mapping[str, str] | None:
    """Return the query of the page after an answer, if there is one."""
    following = answer.links.get("next", {}).get("url")
    return dict(parse_qsl(urlsplit(following).query)) if following else None


def changes_of(value: Any) -> list[Change]:
    """Read the fields that differ between two states of a record."""
    return [
        Change(text(one.get("field")), one.get("before"), one.get("after")) for one in rows(value)
    ]


def part(text: str) -> str:
    """Escape one part of an address."""
    return quote(text, safe="")


def _version(one: Mapping[str, Any]) -> Version:
    return Version(
        number=number(one.get("entry-number")),
        at=text(one.get("entry-timestamp")),
        blob_hash=text(one.get("blob-hash")),
        item=members(one.get("item")),
        is_first=one.get("change") == "added",
        changes=changes_of(one.get("fields")),
        reason=text(one.get("reason")),
    )


def _field(one: Mapping[str, Any]) -> Field:
    dhivehi = text(members(members(one.get("translations")).get("dv")).get("title"))
    english = text(one.get("title")) or text(one.get("id"))
    return Field(
        id=text(one.get("id")),
        title={"en": english, **({"dv": dhivehi} if dhivehi else {})},
        datatype=text(one.get("datatype")),
        many=one.get("cardinality") == "n",
        format=text(one.get("format")),
        register=text(one.get("register")),
    )
