"""RFC 6962 trees: the example of section 2.1.3 and properties of every proof."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import merkle

LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(7)]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest() == merkle.fold([])


def test_seven_leaves_prove_as_the_rfc_draws_them() -> None:
    a, b, c, d, e, f, j = LEAVES
    node = merkle.node_hash
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, el = node(g, h), node(i, j)
    assert merkle.root(LEAVES) == node(k, el)
    assert merkle.inclusion_proof(LEAVES, 0) == [b, h, el]
    assert merkle.inclusion_proof(LEAVES, 6) == [i, k]
    assert merkle.consistency_proof(LEAVES, 3) == [c, d, g, el]
    assert merkle.consistency_proof(LEAVES, 4) == [el]
    assert merkle.consistency_proof(LEAVES, 6) == [i, j, k]


@given(size=st.integers(1, 70), data=st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(n.to_bytes(2)) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    head, path = merkle.root(leaves), merkle.inclusion_proof(leaves, index)
    assert merkle.verify_inclusion(leaves[index], index, size, path, head)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"x"), index, size, path, head)
    assert not merkle.verify_inclusion(leaves[index], index, size, [*path, head], head)
    assert not merkle.verify_inclusion(leaves[index], size, size, path, head)


@given(new=st.integers(1, 70), data=st.data())
def test_only_a_tree_that_appends_is_consistent(new: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(n.to_bytes(2)) for n in range(new)]
    old = data.draw(st.integers(1, new))
    path = merkle.consistency_proof(leaves, old)
    old_head, head = merkle.root(leaves[:old]), merkle.root(leaves)
    assert merkle.verify_consistency(old, new, path, old_head, head)
    rewritten = merkle.root([merkle.leaf_hash(b"x"), *leaves[1:old]])
    assert not merkle.verify_consistency(old, new, path, rewritten, head)


@given(size=st.integers(0, 70))
def test_appending_by_peaks_gives_the_same_head(size: int) -> None:
    peaks: list[bytes] = []
    leaves = [merkle.leaf_hash(n.to_bytes(2)) for n in range(size)]
    for index, leaf in enumerate(leaves):
        peaks = merkle.push(peaks, index, leaf)
    assert merkle.fold(peaks) == merkle.root(leaves)


def test_proofs_that_cannot_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="no leaf 7"):
        merkle.inclusion_proof(LEAVES, 7)
    with pytest.raises(ValueError, match="precedes"):
        merkle.consistency_proof(LEAVES, 8)
    with pytest.raises(ValueError, match="precedes"):
        merkle.consistency_proof(LEAVES, 0)


def store(size: int) -> dict[merkle.Place, bytes]:
    leaves = [merkle.leaf_hash(n.to_bytes(4)) for n in range(size)]
    return dict(merkle.grow([], 0, leaves)[1])


def reading(hashes: dict[merkle.Place, bytes]) -> merkle.HashReader:
    return lambda wanted: [hashes[place] for place in wanted]


@given(size=st.integers(0, 70), parts=st.lists(st.integers(0, 9)))
def test_growing_in_parts_is_growing_at_once(size: int, parts: list[int]) -> None:
    leaves = [merkle.leaf_hash(n.to_bytes(4)) for n in range(size)]
    peaks, hashes, done = list[bytes](), dict[merkle.Place, bytes](), 0
    for part in [*parts, size]:
        peaks, complete = merkle.grow(peaks, done, leaves[done : done + part])
        hashes.update(complete)
        done = min(size, done + part)
    assert (peaks, hashes) == (merkle.grow([], 0, leaves)[0], store(size))
    assert merkle.fold(peaks) == merkle.root(leaves) == merkle.root_at(size, reading(hashes))


@given(size=st.integers(1, 300), data=st.data())
def test_stored_hashes_prove_what_the_leaves_prove(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(n.to_bytes(4)) for n in range(size)]
    at = data.draw(st.integers(1, size), label="an earlier size")
    index, old = data.draw(st.integers(0, at - 1)), data.draw(st.integers(1, at))
    read = reading(store(size))
    assert merkle.root_at(at, read) == merkle.root(leaves[:at])
    assert merkle.inclusion_path(index, at, read) == merkle.inclusion_proof(leaves[:at], index)
    assert merkle.consistency_path(old, at, read) == merkle.consistency_proof(leaves[:at], old)


@given(size=st.integers(1, 70_000), data=st.data())
def test_tiles_hold_every_hash_of_the_tree_at_every_size(size: int, data: st.DataObject) -> None:
    hashes, at = BIG, data.draw(st.integers(1, size), label="an earlier size")

    def read_tile(level: int, index: int, width: int) -> bytes:
        assert 0 < width <= merkle.TILE_WIDTH
        first = index * merkle.TILE_WIDTH
        return b"".join(hashes[level * 8, first + n] for n in range(width))

    read, index = merkle.tile_reader(read_tile, size), data.draw(st.integers(0, at - 1))
    path = merkle.inclusion_path(index, at, read)
    head = merkle.root_at(at, reading(hashes))
    assert merkle.verify_inclusion(hashes[0, index], index, at, path, head)
    newer = merkle.root_at(size, read)
    grown = merkle.consistency_path(at, size, read)
    assert merkle.verify_consistency(at, size, grown, head, newer)


BIG = store(70_000)


def test_a_proof_of_a_big_tree_reads_few_hashes() -> None:
    asked: list[merkle.Place] = []

    def read(wanted: Sequence[merkle.Place]) -> list[bytes]:
        asked.extend(wanted)
        return [bytes(32) for _ in wanted]

    merkle.inclusion_path(1_234_567, 9_999_999, read)
    merkle.consistency_path(1_234_567, 9_999_999, read)
    assert len(asked) < 4 * 24


def test_no_proof_is_made_of_what_is_not_there() -> None:
    read = reading(store(4))
    for index, size in ((4, 4), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="has no leaf"):
            merkle.inclusion_path(index, size, read)
    for old, new in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="precedes"):
            merkle.consistency_path(old, new, read)
    short = merkle.tile_reader(lambda level, index, width: bytes(31 * width), 4)
    with pytest.raises(ValueError, match="shorter"):
        merkle.root_at(4, short)


def test_tiles_are_named_and_counted_as_published() -> None:
    assert merkle.tile_path(0, 1234067) == "0/x001/x234/067"
    assert merkle.tile_path(2, 5, 17) == "2/005.p/17"
    tiles = merkle.tile_places(0, 70_000)
    assert [tile for tile in tiles if tile[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert len(tiles) == 274 + 2 + 1
    assert merkle.tile_places(70_000, 70_000) == []
    assert merkle.tile_places(69_889, 70_000) == [(0, 273, 112)]
