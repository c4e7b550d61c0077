"""Signed notes (C2SP signed-note) and the tree heads that they carry (C2SP tlog-checkpoint).

A note is text under which one or more names stand with their signatures. A checkpoint is a note
whose text is a log's origin, size and root. Witnesses sign one with its time (tlog-cosignature).
"""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519, COSIGNATURE = 0x01, 0x04
MAX_NOTE_BYTES, MAX_SIGNATURES = 1_000_000, 100
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH = "\N{EM DASH} "


class NoteInvalid(ValueError):
    """A note, key or checkpoint is not well formed, or a signature is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a note: who signed, with which key, and the bytes (time first if cosigned)."""

    name: str
    key_id: bytes
    signed: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_id + self.signed)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def signed_by(self, *signers: "Signer") -> "Note":
        """Return the note with further signatures under it."""
        _check_text(self.text)
        return Note(self.text, (*self.signatures, *(one.sign(self.text) for one in signers)))


@dataclass(frozen=True, slots=True)
class Verifier:
    """A name with its public key: what a reader must know to believe a note."""

    name: str
    public_key: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell the keys of one name apart."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(material).digest()[:4]

    def __str__(self) -> str:
        key = _base64(bytes([self.kind]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a key in its text form (vkey): name, key id, key; raises NoteInvalid."""
        name, key_id, key = _parts(text)
        verifier = cls(name, key[1:], key[0])
        if verifier.kind not in (ED25519, COSIGNATURE) or len(verifier.public_key) != 32:
            raise NoteInvalid("the key is of a kind that is not known here")
        if verifier.key_id.hex() != key_id:
            raise NoteInvalid("the key does not belong to its key id")
        return verifier

    def is_by(self, signature: Signature) -> bool:
        """Whether a signature says that it was made with this key."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verifies(self, text: str, signature: Signature) -> bool:
        """Whether a signature was made with this key, under exactly this text."""
        signed, message = signature.signed, text.encode()
        if self.kind == COSIGNATURE:
            message, signed = _cosigned(text, int.from_bytes(signed[:8], "big")), signed[8:]
        if not self.is_by(signature) or len(signed) != 64:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signed, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A name with its private key (the seed, 32 bytes); a witness's when kind is COSIGNATURE."""

    name: str
    seed: bytes
    kind: int = ED25519

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> "Signer":
        """Return a new key under this name."""
        if not _NAME.fullmatch(name):
            raise NoteInvalid("a name has no spaces and no plus signs")
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), kind)

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Read a private key in its text form; raises NoteInvalid, which never quotes it."""
        begin = "PRIVATE+KEY+"
        if not text.startswith(begin):
            raise NoteInvalid("this is not a private key of a note")
        name, key_id, key = _parts(text[len(begin) :])
        if key[0] not in (ED25519, COSIGNATURE) or len(key) != 33:
            raise NoteInvalid("the private key is of a kind that is not known here")
        signer = cls(name, key[1:], key[0])
        if signer.verifier.key_id.hex() != key_id:
            raise NoteInvalid("the private key does not belong to its key id")
        return signer

    def private_text(self) -> str:
        """Return the text form to be kept secret."""
        key = _base64(bytes([self.kind]) + self.seed)
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{key}"

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Verifier(self.name, raw, self.kind)

    def sign(self, text: str, *, at: int | None = None) -> Signature:
        """Sign a text; a witness signs the time too (``at``: Unix time in seconds)."""
        key, verifier = Ed25519PrivateKey.from_private_bytes(self.seed), self.verifier
        if self.kind == ED25519:
            return Signature(self.name, verifier.key_id, key.sign(text.encode()))
        at = int(time.time()) if at is None else at
        signed = at.to_bytes(8, "big") + key.sign(_cosigned(text, at))
        return Signature(self.name, verifier.key_id, signed)


def read_note(text: str) -> Note:
    """Read a note without believing it; raises NoteInvalid when it is none."""
    if len(text) > MAX_NOTE_BYTES:
        raise NoteInvalid("the note is too long")
    body, gap, lines = text.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoteInvalid("a note is text, an empty line, and lines of signatures")
    body += "\n"
    _check_text(body)
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MAX_SIGNATURES:
        raise NoteInvalid("the note has too many signatures")
    return Note(body, tuple(signatures))


def open_note(text: str, known: Iterable[Verifier], *, at_least: int = 1) -> Note:
    """Return the note with only those signatures that known keys made, each key's once.

    A signature of a key that is not known is passed over. Raises NoteInvalid when a known key's
    signature is wrong, or when fewer than ``at_least`` known keys signed.
    """
    note, verified = read_note(text), dict[tuple[str, bytes], Signature]()
    keys = {(key.name, key.key_id): key for key in known}
    for signature in note.signatures:
        key = keys.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.verifies(note.text, signature):
            raise NoteInvalid(f"the signature of {signature.name} is wrong")
        verified.setdefault((signature.name, signature.key_id), signature)
    if len(verified) < at_least:
        raise NoteInvalid(f"{len(verified)} known keys signed this; {at_least} are needed")
    return Note(note.text, tuple(verified.values()))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its origin, how many leaves it has, and their root (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text to sign."""
        lines = (self.origin, str(self.size), _base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a note's text; raises NoteInvalid."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise NoteInvalid("a checkpoint is origin, size, root, and no empty line")
        if not _SIZE.fullmatch(lines[1]):
            raise NoteInvalid("the size of a checkpoint is a plain whole number")
        root = _bytes(lines[2])
        if len(root) != 32:
            raise NoteInvalid("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:-1]))


def open_checkpoint(text: str, origin: str, known: Iterable[Verifier]) -> Checkpoint:
    """Return the checkpoint of one log when a known key of that very log's name signed it."""
    note = open_note(text, known)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin or origin not in {one.name for one in note.signatures}:
        raise NoteInvalid(f"this is not a checkpoint of {origin}")
    return checkpoint


def cosigned_at(signature: Signature) -> int:
    """Return when a witness signed (Unix time in seconds)."""
    return int.from_bytes(signature.signed[:8], "big")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteInvalid("a note's text ends in a newline and has no control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteInvalid("a note's text is UTF-8") from None


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise NoteInvalid("a signature is a dash, a name and base64")
    signed = _bytes(encoded)
    if len(signed) < 5:
        raise NoteInvalid("a signature is too short")
    return Signature(name, signed[:4], signed[4:])


def _parts(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _bytes(encoded)
    if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{8}", key_id) or not key:
        raise NoteInvalid("a key is name+key id+base64")
    return name, key_id, key


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """Decode standard base64 that could not have been written otherwise; raises NoteInvalid."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteInvalid("this is not base64") from None
    if _base64(data) != text:
        raise NoteInvalid("this is not the one way to write it in base64")
    return data
