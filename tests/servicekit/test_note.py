"""Signed notes and checkpoints: the published vectors, and everything that must not be believed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import note
from servicekit.note import Checkpoint, Note, NoteInvalid, Signer, Verifier

VECTORS = Path(__file__).parents[3] / "shared" / "reference" / "registers-vectors.json"
LOG, OTHER = Signer("log.example/exchanges", bytes(32)), Signer("other.example", bytes(range(32)))
HEAD = Checkpoint("log.example/exchanges", 7, bytes(range(32)))

# these bytes must never change: witnesses and readers hold them
WRITTEN = (
    "log.example/exchanges\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n"
    "— log.example/exchanges {signature}\n"
)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("the published vectors (../shared/reference/registers-vectors.json) are absent")
    found: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return found


def test_the_published_note_is_believed(vectors: dict[str, Any]) -> None:
    vector = vectors["signed_note"]
    known = Verifier.parse(vector["vkey"])
    assert str(known) == vector["vkey"]
    opened = note.open_note(vector["note"], [known])
    assert opened.text == vector["note"].rpartition("\n\n")[0] + "\n"
    assert str(opened) == vector["note"]
    with pytest.raises(NoteInvalid, match="is wrong"):
        note.open_note(vector["note"].replace("problem", "question"), [known])


def test_the_published_checkpoint_is_written_byte_for_byte(vectors: dict[str, Any]) -> None:
    vector = vectors["checkpoint_derived"]
    signer = Signer("registers.example/country", bytes.fromhex(vector["seed_hex"]))
    assert str(signer.verifier) == vector["vkey"]
    opened = note.open_checkpoint(vector["checkpoint"], signer.name, [signer.verifier])
    assert opened.size == 208
    assert str(Note(opened.text).signed_by(signer)) == vector["checkpoint"]
    root = vectors["country_register_end_to_end"]["v1"]["root_hash"].removeprefix("sha-256:")
    assert opened.root.hex() == root


def test_a_checkpoint_keeps_its_bytes() -> None:
    signature = (
        "tK8rfasciM5Zri5nTS3sMIRgMaLeUdObIRWz4UQ2YPAQenszIKgABj1W7Enq"
        "zRGXZziXTXsnKmgEImoOUKA1iQHb+g0="
    )
    written = WRITTEN.format(signature=signature)
    assert str(Note(HEAD.text).signed_by(LOG)) == written
    assert note.open_checkpoint(written, HEAD.origin, [LOG.verifier]) == HEAD


def test_keys_read_back_what_they_wrote_and_nothing_else() -> None:
    for signer in (Signer.generate("a/b"), Signer.generate("w", note.COSIGNATURE)):
        assert Signer.parse(signer.private_text()) == signer
        assert Verifier.parse(str(signer.verifier)) == signer.verifier
    good = str(LOG.verifier)
    name, key_id, key = good.split("+", 2)
    for bad in (
        "", name, f"{name}+{key_id}", f"{name}+{key_id}+", f"{name}+00000000+{key}",
        f"other+{key_id}+{key}", f"{name}+{key_id.upper()}+{key}x", f"+{key_id}+{key}",
        f"{name}+{key_id}+{key[:-4]}", good + "=", f"a b+{key_id}+{key}",
    ):  # fmt: skip
        with pytest.raises(NoteInvalid):
            Verifier.parse(bad)
        with pytest.raises(NoteInvalid):
            Signer.parse("PRIVATE+KEY+" + bad)
    with pytest.raises(NoteInvalid):
        Signer.parse(good)
    with pytest.raises(NoteInvalid):
        Signer.generate("two words")


def test_a_private_key_never_shows_in_its_repr() -> None:
    assert LOG.seed.hex() not in repr(LOG)
    assert repr(LOG.seed) not in repr(LOG)


def test_several_names_stand_under_one_note() -> None:
    text = str(Note("We agree.\n").signed_by(LOG, OTHER))
    both = [LOG.verifier, OTHER.verifier]
    assert len(note.open_note(text, both, at_least=2).signatures) == 2
    assert [one.name for one in note.open_note(text, [OTHER.verifier]).signatures] == [OTHER.name]
    with pytest.raises(NoteInvalid, match="0 known keys"):
        note.open_note(text, [])
    with pytest.raises(NoteInvalid, match="2 are needed"):
        note.open_note(text, [LOG.verifier], at_least=2)


def test_one_name_signing_twice_counts_once() -> None:
    twice = str(Note("Once.\n").signed_by(LOG, LOG))
    with pytest.raises(NoteInvalid, match="2 are needed"):
        note.open_note(twice, [LOG.verifier], at_least=2)


def test_a_witness_signs_its_time_with_the_tree_head() -> None:
    witness = Signer("witness.example", bytes(range(1, 33)), note.COSIGNATURE)
    line = witness.sign(HEAD.text, at=1_700_000_000)
    assert note.cosigned_at(line) == 1_700_000_000
    assert witness.verifier.verifies(HEAD.text, line)
    moved = note.Signature(line.name, line.key_id, (1).to_bytes(8, "big") + line.signed[8:])
    assert not witness.verifier.verifies(HEAD.text, moved)
    plain = Signer(witness.name, witness.seed)
    assert plain.verifier.key_id != witness.verifier.key_id
    signed = str(Note(HEAD.text, (LOG.sign(HEAD.text), line)))
    opened = note.open_note(signed, [LOG.verifier, witness.verifier], at_least=2)
    assert opened.signatures[1] == line


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "no end", "text\n", "text\n\n", "text\n\n— log.example\n",
        "text\n\n— log.example/exchanges I1OJ0kw=", "text\n\nlog.example/exchanges I1OJ0kw=\n",
        "te\txt\n\n— log.example/exchanges I1OJ0kw=\n", "text\n\n— a b I1OJ0kw=\n",
        "text\n\n— a I1OJ\n", "text\n\n— a I1OJ0kw\n", "text\n\n— a I1OJ0kx=\n",
        "\ud800\n\n— a I1OJ0kw=\n",
        "text\n\n" + "— a I1OJ0kw=\n" * 101, "x" * 1_000_001,
    ],
)  # fmt: skip
def test_what_is_no_note_is_not_read(text: str) -> None:
    with pytest.raises(NoteInvalid):
        note.read_note(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "a\n", "a\n7\n", "a\n07\nAA==\n", f"a\n-1\n{HEAD.text.split()[2]}\n", "a\n7\nAA==\n",
        f"\n7\n{HEAD.text.split()[2]}\n", f"a\n7\n{HEAD.text.split()[2]}",
        f"a\n7\n{HEAD.text.split()[2]}\n\n",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_not_read(text: str) -> None:
    with pytest.raises(NoteInvalid):
        Checkpoint.parse(text)


def test_another_logs_checkpoint_is_not_taken_for_this_ones() -> None:
    stranger = str(Note(HEAD.text).signed_by(OTHER))
    with pytest.raises(NoteInvalid):
        note.open_checkpoint(stranger, HEAD.origin, [OTHER.verifier])
    with pytest.raises(NoteInvalid):
        note.open_checkpoint(str(Note(HEAD.text).signed_by(LOG)), "else", [LOG.verifier])


def test_extension_lines_are_kept() -> None:
    extended = Checkpoint(HEAD.origin, HEAD.size, HEAD.root, ("time 1700000000",))
    assert Checkpoint.parse(extended.text) == extended


_TEXT = st.text(st.characters(codec="utf-8", min_codepoint=32))


@given(lines=st.lists(_TEXT, min_size=1), at=st.integers(0), flip=st.integers(0))
def test_any_text_is_signed_read_back_and_bound_to_its_signature(
    lines: list[str], at: int, flip: int
) -> None:
    text = "\n".join(lines) + "\n"
    written = str(Note(text).signed_by(OTHER))
    assert note.open_note(written, [OTHER.verifier]).text == text
    changed = text[: at % len(text)] + chr(33 + flip % 90) + text[at % len(text) :]
    with pytest.raises(NoteInvalid):
        note.open_note(changed + written[len(text) :], [OTHER.verifier])


@given(text=st.text())
def test_no_text_at_all_breaks_the_readers(text: str) -> None:
    for read in (note.read_note, Checkpoint.parse, Verifier.parse, Signer.parse):
        try:
            read(text)
        except NoteInvalid:
            continue
