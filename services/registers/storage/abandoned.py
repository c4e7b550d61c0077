"""Taking back what loads wrote that never came to their end, bit by bit."""

import logging

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.database import Database
from services.registers.storage import blobs, heads, rows
from services.registers.storage.claims import claim
from services.registers.storage.tables import (
    Blob,
    BlobPlace,
    Edge,
    Entry,
    Head,
    Record,
    Register,
    SystemEntry,
    Tile,
    core,
)
from services.registers.storage.trees import HASH_BYTES

logger = logging.getLogger("registers")
_CHUNK = 5000


def discard_all(database: Database) -> int:
    """Take back every load whose process is gone; returns how many there were."""
    with database.snapshot() as session:
        found = session.scalars(select(Head.register_id).where(Head.loading.is_not(None))).all()
    return sum(discard_if_abandoned(database, register_id) for register_id in found)


def discard_if_abandoned(database: Database, register_id: int) -> bool:
    """Take back what a register's load wrote, unless somebody is loading it now."""
    with claim(database, register_id) as held:
        if held:
            discard(database, register_id)
    return held


def discard(database: Database, register_id: int) -> None:
    """Take back what a register's load wrote; only the holder of its claim may call this."""
    with database.transaction() as session:
        head = heads.lock_head(session, register_id)
        if head is None or head["loading"] is None:
            return
        # whoever wrote under the old name finds that it has lost the register
        session.execute(
            update(Head).where(Head.register_id == register_id).values(loading="discarded")
        )
    logger.warning("taking back a load that did not end", extra={"register": head["name"]})
    _discard_records(database, register_id, head["size"])
    _discard_blobs(database, register_id, head["blobs"])
    _discard_entries(database, register_id, head["size"])
    with database.transaction() as session:
        _discard_tiles(session, register_id, head["size"])
        session.execute(
            delete(SystemEntry).where(
                SystemEntry.register_id == register_id, SystemEntry.number > head["system_size"]
            )
        )
        if head["hidden"] and head["state"] != "draft":
            session.execute(delete(Head).where(Head.register_id == register_id))
            session.execute(delete(Register).where(Register.id == register_id))
        else:
            session.execute(
                update(Head).where(Head.register_id == register_id).values(loading=None)
            )


def _discard_records(database: Database, register_id: int, size: int) -> None:
    last = ""
    while True:
        with database.transaction() as session:
            page = session.execute(
                select(Record.key, Record.first, Record.number)
                .where(Record.register_id == register_id, Record.key > last)
                .order_by(Record.key)
                .limit(_CHUNK)
            ).all()
            for part in rows.chunks([row.key for row in page if row.first > size]):
                session.execute(
                    delete(Record).where(Record.register_id == register_id, Record.key.in_(part))
                )
            for key in (row.key for row in page if row.first <= size < row.number):
                latest = session.execute(
                    select(Entry.number, Entry.blob)
                    .where(Entry.register_id == register_id, Entry.key == key, Entry.number <= size)
                    .order_by(Entry.number.desc())
                    .limit(1)
                ).one()
                session.execute(
                    update(Record)
                    .where(Record.register_id == register_id, Record.key == key)
                    .values(number=latest.number, blob=latest.blob)
                )
        if len(page) < _CHUNK:
            return
        last = page[-1].key


def _discard_blobs(database: Database, register_id: int, last: int) -> None:
    while True:
        with database.transaction() as session:
            # the newest first: where it stops, everything that is left still has its place
            page = session.execute(
                select(Blob.number, Blob.hash, Blob.item_hash)
                .where(Blob.register_id == register_id, Blob.number > last)
                .order_by(Blob.number.desc())
                .limit(_CHUNK)
            ).all()
            if not page:
                return
            places = [
                {"at_kind": kind, "at_prefix": blobs.prefix(digest), "at_number": row.number}
                for row in page
                for kind, digest in ((blobs.ITEM, row.item_hash), (blobs.BLOB, row.hash))
            ]
            session.connection().execute(
                delete(core(BlobPlace.__table__)).where(
                    BlobPlace.register_id == register_id,
                    BlobPlace.kind == bindparam("at_kind"),
                    BlobPlace.prefix == bindparam("at_prefix"),
                    BlobPlace.number == bindparam("at_number"),
                ),
                places,
            )
            session.execute(
                delete(Blob).where(Blob.register_id == register_id, Blob.number >= page[-1].number)
            )


def _discard_entries(database: Database, register_id: int, size: int) -> None:
    while True:
        with database.transaction() as session:
            page = session.scalars(
                select(Entry.number)
                .where(Entry.register_id == register_id, Entry.number > size)
                .order_by(Entry.number.desc())
                .limit(_CHUNK)
            ).all()
            if not page:
                return
            session.execute(
                delete(Entry).where(Entry.register_id == register_id, Entry.number >= page[-1])
            )


def _discard_tiles(session: Session, register_id: int, size: int) -> None:
    session.execute(delete(Edge).where(Edge.register_id == register_id, Edge.number > size))
    levels = session.scalars(
        select(Tile.level).where(Tile.register_id == register_id).distinct()
    ).all()
    for level in levels:
        number, width = divmod(size >> merkle.TILE_HEIGHT * level, merkle.TILE_WIDTH)
        here = (Tile.register_id == register_id) & (Tile.level == level)
        # of level 0 the last, incomplete tile is never kept
        keeps = number if level and width else number - 1
        session.execute(delete(Tile).where(here, Tile.number > keeps))
        if level and width:
            for tile in session.execute(
                select(Tile.tree, Tile.data).where(here, Tile.number == number)
            ).all():
                session.execute(
                    update(Tile)
                    .where(here, Tile.number == number, Tile.tree == tile.tree)
                    .values(data=tile.data[: width * HASH_BYTES])
                )
