"""The composition root of the gateway."""

from pathlib import Path
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from gateway import reuse
from gateway.asgi import AsgiApp
from gateway.consents import Feed
from gateway.data_plane import DataPlane
from gateway.exchanges.listing import Listing
from gateway.exchanges.seal import Seal
from gateway.exchanges.writer import Writer
from gateway.health import Health
from gateway.keys import IssuerKeys
from gateway.loopback import Ipv6Loopback
from gateway.purposes import load_purposes
from gateway.routes import Own, blueprint, ready
from gateway.routing import load_routes
from gateway.settings import Settings
from gateway.upstreams import Upstreams
from servicekit.app import new_app
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.settings import load
from servicekit.tokens import Verifier

FOLDER = Path(__file__).parent


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
    routes, purposes = load_routes(FOLDER / "routes.yaml"), load_purposes(FOLDER / "purposes.yaml")
    upstreams = Upstreams.from_settings(settings)
    feed = Feed(upstreams, every_s=settings.feed_every_s, stale_s=settings.feed_stale_s)
    keys = IssuerKeys(upstreams, database)
    verifier = verifier or Verifier(keys.source, settings.issuer, denied=feed.denies)
    seal = Seal(settings.log_key_bytes)
    log = Writer(
        database,
        seal,
        flush_every_s=settings.flush_every_ms / 1000,
        timeout_s=settings.log_timeout_s,
    )
    health = Health(upstreams, every_s=settings.probe_every_s)
    listing = Listing(routes, purposes, feed.name_of, seal)
    own = Own(database, seal, listing, log, feed, health, upstreams)
    flask = new_app("gateway", settings, folder=FOLDER, ready=lambda: ready(own), verifier=verifier)
    flask.register_blueprint(blueprint(own))
    clock = clock or SystemClock()
    flask.register_blueprint(reuse.blueprint(database, feed.name_of, clock))
    parts = (log, upstreams, keys, feed, health, Ipv6Loopback(settings.relay_port))
    mounted = cast("AsgiApp", WSGIMiddleware(cast("Any", flask), workers=4))
    return DataPlane(
        settings, routes, purposes, verifier, feed, upstreams, log, mounted,
        clock, parts,
    )  # fmt: skip
