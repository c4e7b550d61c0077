"""The exchange log with everything that writes, keeps and reads it."""

from dataclasses import dataclass

from gateway.consents import Feed
from gateway.exchanges.checkpoints import Checkpoints, signer_for
from gateway.exchanges.listing import Listing
from gateway.exchanges.retention import Retention
from gateway.exchanges.seal import Seal
from gateway.exchanges.writer import Writer
from gateway.purposes import Purposes
from gateway.routing import RouteTable
from gateway.settings import Settings
from servicekit.clock import Clock
from servicekit.database import Database


@dataclass(frozen=True)
class Book:
    """The log as the gateway's own API works with it."""

    database: Database
    seal: Seal
    listing: Listing
    writer: Writer
    feed: Feed
    checkpoints: Checkpoints
    retention: Retention
    clock: Clock
    services: frozenset[str]

    def settle(self) -> None:
        """Let whoever asks see every call that was answered before."""
        if self.writer.works:
            self.writer.flush(timeout_s=1)


def open_book(
    settings: Settings,
    database: Database,
    routes: RouteTable,
    purposes: Purposes,
    feed: Feed,
    clock: Clock,
) -> Book:
    """Put the log together as the settings say."""
    seal = Seal(settings.log_key_bytes)
    signer = signer_for(settings.public_url, settings.checkpoint_key, settings.log_key_bytes)
    return Book(
        database,
        seal,
        Listing(routes, purposes, feed.name_of, seal),
        Writer(
            database,
            seal,
            flush_every_s=settings.flush_every_ms / 1000,
            timeout_s=settings.log_timeout_s,
        ),
        feed,
        Checkpoints(database, signer, clock, every_s=settings.checkpoint_every_s),
        Retention(
            database,
            clock,
            personal_days=settings.keep_personal_days,
            ordinary_days=settings.keep_ordinary_days,
        ),
        clock,
        frozenset(settings.upstream_addresses) | {"gateway"},
    )
