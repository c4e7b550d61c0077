"""Addresses of tiles and bundles of entries, as C2SP tlog-tiles writes them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH, HEIGHT, MAX_LEVEL = 256, 8, 7  # 2^63 entries have tiles up to level 7
_ADDRESS = re.compile(
    r"(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class Address:
    """A tile of hashes, or with level None a bundle of entries; width: how many are wanted."""

    level: int | None
    index: int
    width: int

    def is_within(self, size: int) -> bool:
        """Tell whether a log of this size has it."""
        level = self.level or 0
        if level > MAX_LEVEL:
            return False
        return self.index * WIDTH + self.width <= size >> HEIGHT * level

    @property
    def is_full(self) -> bool:
        """Tell whether it never grows again."""
        return self.width == WIDTH


def read_address(text: str) -> Address | None:
    """Read ``0/x001/067``, ``0/x001/067.p/12`` or ``entries/000``; None for anything else."""
    match = _ADDRESS.fullmatch(text)
    if match is None or len(text) > 60:
        return None
    index = match["index"].replace("x", "").replace("/", "")
    if len(index) > 3 and index.startswith("000"):
        return None  # one tile has one address
    width = int(match["width"] or WIDTH)
    if width > WIDTH or (match["width"] and width == WIDTH):
        return None
    level = None if match["level"] == "entries" else int(match["level"])
    return Address(level, int(index), width)


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Write the inputs of leaves one after the other, each with its length in two bytes."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
