"""Merkle trees as RFC 6962 section 2.1 defines them: heads, inclusion and consistency proofs."""

import hashlib
from collections.abc import Sequence
from functools import reduce

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash the content of a leaf (32 bytes)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent (32 bytes)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the tree head over these leaf hashes, oldest first."""
    if not leaves:
        return EMPTY_ROOT
    peaks: list[bytes] = []
    for index, leaf in enumerate(leaves):
        peaks = push(peaks, index, leaf)
    return fold(peaks)


def push(peaks: Sequence[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Append one leaf hash to a tree of ``size`` leaves, known by its peaks.

    Peaks are the heads of the perfect subtrees, largest first (a compact range): all that an
    append needs to remember, at most log2(size) hashes.
    """
    peaks = [*peaks, leaf]
    while size & 1:
        right, left = peaks.pop(), peaks.pop()
        peaks.append(node_hash(left, right))
        size >>= 1
    return peaks


def fold(peaks: Sequence[bytes]) -> bytes:
    """Return the tree head of a tree known by its peaks."""
    if not peaks:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(peaks[:-1]), peaks[-1])


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` (from 0), nearest sibling first (2.1.1).

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves has no leaf {index}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the first ``old_size`` leaves are a prefix of all of them (2.1.2).

    Raises ValueError unless ``0 < old_size <= len(leaves)``.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"no tree of {old_size} leaves precedes one of {len(leaves)}")
    return _subproof(leaves, old_size, complete=True)


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], head: bytes
) -> bool:
    """Tell whether the audit path leads from the leaf hash to the head (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and value == head


def verify_consistency(
    old_size: int, new_size: int, path: Sequence[bytes], old_head: bytes, new_head: bytes
) -> bool:
    """Tell whether the new tree only appended to the old one (RFC 9162 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_head == new_head
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_head)
    if not hashes:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_value = new_value = hashes[0]
    for value in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_value, new_value = node_hash(value, old_value), node_hash(value, new_value)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new_value = node_hash(new_value, value)
        position, last = position >> 1, last >> 1
    return last == 0 and old_value == old_head and new_value == new_head


def _split(size: int) -> int:
    """Return the largest power of two smaller than size."""
    return 1 << (size - 1).bit_length() - 1


def _subproof(leaves: Sequence[bytes], old_size: int, *, complete: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if complete else [root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, complete=complete), root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, complete=False), root(leaves[:split])]
