"""Notify as the portal uses it: a person's own messages."""

from dataclasses import dataclass

from servicekit.outbound import Corridor
from services.portal.answers import json_of, members, optional_text, rows, text, words

INBOX = "notify.inbox"
CHANNELS = ("sms", "email", "letter")


@dataclass(frozen=True)
class Message:
    """One delivered message."""

    id: str
    sender: str
    subject: str | None
    body: str
    sent_at: str
    language: str


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
                sender=text(members(one.get("service")).get("name"))
                or words(members(one.get("service")).get("name")).get("en", "")
                or text(one.get("from")),
                subject=optional_text(one.get("subject")),
                body=text(one.get("body")),
                sent_at=text(one.get("sent_at")),
                language=text(one.get("language")) or "en",
            )
            for one in rows(document.get("messages"))
        ]
        return messages, optional_text(document.get("next"))
