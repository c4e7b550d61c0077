"""Checkpoints: a register's tree head under its signature, never one that goes back on another."""

import base64
import logging
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.note import Checkpoint, Note, Signer
from servicekit.problems import NotFound
from services.registers.problems import RegisterDamaged
from services.registers.storage import checkpoints, heads, trees
from services.registers.storage.trees import Damaged, Tree

logger = logging.getLogger("registers")


@dataclass(frozen=True, repr=False)
class Signing:
    """The platform's log key, which signs under each register's own name.

    public_url: the origin of a register is its address without the scheme, as C2SP wishes.
    """

    seed: bytes
    public_url: str

    @classmethod
    def of(cls, key: str, public_url: str) -> "Signing":
        """Read the key as the setting holds it: 32 bytes in base64url."""
        return cls(base64.urlsafe_b64decode(key), public_url)

    def signer(self, register: str, tree: Tree) -> Signer:
        """Return the key under the name of a register's log; version 1 has a name of its own."""
        return Signer(origin(self.public_url, register, tree), self.seed)


def origin(public_url: str, register: str, tree: Tree) -> str:
    """Return the name of a register's log."""
    place = public_url.partition("://")[2]
    return f"{place}/registers/{register}" + ("/v1" if tree == "v1" else "")


def checkpoint_in_force(session: Session, head: RowMapping, tree: Tree) -> str | None:
    """Return the newest checkpoint when it is of the register as it is now; else None."""
    newest = checkpoints.latest(session, head["id"], tree)
    if newest is None or newest.size != head["size"]:
        return None
    if newest.root != merkle.fold(heads.peaks_of(head, tree)):
        raise _alarm(head, f"The tree head at size {head['size']} is not the one that was signed.")
    return str(newest.note)


def sign(session: Session, register: str, tree: Tree, signer: Signer, now: int) -> str:
    """Sign the present tree head and keep it; ``session`` is a transaction.

    now: seconds since 1970. Raises NotFound, or RegisterDamaged when the log is smaller than or
    not consistent with the newest checkpoint, or its tiles do not lead to its head.
    """
    head = heads.lock_register(session, register)
    if head is None:
        raise NotFound("There is no register of this name any more.")
    if note := checkpoint_in_force(session, head, tree):
        return note
    root = merkle.fold(heads.peaks_of(head, tree))
    newest = checkpoints.latest(session, head["id"], tree)
    if newest is not None and newest.size > head["size"]:
        raise _alarm(head, f"It has {head['size']} entries, but {newest.size} were signed before.")
    try:
        if newest is not None:
            before = trees.root(session, head["id"], tree, newest.size)
            if before != newest.root:
                raise Damaged(f"Its first {newest.size} entries are not those that were signed.")
        if trees.root(session, head["id"], tree, head["size"]) != root:
            raise Damaged("Its stored hashes do not lead to its tree head.")
    except (Damaged, ValueError) as damaged:
        raise _alarm(head, str(damaged)) from None
    text = Checkpoint(signer.name, head["size"], root).text
    note = str(Note(text).signed_by(signer))
    checkpoints.keep(session, head["id"], tree, head["size"], root, now, note)
    return note


def _alarm(head: RowMapping, reason: str) -> RegisterDamaged:
    logger.critical(
        "a register contradicts what was signed; nothing is signed until an operator has looked",
        extra={"register": head["name"], "reason": reason},
    )
    return RegisterDamaged(
        f"The register {head['name']} is not what was signed before. {reason} Nothing is signed. "
        f"The operator finds the entry with: atoll verify {head['name']}"
    )
