"""The registers as the portal reads them: the list, one register, its records and their history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import requests

from servicekit.outbound import Corridor
from servicekit.problems import Problem
from services.portal.answers import json_of, members, number, rows, text, words

_SERVICE, _SCOPE = "registers", "registers.read"


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


@dataclass(frozen=True)
class Field:
    """One column of a register. ``format`` narrows a text: ``decimal`` or ``point``, or nothing."""

    id: str
    title: Mapping[str, str]
    datatype: str
    many: bool
    format: str = ""

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


@dataclass(frozen=True)
class Page:
    """Some records, and the query of the next page."""

    records: list[Mapping[str, Any]]
    next: Mapping[str, str] | None


@dataclass(frozen=True)
class Entry:
    """One entry of a record's history."""

    number: int
    at: str
    blob_hash: str
    item: Mapping[str, Any]


class RegistersClient:
    """Reads public registers through the gateway."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def registers(self) -> list[Register]:
        """Return every register with its size."""
        answer = members(json_of(self._get("/registers")))
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
            )
            for one in rows(answer.get("registers"))
        ]

    def context(self, register: str) -> Context:
        """Return what a register says about itself."""
        answer = members(json_of(self._get(f"/registers/{_part(register)}/context")))
        return Context(
            fields=[_field(one) for one in rows(answer.get("schema"))],
            custodian=text(answer.get("custodian")),
            source=text(answer.get("source")),
            licence=text(answer.get("licence")),
        )

    def records(self, register: str, query: Mapping[str, str]) -> Page:
        """Return a page of records; query: what an earlier page's ``next`` said."""
        answer = self._get(f"/registers/{_part(register)}/records", query)
        following = answer.links.get("next", {}).get("url")
        return Page(
            rows(json_of(answer)), dict(parse_qsl(urlsplit(following).query)) if following else None
        )

    def record(self, register: str, key: str) -> Mapping[str, Any]:
        """Return one record."""
        return members(json_of(self._get(f"/registers/{_part(register)}/records/{_part(key)}")))

    def history(self, register: str, key: str) -> list[Entry]:
        """Return a record's entries, newest first, each with what it said."""
        base = f"/registers/{_part(register)}"
        entries = rows(json_of(self._get(f"{base}/records/{_part(key)}/entries")))
        return [
            Entry(
                number=number(one.get("entry-number")),
                at=text(one.get("entry-timestamp")),
                blob_hash=text(one.get("blob-hash")),
                item=members(
                    json_of(self._get(f"{base}/blobs/{_part(text(one.get('blob-hash')))}"))
                ),
            )
            for one in reversed(entries[-10:])
        ]

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> requests.Response:
        try:
            token = self._corridor.token(_SERVICE, _SCOPE)
        except Problem:  # registers are public: they can be read while identity is away
            return self._corridor.send(
                "GET", path, params=query, headers={"Accept": "application/json"}
            )
        return self._corridor.call(
            "GET", path, service=_SERVICE, scope=_SCOPE, token=token, params=query
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
    )


def _part(text: str) -> str:
    return quote(text, safe="")
