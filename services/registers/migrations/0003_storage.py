"""Both trees in tiles, the system log, loads that nobody sees, checkpoints, subscriptions."""

import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from servicekit import merkle
from services.registers.domain import objecthash
from services.registers.domain.forms import timestamp

revision = "0003"
down_revision = "0002"

KEY = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
CHUNK = 5000


def upgrade() -> None:
    """Change the tables, then fill in what follows from the entries."""
    with op.batch_alter_table("register_head") as head:
        head.add_column(sa.Column("peaks_v1", sa.LargeBinary, nullable=False, server_default=""))
        head.add_column(sa.Column("system_size", sa.BigInteger, nullable=False, server_default="0"))
        head.add_column(sa.Column("loading", sa.String(32)))
        head.add_column(sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_index("blob_by_hash", "blob")
    op.drop_index("entry_by_key", "entry")
    for name in ("blob", "entry", "record"):
        op.rename_table(name, f"old_{name}")
    _create_kept()
    _create_new()
    _fill(op.get_bind())
    for name in ("blob", "entry", "record"):
        op.drop_table(f"old_{name}")
    if op.get_bind().dialect.name == "sqlite":
        _tell_the_planner()


def _tell_the_planner() -> None:
    """Tell SQLite how many rows an index narrows a search to, once and for any size.

    Without it, it reads a log backwards from its end to find the newest entry of a key.
    """
    op.execute("ANALYZE sqlite_master")  # makes the table, and counts next to nothing
    for table, index, rows in (
        ("entry", "entry", "10000000 1000000 1"),
        ("entry", "entry_by_key", "10000000 1000000 2 1"),
        ("record", "record", "10000000 1000000 1"),
        ("blob", "sqlite_autoindex_blob_1", "10000000 1000000 1"),
        ("blob_place", "blob_place", "20000000 2000000 1000000 1 1"),
        ("tile", "sqlite_autoindex_tile_1", "80000 8000 4000 3900 1"),
    ):
        here = {"table": table, "index": index}
        old = sa.text("DELETE FROM sqlite_stat1 WHERE tbl = :table AND idx = :index")
        new = sa.text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :rows)")
        op.execute(old.bindparams(**here))
        op.execute(new.bindparams(**here, rows=rows))


def _part(name: str, kind: Any = sa.BigInteger) -> "sa.Column[Any]":
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _needed(name: str, kind: Any = sa.BigInteger) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=False)


def _create_kept() -> None:
    op.create_table(
        "blob",
        _part("register_id", sa.Integer),
        _part("number"),
        _needed("hash", sa.LargeBinary),
        _needed("item_hash", sa.LargeBinary),
        _needed("content", sa.Text),
    )
    op.create_table(
        "entry",
        _part("register_id", sa.Integer),
        _part("number"),
        _needed("timestamp"),
        _needed("key", KEY),
        _needed("blob"),
        sqlite_with_rowid=False,
    )
    op.create_index("entry_by_key", "entry", ["register_id", "key", "number"])
    op.create_table(
        "record",
        _part("register_id", sa.Integer),
        _part("key", KEY),
        _needed("first"),
        _needed("number"),
        _needed("blob"),
        sqlite_with_rowid=False,
    )


