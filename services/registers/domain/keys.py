"""Keys of records and names of registers and fields (specification v2: key, attribute name)."""

import re

MAX_KEY_LENGTH = 200
KEY_RULE = (
    "A key begins with a letter or digit and has letters, digits and single - _ . or / after it, "
    f"{MAX_KEY_LENGTH} characters at most."
)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_RESTRICTED_RUN = re.compile(r"[._/-]{2}")
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def is_key(text: str) -> bool:
    """Tell whether a text can be the key of a record: ``K-Thulusdhoo``, ``10.5``.

    A letter or digit, then letters, digits and ``- _ . /``, but no two of those four in a row.
    """
    return (
        len(text) <= MAX_KEY_LENGTH
        and _KEY.fullmatch(text) is not None
        and _RESTRICTED_RUN.search(text) is None
    )


def is_name(text: str) -> bool:
    """Tell whether a text can name a register or a field: ``home-island``."""
    return len(text) <= MAX_KEY_LENGTH and _NAME.fullmatch(text) is not None
