"""Notify as the portal uses it: a person's own messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, optional_text, rows, text, words

INBOX = "notify.inbox"
CHANNELS = ("sms", "email", "letter")


@dataclass(frozen=True)
class Line:
    """One line of a message, in the direction that it is read in."""

    text: str
    language: str
    direction: str


@dataclass(frozen=True)
class Part:
    """Some lines of a message. ``kind``: heading, subheading, lines, bullets or numbers."""

    kind: str
    lines: list[Line]

    @property
    def direction(self) -> str:
        """Return the direction of most of its lines."""
        rtl = sum(line.direction == "rtl" for line in self.lines)
        return "rtl" if 2 * rtl > len(self.lines) else "ltr"


@dataclass(frozen=True)
class Message:
    """One delivered message."""

    id: str
    sender: Mapping[str, str]
    subject: str | None
    parts: list[Part]
    sent_at: str


class NotifyClient:
    """Reads the inbox of the person whose token is given."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor

    def inbox(
        self, token: str, channel: str, *, before: str | None = None
    ) -> tuple[list[Message], str | None]:
        """Return messages of one channel, newest first, and where the next page begins."""
        answer = self._corridor.call(
            "GET",
            "/notify/inbox",
            service="notify",
            scope=INBOX,
            token=token,
            headers={"Atoll-Purpose": "own-data"},
            params={"channel": channel} | ({"before": before} if before else {}),
        )
        document = members(json_of(answer))
        messages = [
            Message(
                id=text(one.get("id")),
                sender=words(members(one.get("service")).get("name")) or words(one.get("from")),
                subject=optional_text(one.get("subject")),
                parts=_parts(one.get("parts")),
                sent_at=text(one.get("sent_at")),
            )
            for one in rows(document.get("messages"))
        ]
        return messages, optional_text(document.get("next"))


def _parts(value: Any) -> list[Part]:
    return [Part(text(one.get("kind")), _lines(one.get("lines"))) for one in rows(value)]


def _lines(value: Any) -> list[Line]:
    return [
        Line(
            text(one.get("text")),
            "dv" if one.get("language") == "dv" else "en",
            "rtl" if one.get("direction") == "rtl" else "ltr",
        )
        for one in rows(value)
    ]
