"""Identity's keys: kept over a restart, for as long as they may be used and no longer."""

from pathlib import Path

from sqlalchemy import text

from gateway import storage
from gateway.keys import IssuerKeys
from servicekit.database import Database
from tests.gateway.harness import door, in_loop
from tests.support.issuer import FakeIssuer


@in_loop
async def test_a_restart_does_not_need_identity(tmp_path: Path) -> None:
    issuer = FakeIssuer()
    async with door(tmp_path, issuer=issuer) as it:
        assert (await it.get("/registers", issuer.headers("registers"))).status == 200
    async with door(tmp_path, issuer=issuer, identity_is_up=False) as it:
        assert (await it.get("/registers", issuer.headers("registers"))).status == 200
        stranger = FakeIssuer().headers("registers")
        assert (await it.get("/registers", stranger)).status == 401


@in_loop
async def test_keys_older_than_an_hour_are_not_believed(tmp_path: Path) -> None:
    issuer = FakeIssuer()
    async with door(tmp_path, issuer=issuer) as it:
        assert (await it.get("/registers", issuer.headers("registers"))).status == 200
        keys = [part for part in it.plane.parts if isinstance(part, IssuerKeys)]
        await keys[0].stop()  # they are written by now
        with it.database.transaction() as session:
            session.execute(text("UPDATE issuer_keys SET fetched_at_ms = fetched_at_ms - 3700000"))
    async with door(tmp_path, issuer=issuer, identity_is_up=False) as it:
        assert (await it.get("/registers", issuer.headers("registers"))).status == 401


@in_loop
async def test_kept_keys_that_make_no_sense_do_not_stop_the_start(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    storage.metadata.create_all(database.engine)
    with database.transaction() as session:
        storage.keep_issuer_keys(session, {"keys": "none"}, 0)
    database.dispose()
    async with door(tmp_path) as it:
        assert (await it.get("/registers", it.issuer.headers("registers"))).status == 200


def test_only_the_newest_keys_are_kept(database: Database) -> None:
    storage.metadata.create_all(database.engine)
    for number in (1, 2):
        with database.transaction() as session:
            storage.keep_issuer_keys(session, {"keys": [number]}, number)
    with database.snapshot() as session:
        assert storage.kept_issuer_keys(session) == ({"keys": [2]}, 2)
