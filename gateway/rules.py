"""What the policy knows and remembers beside the consents: agreements, laws, limits, proofs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.consents import Feed
from gateway.directory import Directory
from gateway.faults import Faults
from gateway.limits.counting import Limits
from gateway.limits.plans import load_plans
from gateway.proofs import Proofs
from gateway.purposes import Purposes, Statutes, check_statutes, load_statutes
from gateway.settings import Settings
from servicekit.clock import Clock
from servicekit.database import Database

FOLDER = Path(__file__).parent


class Part(Protocol):
    """Something that lives as long as the application: a poller, the log's writer."""

    async def start(self) -> None:
        """Begin, on the running event loop."""

    async def stop(self) -> None:
        """End, leaving nothing behind."""


@dataclass(frozen=True)
class Rules:
    """Everything that the door asks beside the call itself; all of it is held in memory."""

    statutes: Statutes
    directory: Directory
    limits: Limits
    proofs: Proofs
    faults: Faults

    @property
    def parts(self) -> tuple[Part, ...]:
        """What lives as long as the application."""
        return self.directory, self.limits, self.proofs, self.faults

    def refresh(self) -> None:
        """Take up what was just written; the other workers follow within a second."""
        self.directory.read()
        self.faults.read()


def prepare(
    settings: Settings, database: Database, purposes: Purposes, feed: Feed, clock: Clock
) -> Rules:
    """Put everything together as the settings say."""
    statutes = load_statutes(FOLDER / "statutes.yaml")
    check_statutes(purposes, statutes)
    directory = Directory(database, feed.sandboxes, clock)
    return Rules(
        statutes,
        directory,
        Limits(
            load_plans(FOLDER / "limits" / "plans.yaml", settings.limit_factor),
            directory.plan_of,
            database,
            settings.log_key_bytes,
        ),
        Proofs(database, settings.public_url),
        Faults(database, clock, is_demonstration=settings.start_state is not None),
    )
