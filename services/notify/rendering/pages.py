"""Judges a finished letter: a PDF of A4 pages that a printer can take as it is."""

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdf import PdfReader

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it would quote from the letter
MAX_PAGES = 10
_A4_POINTS, _TOLERANCE = (595.28, 841.89), 6.0
_TEST_VIRUS = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
# a letter on paper needs none of these
_ACTIVE = ("/JavaScript", "/JS", "/Launch", "/EmbeddedFiles", "/RichMedia", "/XFA")


@dataclass(frozen=True)
class Judgement:
    """What came of looking at a letter. fault: None for one that can be printed."""

    pages: int
    fault: str | None = None
    is_dangerous: bool = False

    @property
    def sheets(self) -> int:
        """Return how many sheets of paper it takes, printed on both sides."""
        return -(-self.pages // 2)


def judge(pdf: bytes) -> Judgement:
    """Return whether a PDF can be printed as a letter, and its pages."""
    if _TEST_VIRUS in pdf:
        return Judgement(0, "it holds the test virus", is_dangerous=True)
    from pypdf import PdfReader  # it costs 23 MB, and most processes never see a letter

    try:
        reader = PdfReader(io.BytesIO(pdf))
        if reader.is_encrypted:
            return Judgement(0, "it is encrypted")
        if active := _active(reader):
            return Judgement(0, f"it holds {active}", is_dangerous=True)
        count = len(reader.pages)
        if not 1 <= count <= MAX_PAGES:
            return Judgement(count, f"it has {count} pages; a letter has 1 to {MAX_PAGES}")
        for number, page in enumerate(reader.pages, 1):
            if not _is_a4(float(page.mediabox.width), float(page.mediabox.height)):
                return Judgement(count, f"page {number} is not A4 portrait")
    except Exception as error:  # noqa: BLE001 (whatever a parser does with it, it is no letter)
        return Judgement(0, f"it cannot be read ({type(error).__name__})")
    return Judgement(count)


def count(pdf: bytes) -> int:
    """Return the number of pages of a PDF that we made."""
    from pypdf import PdfReader

    return len(PdfReader(io.BytesIO(pdf)).pages)


def _is_a4(width: float, height: float) -> bool:
    return abs(width - _A4_POINTS[0]) <= _TOLERANCE and abs(height - _A4_POINTS[1]) <= _TOLERANCE


def _active(reader: "PdfReader") -> str | None:
    """Return the name of something that acts by itself, wherever in the file it is."""
    from pypdf.generic import DictionaryObject, IndirectObject

    for number in sorted(reader.xref_objStm.keys() | _numbers(reader)):
        found = reader.get_object(IndirectObject(number, 0, reader))
        if isinstance(found, DictionaryObject):
            for name in _ACTIVE:
                if name in found or found.get("/S") == name:
                    return name[1:]
    return None


def _numbers(reader: "PdfReader") -> set[int]:
    return {number for generation in reader.xref.values() for number in generation}
