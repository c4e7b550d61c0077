"""Carriers that never leave the platform: the inbox, and the simulation for test keys."""

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify.domain import simulator
from services.notify.providers import Message, Outcome
from services.notify.storage import inbox


class Inbox:
    """Puts messages where their (made-up) recipients can open them, each exactly once."""

    name = "inbox"
    slowest_s = 0.0

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def deliver(self, message: Message) -> Outcome:
        """Store the message; a second delivery of the same one changes nothing."""
        with self._database.transaction() as session:
            inbox.deliver(session, message.id, message.recipient_index, self._clock.now())
        return Outcome("delivered")

    def close(self) -> None:
        """Nothing to let go of."""


class Simulation:
    """Answers as a real carrier would, and sends nothing."""

    name = "simulation"
    slowest_s = 0.0

    def deliver(self, message: Message) -> Outcome:
        """Return the outcome that the recipient's address stands for."""
        return Outcome(simulator.outcome(message.address))

    def close(self) -> None:
        """Nothing to let go of."""
