"""A person's own records in personal registers, read and corrected with that person's token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, number, optional_text, rows, text
from services.portal.registers_client import SERVICE, part

PERSONAL = "registers.personal"


@dataclass(frozen=True)
class Correction:
    """What the person asked to be put right, and what the custodian decided."""

    made: str
    state: str
    field: str
    wanted: str
    because: str
    answer: str | None

    @property
    def is_erasure(self) -> bool:
        """Whether the whole record was asked to be erased."""
        return not self.field


@dataclass(frozen=True)
class Version:
    """One entry of a record, with the salts that let its reader check the log."""

    number: int
    at: str
    values: Mapping[str, Any]
    disclosures: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class OwnRecord:
    """One record about the person: newest version first."""

    key: str
    versions: list[Version]
    corrections: list[Correction]


class OwnRecordsClient:
    """Speaks for the person; the gateway records every reading before its answer leaves."""

    def __init__(self, corridor: Corridor, token: Callable[[], str]) -> None:
        self._corridor, self._token = corridor, token

    def records(self, register: str) -> list[OwnRecord]:
        """Return the person's first records, each with its history."""
        listed = members(json_of(self._call("GET", register, "personal/records")))
        return [
            _record(
                members(
                    json_of(
                        self._call("GET", register, f"personal/records/{part(text(one['key']))}")
                    )
                )
            )
            for one in rows(listed.get("records"))
        ]

    def ask(
        self, register: str, key: str, wish: Mapping[str, str], *, is_erasure: bool
    ) -> Mapping[str, Any]:
        """Ask for a correction of a record; wish: field, wanted and because."""
        body: dict[str, Any] = dict(wish) | ({"erase": True} if is_erasure else {})
        path = f"personal/records/{part(key)}/corrections"
        return members(json_of(self._call("POST", register, path, json=body)))

    def _call(self, method: str, register: str, path: str, **options: Any) -> Any:
        return self._corridor.call(
            method,
            f"/registers/{part(register)}/{path}",
            service=SERVICE,
            scope=PERSONAL,
            token=self._token(),
            headers={"Atoll-Purpose": "own-data"},
            **options,
        )


def _record(one: Mapping[str, Any]) -> OwnRecord:
    return OwnRecord(
        text(one.get("key")),
        [
            Version(
                number(each.get("entry-number")),
                text(each.get("entry-timestamp")),
                members(each.get("values")),
                {name: members(told) for name, told in members(each.get("disclosures")).items()},
            )
            for each in reversed(rows(one.get("history")))
        ],
        [
            Correction(
                text(each.get("made")),
                text(each.get("state")),
                text(each.get("field")),
                text(each.get("wanted")),
                text(each.get("because")),
                optional_text(each.get("answer")),
            )
            for each in rows(one.get("corrections"))
        ],
    )
