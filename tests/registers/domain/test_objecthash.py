"""Hashes equal the printed ones, and keep what the specification promises."""

import hashlib
import json
import random
import unicodedata
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit import merkle
from services.registers.domain import objecthash
from tests.registers.conftest import VECTORS

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: not text.startswith(objecthash.REDACTED)
)
BLOBS = st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, min_size=1, max_size=4), max_size=6)


def test_primitives_hash_as_printed(vectors: Any) -> None:
    assert len(vectors["objecthash_primitives"]) >= 10
    for vector in vectors["objecthash_primitives"]:
        value = vector["value"]
        match vector["tag"]:
            case "u":
                digest = objecthash.hash_text(value)
            case "i":
                digest = objecthash.hash_integer(value)
            case "t":
                digest = objecthash.hash_timestamp(value)
            case "s":
                digest = objecthash.hash_set(objecthash.hash_text(element) for element in value)
            case "l" if value == ["foo", "bar"]:
                digest = objecthash.hash_list(objecthash.hash_text(element) for element in value)
            case "l":  # a text beside a raw value that holds the text's own hash
                foo = objecthash.hash_text("foo")
                digest = objecthash.hash_list([foo, objecthash.hash_raw(foo)])
        assert digest.hex() == vector["hash"], vector


def test_blobs_hash_as_printed(vectors: Any) -> None:
    assert len(vectors["v2_blob_hash"]) >= 13
    for vector in vectors["v2_blob_hash"]:
        digest = objecthash.blob_hash(vector["blob"])
        assert digest.hex() == vector["digest"], vector
        assert objecthash.multihash(digest) == vector["_id"]
        assert objecthash.digest_of(vector["_id"]) == digest


def test_entries_hash_as_printed(vectors: Any) -> None:
    vector = vectors["v2_entry_hash"][0]
    entry = vector["entry"]
    blob = objecthash.digest_of(entry["blob-hash"])
    assert blob is not None
    digest = objecthash.entry_hash(
        entry["entry-number"], entry["key"], entry["entry-timestamp"], blob
    )
    assert objecthash.multihash(digest) == vector["hash"]


def test_the_parts_of_an_entry_hash_as_printed(vectors: Any) -> None:
    parts = {
        name: bytes.fromhex(part) for name, part in vectors["v2_entry_hash"][1]["parts"].items()
    }
    whole = objecthash.hash_list(parts[name] for name in ("number", "key", "timestamp", "items"))
    assert whole.hex() == vectors["v2_entry_hash"][1]["hash"]


def test_a_real_register_of_208_countries_has_the_known_head_and_proofs(vectors: Any) -> None:
    known = vectors["country_register_end_to_end"]["v2"]
    path = VECTORS.parents[1] / "data" / "openregister-rsf" / "country-208-no-assert.rsf"
    items: dict[str, Any] = {}
    leaves: list[bytes] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        command, *parts = line.split("\t")
        if command == "add-item":
            items["sha-256:" + hashlib.sha256(parts[0].encode()).hexdigest()] = json.loads(parts[0])
        elif command == "append-entry" and parts[0] == "user":
            blob = objecthash.blob_hash(items[parts[3]])
            digest = objecthash.entry_hash(len(leaves) + 1, parts[1], parts[2], blob)
            if not leaves:
                assert objecthash.multihash(digest) == known["entry_hash_1"]
            leaves.append(merkle.leaf_hash(digest))
    assert len(leaves) == 208
    assert objecthash.multihash(merkle.root(leaves)) == known["root_hash"]
    path_10 = merkle.inclusion_proof(leaves[:200], 9)
    assert [objecthash.multihash(h) for h in path_10] == known["audit_path_entry_10_of_200"]
    grown = merkle.consistency_proof(leaves[:200], 197)
    assert [objecthash.multihash(h) for h in grown] == known["consistency_197_200"]


@settings(max_examples=50)
@given(blob=BLOBS, data=st.data())
def test_order_never_changes_a_blob_hash(blob: dict[str, Any], data: st.DataObject) -> None:
    shuffle = random.Random(data.draw(st.integers()))
    names = list(blob)
    shuffle.shuffle(names)
    other = {}
    for name in names:
        value = blob[name]
        other[name] = shuffle.sample(value, len(value)) if isinstance(value, list) else value
    assert objecthash.blob_hash(other) == objecthash.blob_hash(blob)


@settings(max_examples=50)
@given(blob=BLOBS)
def test_nothing_and_composition_never_change_a_blob_hash(blob: dict[str, Any]) -> None:
    loose = {
        name: unicodedata.normalize("NFD", value) if isinstance(value, str) else value
        for name, value in blob.items()
    } | {"0-nothing": "", "0-none": None, "0-list": [], "0-blank": [None, ""]}
    assert objecthash.blob_hash(loose) == objecthash.blob_hash(blob)


@settings(max_examples=50)
@given(blob=BLOBS.filter(bool), data=st.data())
def test_a_redacted_value_keeps_the_blob_hash(blob: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(blob)))
    value = blob[name]
    digest = (
        objecthash.hash_text(value)
        if isinstance(value, str)
        else objecthash.hash_set(objecthash.hash_text(element) for element in value)
    )
    for form in (digest.hex(), objecthash.multihash(digest)):
        redacted = blob | {name: objecthash.REDACTED + form}
        assert objecthash.blob_hash(redacted) == objecthash.blob_hash(blob)


@settings(max_examples=50)
@given(blob=BLOBS.filter(bool), data=st.data())
def test_another_value_gives_another_hash(blob: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(blob)))
    assert objecthash.blob_hash(blob | {name: "another value 1"}) != objecthash.blob_hash(
        blob | {name: "another value 2"}
    )


def test_only_a_multihash_is_read_as_one() -> None:
    for text in ("", "1220", "1220" + "g" * 64, "1220" + "A" * 64, "1220" + "a" * 63, "a" * 68):
        assert objecthash.digest_of(text) is None
    assert objecthash.digest_of("1220" + "a" * 64 + "\n") is None
