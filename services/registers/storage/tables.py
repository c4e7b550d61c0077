"""The tables. Everything of a register hangs on its integer id; its log only ever grows."""

from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    FromClause,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    false,
)
from sqlalchemy import Table as CoreTable
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# keys sort by their bytes on both engines, so that pages go on where they stopped
KEY = String(200).with_variant(String(200, collation="C"), "postgresql")
TERM = String(255).with_variant(String(255, collation="C"), "postgresql")


class Table(DeclarativeBase):
    """Every table of this service."""


class Register(Table):
    """One register: what it is about, its fields, where its facts come from."""

    __tablename__ = "register"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    title: Mapped[dict[str, str]] = mapped_column(JSON)
    description: Mapped[dict[str, str]] = mapped_column(JSON)
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    custodian: Mapped[str] = mapped_column(Text)
    synthetic: Mapped[bool]
    source: Mapped[str] = mapped_column(Text)
    licence: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(String(20))
    started: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    key_field: Mapped[str | None] = mapped_column(String(200))  # None: called like the register
    # draft, published or archived; review: changes wait for a second person
    state: Mapped[str] = mapped_column(String(10), default="published", server_default="published")
    review: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    governance: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")


class Head(Table):
    """The state of a register's log: the one row that an append locks.

    What lies beyond ``size``, ``blobs`` and ``system_size`` is there for nobody: a load writes it
    bit by bit and publishes it by moving this row. ``peaks`` and ``peaks_v1``: the heads of the
    perfect subtrees of the trees of version 2 and 1, largest first, 32 bytes each. ``loading``:
    the load under way. ``hidden``: the register is a draft, or being created by that load.
    """

    __tablename__ = "register_head"

    register_id: Mapped[int] = mapped_column(
        ForeignKey("register.id"), primary_key=True, autoincrement=False
    )
    size: Mapped[int] = mapped_column(BigInteger)
    records: Mapped[int] = mapped_column(BigInteger)
    blobs: Mapped[int] = mapped_column(BigInteger)
    updated: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    peaks_v1: Mapped[bytes] = mapped_column(LargeBinary, default=b"", server_default="")
    system_size: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    loading: Mapped[str | None] = mapped_column(String(32))
    hidden: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


def _register_id() -> Mapped[int]:
    # without a foreign key: it would cost a look-up for each of ten million rows
    return mapped_column(primary_key=True, autoincrement=False)


class Blob(Table):
    """The content of an item, exactly as it was hashed, kept once however many entries name it.

    ``hash`` is that of version 2 (two contents may share it), ``item_hash`` that of version 1.
    """

    __tablename__ = "blob"

    register_id: Mapped[int] = _register_id()
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    item_hash: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[str] = mapped_column(Text)


class BlobPlace(Table):
    """Finds blobs by the first eight bytes of a hash: written in order, however hashes fall.

    ``kind``: 1 or 2, the version whose hash it is.
    """

    __tablename__ = "blob_place"
    __table_args__ = ({"sqlite_with_rowid": False},)

    register_id: Mapped[int] = _register_id()
    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    prefix: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Entry(Table):
    """One line of a register's user log."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("entry_by_key", "register_id", "key", "number"),
        {"sqlite_with_rowid": False},
    )

    register_id: Mapped[int] = _register_id()
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    timestamp: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    key: Mapped[str] = mapped_column(KEY)
    blob: Mapped[int] = mapped_column(BigInteger)


class SystemEntry(Table):
    """One line of a register's system log: what the register says of itself. It has no tree."""

    __tablename__ = "system_entry"
    __table_args__ = (
        Index("system_entry_by_key", "register_id", "key"),
        {"sqlite_with_rowid": False},
    )

    register_id: Mapped[int] = _register_id()
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    timestamp: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(255))
    item_hash: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[str] = mapped_column(Text)


class Record(Table):
    """The latest entry of each key, and its first: the record is there from that size on."""

    __tablename__ = "record"
    __table_args__ = ({"sqlite_with_rowid": False},)

    register_id: Mapped[int] = _register_id()
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    blob: Mapped[int] = mapped_column(BigInteger)


class Edge(Table):
    """A leaf hash of the last tile of a tree, kept here until that tile is full and frozen."""

    __tablename__ = "edge"
    __table_args__ = ({"sqlite_with_rowid": False},)

    register_id: Mapped[int] = _register_id()
    tree: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Tile(Table):
    """256 hashes of a tree (C2SP tlog-tiles), never written again once full.

    On level 0 only full ones are kept; the leaves after them are in ``edge``. On the levels above
    the last one grows.
    """

    __tablename__ = "tile"

    register_id: Mapped[int] = _register_id()
    tree: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Checkpoint(Table):
    """A signed tree head that was given out; none is ever smaller than the one before."""

    __tablename__ = "checkpoint"

    register_id: Mapped[int] = _register_id()
    tree: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    signed: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    note: Mapped[str] = mapped_column(Text)


class Subscription(Table):
    """An address that a client wants a register's new entries sent to, and how far it has them.

    ``secret`` is encrypted. ``state``: active, failing (it is tried again) or dead (given up).
    """

    __tablename__ = "subscription"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    register_id: Mapped[int] = mapped_column(index=True)
    client_id: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    created: Mapped[int] = mapped_column(BigInteger)
    delivered: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int]
    due: Mapped[int] = mapped_column(BigInteger)
    leased: Mapped[int] = mapped_column(BigInteger)
    fault: Mapped[str] = mapped_column(Text)


class Answer(Table):
    """What a custodian was told about an append, so that a repeated request is told the same.

    blob_hash: the item that was sent; another one under the same key is refused.
    """

    __tablename__ = "answer"

    register_id: Mapped[int] = mapped_column(
        ForeignKey("register.id"), primary_key=True, autoincrement=False
    )
    client_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    blob_hash: Mapped[bytes] = mapped_column(LargeBinary)
    number: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[str] = mapped_column(Text)


class Proposal(Table):
    """A change of a register that waits for a second person, or what became of it.

    ``kind``: entries, fields, governance or status; ``body`` is the change, in JSON. ``state``:
    open, approved, rejected or withdrawn. ``answer``: what the approval did.
    """

    __tablename__ = "proposal"
    __table_args__ = (Index("proposal_by_register", "register_id", "made"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    register_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    made: Mapped[int] = mapped_column(BigInteger)
    proposer: Mapped[str] = mapped_column(Text)  # the subject and who acts for it
    proposer_client: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    decided: Mapped[int | None] = mapped_column(BigInteger)
    decider: Mapped[str | None] = mapped_column(Text)
    why: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)


class SearchTerm(Table):
    """A word of a record, or one of its values (``=field=value``), that leads to its key."""

    __tablename__ = "search_term"
    __table_args__ = ({"sqlite_with_rowid": False},)

    register_id: Mapped[int] = _register_id()
    term: Mapped[str] = mapped_column(TERM, primary_key=True)
    key: Mapped[str] = mapped_column(KEY, primary_key=True)


class SearchState(Table):
    """How many entries of a register its words are of; none: nobody has searched it yet."""

    __tablename__ = "search_state"

    register_id: Mapped[int] = _register_id()
    size: Mapped[int] = mapped_column(BigInteger)


def core(table: FromClause) -> CoreTable:
    """Return a mapped class's table for Core statements, which the hot paths use."""
    return cast(CoreTable, table)
