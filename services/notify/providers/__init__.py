"""Those who carry a message: inbox, mail server, post, or a simulation for test keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.notify.storage.jobs import Claimed
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

    status: the notification's final status, or None when trying again can help.
    error: why, without anything personal.
    """

    status: str | None
    error: str | None = None


class Provider(Protocol):
    """Carries messages. slowest_s: how long one call can take at most."""

    name: str
    slowest_s: float

    def deliver(self, message: Message) -> Outcome:
        """Hand one message over; may be called again for a message that it already has."""

    def close(self) -> None:
        """Let go of connections; called when there is nothing to do."""


class Providers:
    """Chooses who carries a job."""

    def __init__(
        self,
        inbox: Provider,
        simulation: Provider,
        mail: Provider | None,
        post: Provider | None = None,
    ) -> None:
        self._inbox, self._simulation, self._mail = inbox, simulation, mail
        self._post = post

    def for_job(self, job: Claimed) -> Provider:
        """Return the provider: nothing leaves under a test key; emails leave if they can."""
        if job.channel == "letter" and self._post is not None:
            return self._post  # it makes the pages under any key, and prints them under none
        if job.key_type == "test":
            return self._simulation
        if job.channel == "email" and self._mail is not None:
            return self._mail
        return self._inbox

    def close(self) -> None:
        """Let all of them go of connections."""
        for provider in (self._inbox, self._simulation, self._mail, self._post):
            if provider is not None:
                provider.close()
