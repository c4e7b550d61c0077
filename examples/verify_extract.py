"""Checks a certified extract of a register offline: python verify_extract.py FILE [VKEY]

FILE is what /registers/<register>/records/<key>/extract gives, or what a scanner reads from its QR
code. VKEY is the register's public key, got from someone you trust; without it the key inside the
extract is used, which tells only that the parts fit together. Needs Python and `cryptography`.
"""

import base64
import hashlib
import json
import sys
import unicodedata
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def tagged(tag, data):
    return hashlib.sha256(tag + data).digest()


def text_hash(text):
    return tagged(b"u", unicodedata.normalize("NFC", text).encode())


def value_hash(value):  # objecthash, as the registers specification (version 2) narrows it
    if isinstance(value, list):
        return tagged(b"s", b"".join(sorted(text_hash(each) for each in value if each)))
    return bytes.fromhex(value[-64:]) if value[:12] == "**REDACTED**" else text_hash(value)


def item_hash(item):
    pairs = [text_hash(name) + value_hash(value) for name, value in item.items() if value]
    return tagged(b"d", b"".join(sorted(pairs)))


def leaf_hash(entry):  # the entry's own hash, then that as a leaf of the tree (RFC 6962 2.1)
    number = tagged(b"i", str(entry["entry-number"]).encode())
    time = tagged(b"t", entry["entry-timestamp"].encode())
    blob = tagged(b"r", bytes.fromhex(entry["blob-hash"]))
    return tagged(b"\x00", tagged(b"l", number + text_hash(entry["key"]) + time + blob))


def root_from(value, index, size, path):  # RFC 9162 section 2.1.3.2
    last = size - 1
    for step in path:
        if last == 0:
            raise ValueError("the proof is too long")
        if index & 1 or index == last:
            value = tagged(b"\x01", step + value)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            value = tagged(b"\x01", value + step)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return value


def signed_lines(note, vkey):  # Ed25519 signature of a signed note (c2sp.org/signed-note)
    text, _, signatures = note.rpartition("\n\n")
    name, key_id, key = vkey.split("+", 2)
    public = base64.b64decode(key, validate=True)
    if public[:1] != b"\x01" or tagged(f"{name}\n".encode(), public)[:4].hex() != key_id:
        raise ValueError("the key is not well formed")
    for line in signatures.splitlines():
        _dash, signer, signed = line.split(" ", 2)
        data = base64.b64decode(signed, validate=True)
        if signer == name and data[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(data[4:], f"{text}\n".encode())
            return name, text.split("\n")
    raise ValueError("this key did not sign the extract")


def check(extract, vkey):
    name, (origin, size, root, *_) = signed_lines(extract["checkpoint"], vkey)
    entry, item, register = extract["entry"], extract["item"], extract["register"]
    if origin != name or not origin.endswith(f"/registers/{register}"):
        raise ValueError("the tree head belongs to another register")
    if item[register] != entry["key"] or "1220" + item_hash(item).hex() != entry["blob-hash"]:
        raise ValueError("the item is not the one of the entry")
    number = entry["entry-number"]
    path = map(base64.b64decode, extract["inclusion-proof"])
    if not 1 <= number <= int(size) == extract["size"]:
        raise ValueError("the entry is not within the tree")
    if root_from(leaf_hash(entry), number - 1, int(size), path) != base64.b64decode(root):
        raise ValueError("the proof does not lead to the signed tree head")
    return [f"Entry {number} of {register} at {entry['entry-timestamp']}:", *map(str, item.items())]


if __name__ == "__main__":
    try:
        given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        lines = check(given, (sys.argv[2:] or [given["vkey"]])[0])
    except (InvalidSignature, LookupError, TypeError, ValueError, AttributeError, OSError) as no:
        sys.exit(f"REFUSED: {str(no) or 'the signature is wrong'}")
    print("GENUINE" if sys.argv[2:] else "FITS TOGETHER (pass VKEY to know whose it is)")
    print("\n".join(lines))
