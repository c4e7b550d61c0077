"""Those who carry a message: inbox, mail server, texts, post, or a simulation for test keys."""

from collections.abc import Sequence

from services.notify.providers.message import (
    Batching,
    LetterContent,
    Message,
    Outcome,
    Provider,
    Searchable,
)
from services.notify.providers.pool import Pool
from services.notify.storage.jobs import Claimed

__all__ = [
    "Batching",
    "LetterContent",
    "Message",
    "Outcome",
    "Pool",
    "Provider",
    "Providers",
    "Searchable",
]


class Providers:
    """Chooses who carries a job."""

    def __init__(
        self,
        inbox: Provider,
        simulation: Provider,
        mail: Provider | None,
        post: Provider | None = None,
        texts: Pool | None = None,
    ) -> None:
        self._inbox, self._simulation, self._mail = inbox, simulation, mail
        self._post, self._texts = post, texts

    def for_job(self, job: Claimed) -> Provider:
        """Return the provider: nothing leaves under a test key; texts and emails do if they can."""
        if job.channel == "letter" and self._post is not None:
            return self._post  # it makes the pages under any key, and prints them under none
        if job.key_type == "test":
            return self._simulation
        if job.channel == "email" and self._mail is not None:
            return self._mail
        if job.channel == "sms" and self._texts is not None:
            return self._texts.choose(excluding=job.last_provider)
        return self._inbox

    def named(self, name: str) -> Provider | None:
        """Return a provider of texts by its name."""
        return self._texts.named(name) if self._texts is not None else None

    def record(self, carrier: Provider, outcomes: Sequence[Outcome]) -> None:
        """Learn from what came of one call."""
        if self._texts is not None and self._texts.named(carrier.name) is carrier:
            self._texts.record(carrier.name, failed=any(each.is_fault for each in outcomes))

    def has_another(self, job: Claimed, carrier: Provider) -> bool:
        """Whether a failed text should go to another provider at once."""
        return (
            job.channel == "sms"
            and self._texts is not None
            and self._texts.has_another(carrier.name, job.attempts)
        )

    def close(self) -> None:
        """Let all of them go of connections."""
        for provider in (self._inbox, self._simulation, self._mail, self._post, self._texts):
            if provider is not None:
                provider.close()
