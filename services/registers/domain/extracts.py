"""Certified extracts: one record, the proof that its entry is in the log, and the signed head."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from services.registers.domain import forms, objecthash

KIND = "atoll-register-extract/1"


def write(
    register: str,
    *,
    number: int,
    timestamp: int,
    key: str,
    blob_hash: bytes,
    content: str,
    size: int,
    path: Sequence[bytes],
    checkpoint: str,
    vkey: str,
) -> dict[str, Any]:
    """Return the document; timestamp: seconds since 1970.

    Everything that a verifier needs is in it but trust in the key, which must come from elsewhere.
    """
    return {
        "kind": KIND,
        "register": register,
        "entry": {
            "entry-number": number,
            "entry-timestamp": forms.timestamp(timestamp),
            "key": key,
            "blob-hash": objecthash.multihash(blob_hash),
        },
        "item": json.loads(content),
        "size": size,
        "inclusion-proof": [base64.b64encode(step).decode() for step in path],
        "checkpoint": checkpoint,
        "vkey": vkey,
    }
