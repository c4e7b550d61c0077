"""Merkle trees as RFC 6962 section 2.1 defines them: heads, inclusion and consistency proofs."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
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


# -- proofs from stored hashes: a log that cannot be held in memory

Place = tuple[int, int]  # level (0: leaves) and index of one perfect subtree
HashReader = Callable[[Sequence[Place]], Sequence[bytes]]
TILE_HEIGHT, TILE_WIDTH = 8, 256


def grow(
    peaks: Sequence[bytes], size: int, leaves: Iterable[bytes]
) -> tuple[list[bytes], list[tuple[Place, bytes]]]:
    """Append leaf hashes to a tree of ``size`` leaves, known by its peaks.

    Returns the new peaks and every subtree that is complete now, leaves included, each with its
    place: what a log stores to prove from later.
    """
    peaks, complete = list(peaks), list[tuple[Place, bytes]]()
    for index, leaf in enumerate(leaves, size):
        value, level, at = leaf, 0, index
        complete.append(((0, index), leaf))
        while at & 1:
            value, level, at = node_hash(peaks.pop(), value), level + 1, at >> 1
            complete.append(((level, at), value))
        peaks.append(value)
    return peaks, complete


def places(begin: int, end: int) -> list[Place]:
    """Return the perfect subtrees that make up the leaves from begin up to, not with, end.

    In the order in which ``fold`` takes them. Only for spans that stand in a tree as one subtree:
    begin is a multiple of the smallest power of two that is not smaller than their length.
    """
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def root_at(size: int, read: HashReader) -> bytes:
    """Return the tree head that the first ``size`` leaves had."""
    return fold(read(places(0, size)))


def inclusion_path(index: int, size: int, read: HashReader) -> list[bytes]:
    """Return ``inclusion_proof`` from stored hashes, read once and at most 2 log2(size) of them.

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans, begin, end = list[tuple[int, int]](), 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((begin, middle))
            begin = middle
    return _read_spans(spans[::-1], read)


def consistency_path(old_size: int, new_size: int, read: HashReader) -> list[bytes]:
    """Return ``consistency_proof`` from stored hashes, read once.

    Raises ValueError unless ``0 < old_size <= new_size``.
    """
    if not 0 < old_size <= new_size:
        raise ValueError(f"no tree of {old_size} leaves precedes one of {new_size}")
    spans, begin, end = list[tuple[int, int]](), 0, new_size
    while old_size != end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((begin, middle))
            begin = middle
    if begin:
        spans.append((begin, end))
    return _read_spans(spans[::-1], read)


def tile_reader(read_tile: Callable[[int, int, int], bytes], size: int) -> HashReader:
    """Return a reader of hashes kept in tiles (C2SP tlog-tiles) of a tree of ``size`` leaves.

    read_tile: given tile level, tile index and width, returns width times 32 bytes.
    """

    def read(wanted: Sequence[Place]) -> list[bytes]:
        tiles: dict[Place, bytes] = {}
        return [_from_tile(level, index, tiles, read_tile, size) for level, index in wanted]

    return read


def tile_places(old_size: int, new_size: int) -> list[tuple[int, int, int]]:
    """Return level, index and width of each tile that a growing tree writes, partial ones last.

    old_size: the tree's size before; its tiles that are full already are not written again.
    """
    found, level = list[tuple[int, int, int]](), 0
    while new_size >> (TILE_HEIGHT * level):
        before, after = old_size >> (TILE_HEIGHT * level), new_size >> (TILE_HEIGHT * level)
        if after > before:
            last = (after - 1) // TILE_WIDTH
            found += [
                (level, index, min(TILE_WIDTH, after - index * TILE_WIDTH))
                for index in range(before // TILE_WIDTH, last + 1)
            ]
        level += 1
    return found


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the address of a tile as C2SP tlog-tiles writes it: 0/x001/x234/067.p/112."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return f"{level}/{'/'.join(groups)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def _from_tile(
    level: int,
    index: int,
    tiles: dict[Place, bytes],
    read_tile: Callable[[int, int, int], bytes],
    size: int,
) -> bytes:
    tile_level, height = divmod(level, TILE_HEIGHT)
    first = index << height
    tile = (tile_level, first // TILE_WIDTH)
    if tile not in tiles:
        width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * tile_level)) - tile[1] * TILE_WIDTH)
        tiles[tile] = read_tile(*tile, width)
    begin = first % TILE_WIDTH * 32
    data = tiles[tile][begin : begin + (32 << height)]
    if len(data) != 32 << height:
        raise ValueError("a tile is shorter than the tree")
    return root([data[at : at + 32] for at in range(0, len(data), 32)])


def _read_spans(spans: Sequence[tuple[int, int]], read: HashReader) -> list[bytes]:
    wanted = [places(begin, end) for begin, end in spans]
    hashes = iter(read([place for parts in wanted for place in parts]))
    return [fold([next(hashes) for _ in parts]) for parts in wanted]


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
