"""What a provider gets and says, and what providers can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from services.notify.vault import Vault


@dataclass(frozen=True)
class Message:
    """What a provider gets: an opened notification. address: normalised recipient."""

    id: str
    channel: str
    address: str
    recipient_index: str
    sender: str
    service_name: Mapping[str, str]
    subject: str | None
    body: str
    unsubscribe: str | None
    reply_to: str | None = None
    key_type: str = "live"
    is_international: bool = False
    accepted_at: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    letter: "LetterContent | None" = None


@dataclass(frozen=True)
class LetterContent:
    """What a letter has beside its text, and the vault that its pages are kept in."""

    lines: tuple[str, ...]
    contact_block: str | None
    accepted_at: datetime
    vault: Vault


@dataclass(frozen=True)
class Outcome:
    """What a provider said.

    status: the notification's new status, or None when trying again can help. error: why, without
    anything personal. awaits_receipt: the provider has it and will say more. reason: a name of
    ``domain.reasons``. response: the provider's own code. is_fault: the provider itself failed.
    """

    status: str | None
    error: str | None = None
    awaits_receipt: bool = False
    reason: str | None = None
    response: str | None = None
    is_fault: bool = False


class Provider(Protocol):
    """Carries messages. slowest_s: how long one call can take at most."""

    name: str
    slowest_s: float

    def deliver(self, message: Message) -> Outcome:
        """Hand one message over; may be called again for a message that it already has."""

    def close(self) -> None:
        """Let go of connections; called when there is nothing to do."""


@runtime_checkable
class Batching(Protocol):
    """A provider that takes several messages with one call."""

    at_once: int

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        """Hand messages over and return the outcome of each, in order."""


@runtime_checkable
class Searchable(Protocol):
    """A provider that can be asked whether it has a message."""

    def find(self, notification_id: str) -> Outcome | None:
        """Return what it says of a message, or None when it never got it. Raises OSError."""
