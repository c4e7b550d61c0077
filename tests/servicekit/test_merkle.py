"""RFC 6962 trees: the example of section 2.1.3 and properties of every proof."""

import hashlib

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
