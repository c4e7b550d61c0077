"""The gateway's tables and its only SQL."""

from gateway.storage.appending import TreeDamaged, append_exchanges
from gateway.storage.base import Base
from gateway.storage.exchanges import (
    EVERYTHING,
    Exchange,
    Wanted,
    find_exchange,
    last_number,
    list_exchanges,
    lock,
)
from gateway.storage.issuer_keys import IssuerKeys, keep_issuer_keys, kept_issuer_keys
from gateway.storage.leaves import canonical, commitment, hash_of
from gateway.storage.tree import (
    checkpoint_sizes,
    checkpoints,
    erase,
    erased_count,
    erasures,
    grow_tree,
    hashes_between,
    keep_checkpoint,
    latest_checkpoint,
    leaves_between,
    read_hashes,
    tree_state,
)

metadata = Base.metadata

__all__ = [
    "EVERYTHING",
    "Base",
    "Exchange",
    "IssuerKeys",
    "TreeDamaged",
    "Wanted",
    "append_exchanges",
    "canonical",
    "checkpoint_sizes",
    "checkpoints",
    "commitment",
    "erase",
    "erased_count",
    "erasures",
    "find_exchange",
    "grow_tree",
    "hash_of",
    "hashes_between",
    "keep_checkpoint",
    "keep_issuer_keys",
    "kept_issuer_keys",
    "last_number",
    "latest_checkpoint",
    "leaves_between",
    "list_exchanges",
    "lock",
    "metadata",
    "read_hashes",
    "tree_state",
]
