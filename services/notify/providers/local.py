"""Carriers that never leave the platform: the inbox, and the simulation for test keys."""

from collections.abc import Sequence

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify.domain import simulator
from services.notify.providers.message import Message, Outcome
from services.notify.storage import inbox


class Inbox:
    """Puts messages where their (made-up) recipients can open them, each exactly once."""

    name = "inbox"
    slowest_s = 0.0
    at_once = 50

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def deliver(self, message: Message) -> Outcome:
        """Store the message; a second delivery of the same one changes nothing."""
        return self.deliver_all([message])[0]

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        """Store messages in one transaction."""
        with self._database.transaction() as session:
            for message in messages:
                inbox.deliver(session, message.id, message.recipient_index, self._clock.now())
        return [Outcome("delivered", reason="delivered")] * len(messages)

    def close(self) -> None:
        """Nothing to let go of."""


class Simulation:
    """Answers as a real carrier would, and sends nothing."""

    name = "simulation"
    slowest_s = 0.0

    def deliver(self, message: Message) -> Outcome:
        """Return the outcome that the recipient's address stands for."""
        return Outcome(simulator.outcome(message.address), reason="simulated")

    def close(self) -> None:
        """Nothing to let go of."""
