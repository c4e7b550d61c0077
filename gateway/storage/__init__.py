"""The gateway's tables and its only SQL."""

from gateway.storage.appending import TreeDamaged, append_exchanges
from gateway.storage.base import Base
from gateway.storage.directory import (
    ID_LENGTH,
    Agreement,
    ClientPlan,
    add_agreement,
    all_agreements,
    all_plans,
    all_terms,
    empty_directory,
    find_agreement,
    keep_plan,
    last_calls,
    offer_agreements,
)
from gateway.storage.exchanges import (
    EVERYTHING,
    Exchange,
    Wanted,
    find_exchange,
    last_number,
    list_exchanges,
    lock,
)
from gateway.storage.faults import Fault, all_faults, drop_faults, keep_fault
from gateway.storage.issuer_keys import IssuerKeys, keep_issuer_keys, kept_issuer_keys
from gateway.storage.leaves import canonical, commitment, hash_of
from gateway.storage.limits import CountedCalls, count_calls, forget_calls
from gateway.storage.proofs import Proof, forget_proofs, keep_proofs
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
    "ID_LENGTH",
    "Agreement",
    "Base",
    "ClientPlan",
    "CountedCalls",
    "Exchange",
    "Fault",
    "IssuerKeys",
    "Proof",
    "TreeDamaged",
    "Wanted",
    "add_agreement",
    "all_agreements",
    "all_faults",
    "all_plans",
    "all_terms",
    "append_exchanges",
    "canonical",
    "checkpoint_sizes",
    "checkpoints",
    "commitment",
    "count_calls",
    "drop_faults",
    "empty_directory",
    "erase",
    "erased_count",
    "erasures",
    "find_agreement",
    "find_exchange",
    "forget_calls",
    "forget_proofs",
    "grow_tree",
    "hash_of",
    "hashes_between",
    "keep_checkpoint",
    "keep_fault",
    "keep_issuer_keys",
    "keep_plan",
    "keep_proofs",
    "kept_issuer_keys",
    "last_calls",
    "last_number",
    "latest_checkpoint",
    "leaves_between",
    "list_exchanges",
    "lock",
    "metadata",
    "offer_agreements",
    "read_hashes",
    "tree_state",
]
