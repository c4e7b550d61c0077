"""The composition root of the gateway."""

from pathlib import Path
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from gateway import agreements, operations, reuse, rules, teaching
from gateway.consents import Feed
from gateway.data_plane import DataPlane
from gateway.exchanges import views as log_views
from gateway.exchanges.book import open_book
from gateway.exchanges.stream import Stream
from gateway.health import Health
from gateway.keys import IssuerKeys
from gateway.loopback import Ipv6Loopback
from gateway.purposes import load_purposes
from gateway.reloading import RoutesFile
from gateway.routes import Own, blueprint, ready
from gateway.settings import Settings
from gateway.upstreams import Upstreams
from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.settings import load
from servicekit.tokens import Verifier

FOLDER = Path(__file__).parent
ROUTES = FOLDER / "routes.yaml"


def create_app(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    verifier: Verifier | None = None,
    clock: Clock | None = None,
) -> DataPlane:
    """Return the ASGI application: the data plane, with the gateway's own Flask app behind it."""
    settings = settings or load(Settings, "GATEWAY")
    database = database or Database(settings.database_url)
    upstreams, purposes = Upstreams.from_settings(settings), load_purposes(FOLDER / "purposes.yaml")
    file = RoutesFile(settings.routes_file or ROUTES, upstreams, settings.run_folder)
    routes = file.table
    feed = Feed(upstreams, every_s=settings.feed_every_s, stale_s=settings.feed_stale_s)
    keys = IssuerKeys(upstreams, database)
    verifier = verifier or Verifier(keys.source, settings.issuer, denied=feed.denies)
    clock = clock or SystemClock()
    log = open_book(settings, database, routes, purposes, feed, clock)
    health = Health(upstreams, every_s=settings.probe_every_s)
    rulebook = rules.prepare(settings, database, purposes, feed, clock)
    own = Own(log, health, upstreams, rulebook, settings)
    steering = operations.prepare(settings, file, upstreams, health, log.writer)
    flask = new_app("gateway", settings, folder=FOLDER, ready=lambda: ready(own), verifier=verifier)
    office = agreements.Office(log, rulebook.directory, health, routes, settings.unused_days)
    for views in (
        blueprint(own), operations.blueprint(steering), log_views.blueprint(log),
        reuse.blueprint(database, feed.name_of, clock), agreements.blueprint(office),
        teaching.blueprint(rulebook.faults, upstreams),
    ):  # fmt: skip
        flask.register_blueprint(views)
    mounted = Stream(
        WSGIMiddleware(cast("Any", flask), workers=4), database, log.listing, verifier,
        viewers=settings.stream_viewers,
        is_leaving=lambda: steering.leaving.is_set,
    )  # fmt: skip
    parts = (
        log.writer, upstreams, keys, feed, health, log.checkpoints, log.retention, mounted,
        *rulebook.parts, *steering.parts, Ipv6Loopback(settings.relay_port),
    )  # fmt: skip
    return DataPlane(
        settings, routes, purposes, verifier, feed, upstreams, log.writer, mounted,
        clock, rulebook, parts, steering,
    )  # fmt: skip
