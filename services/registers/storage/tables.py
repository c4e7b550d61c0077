"""The tables. Everything of a register hangs on its integer id; its log only ever grows."""

from typing import Any, cast

from sqlalchemy import JSON, BigInteger, ForeignKey, FromClause, Index, LargeBinary, String, Text
from sqlalchemy import Table as CoreTable
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# keys sort by their bytes on both engines, so that pages go on where they stopped
KEY = String(200).with_variant(String(200, collation="C"), "postgresql")


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


class Head(Table):
    """The state of a register's log: the one row that an append locks.

    peaks: the heads of the tree's perfect subtrees, largest first, 32 bytes each.
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


class Blob(Table):
    """The content of an item in canonical JSON, kept once however many entries name it."""

    __tablename__ = "blob"
    __table_args__ = (Index("blob_by_hash", "register_id", "hash", unique=True),)

    register_id: Mapped[int] = mapped_column(
        ForeignKey("register.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[str] = mapped_column(Text)


class Entry(Table):
    """One line of a register's log; ``hash`` is the entry's own, the content of its leaf."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("entry_by_key", "register_id", "key", "number"),
        {"sqlite_with_rowid": False},
    )

    register_id: Mapped[int] = mapped_column(
        ForeignKey("register.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    timestamp: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    key: Mapped[str] = mapped_column(KEY)
    blob: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Record(Table):
    """The latest entry of each key."""

    __tablename__ = "record"
    __table_args__ = ({"sqlite_with_rowid": False},)

    register_id: Mapped[int] = mapped_column(
        ForeignKey("register.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    blob: Mapped[int] = mapped_column(BigInteger)


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


def core(table: FromClause) -> CoreTable:
    """Return a mapped class's table for Core statements, which the hot paths use."""
    return cast(CoreTable, table)