def _create_new() -> None:
    op.create_table(
        "blob_place",
        _part("register_id", sa.Integer),
        _part("kind", sa.SmallInteger),
        _part("prefix"),
        _part("number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "system_entry",
        _part("register_id", sa.Integer),
        _part("number"),
        _needed("timestamp"),
        _needed("key", sa.String(255)),
        _needed("item_hash", sa.LargeBinary),
        _needed("content", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "edge",
        _part("register_id", sa.Integer),
        _part("tree", sa.SmallInteger),
        _part("number"),
        _needed("hash", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tile",
        _part("register_id", sa.Integer),
        _part("tree", sa.SmallInteger),
        _part("level", sa.SmallInteger),
        _part("number"),
        _needed("data", sa.LargeBinary),
    )
    if op.get_bind().dialect.name == "postgresql":
        # hashes do not compress, and a tile is read by its parts
        op.execute("ALTER TABLE tile ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_table(
        "checkpoint",
        _part("register_id", sa.Integer),
        _part("tree", sa.SmallInteger),
        _part("size"),
        _needed("root", sa.LargeBinary),
        _needed("signed"),
        _needed("note", sa.Text),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.String(36), primary_key=True),
        _needed("register_id", sa.Integer),
        _needed("client_id", sa.String(200)),
        _needed("url", sa.Text),
        _needed("secret", sa.Text),
        _needed("created"),
        _needed("delivered"),
        _needed("state", sa.String(10)),
        _needed("attempts", sa.Integer),
        _needed("due"),
        _needed("leased"),
        _needed("fault", sa.Text),
    )
    op.create_index("ix_subscription_register_id", "subscription", ["register_id"])


def _fill(bind: sa.Connection) -> None:
    bind.execute(
        sa.text(
            "INSERT INTO entry (register_id, number, timestamp, key, blob) "
            "SELECT register_id, number, timestamp, key, blob FROM old_entry"
        )
    )
    bind.execute(
        sa.text(
            "INSERT INTO record (register_id, key, first, number, blob) "
            "SELECT r.register_id, r.key, (SELECT min(e.number) FROM entry e "
            "WHERE e.register_id = r.register_id AND e.key = r.key), r.number, r.blob "
            "FROM old_record r"
        )
    )
    for (register_id,) in bind.execute(sa.text("SELECT register_id FROM register_head")).all():
        _fill_blobs(bind, register_id)
        _fill_trees(bind, register_id)


def _rows(bind: sa.Connection, query: str, register_id: int) -> Iterator[Any]:
    last = 0
    while rows := bind.execute(
        sa.text(query), {"register": register_id, "last": last, "limit": CHUNK}
    ).all():
        yield from rows
        last = rows[-1].number


def _fill_blobs(bind: sa.Connection, register_id: int) -> None:
    query = (
        "SELECT number, hash, content FROM old_blob WHERE register_id = :register "
        "AND number > :last ORDER BY number LIMIT :limit"
    )
    for row in _rows(bind, query, register_id):
        item_hash = hashlib.sha256(row.content.encode()).digest()
        bind.execute(
            sa.text("INSERT INTO blob VALUES (:register, :number, :hash, :item, :content)"),
            {
                "register": register_id,
                "number": row.number,
                "hash": row.hash,
                "item": item_hash,
                "content": row.content,
            },
        )
        for kind, digest in ((1, item_hash), (2, row.hash)):
            bind.execute(
                sa.text("INSERT INTO blob_place VALUES (:register, :kind, :prefix, :number)"),
                {
                    "register": register_id,
                    "kind": kind,
                    "prefix": int.from_bytes(bytes(digest)[:8], "big", signed=True),
                    "number": row.number,
                },
            )


def _fill_trees(bind: sa.Connection, register_id: int) -> None:
    query = (
        "SELECT e.number, e.timestamp, e.key, b.hash, b.item_hash FROM entry e JOIN blob b "
        "ON b.register_id = e.register_id AND b.number = e.blob WHERE e.register_id = :register "
        "AND e.number > :last ORDER BY e.number LIMIT :limit"
    )
    leaves: dict[int, list[bytes]] = {1: [], 2: []}
    for number, at, key, blob_hash, item_hash in _rows(bind, query, register_id):
        written = timestamp(at)
        first = (
            f'{{"index-entry-number":"{number}","entry-number":"{number}",'
            f'"entry-timestamp":"{written}","key":"{key}",'
            f'"item-hash":["sha-256:{bytes(item_hash).hex()}"]}}'
        ).encode()
        second = objecthash.entry_hash(number, key, written, bytes(blob_hash))
        leaves[1].append(merkle.leaf_hash(first))
        leaves[2].append(merkle.leaf_hash(second))
    for tree, hashes in leaves.items():
        _fill_tiles(bind, register_id, tree, hashes)
        full = len(hashes) // 256 * 256
        for number, leaf in enumerate(hashes[full:], start=full + 1):
            bind.execute(
                sa.text("INSERT INTO edge VALUES (:register, :tree, :number, :hash)"),
                {"register": register_id, "tree": tree, "number": number, "hash": leaf},
            )
    peaks: list[bytes] = []
    for index, leaf in enumerate(leaves[1]):
        peaks = merkle.push(peaks, index, leaf)
    bind.execute(
        sa.text("UPDATE register_head SET peaks_v1 = :peaks WHERE register_id = :register"),
        {"peaks": b"".join(peaks), "register": register_id},
    )


def _fill_tiles(bind: sa.Connection, register_id: int, tree: int, hashes: list[bytes]) -> None:
    level = 0
    while hashes:
        tiles = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
        for number, tile in enumerate(tiles):
            if level or len(tile) == 256:
                bind.execute(
                    sa.text("INSERT INTO tile VALUES (:register, :tree, :level, :number, :data)"),
                    {
                        "register": register_id,
                        "tree": tree,
                        "level": level,
                        "number": number,
                        "data": b"".join(tile),
                    },
                )
        hashes = [merkle.root(tile) for tile in tiles if len(tile) == 256]
        level += 1
