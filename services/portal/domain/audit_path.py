"""How a proof goes from one entry to the register's fingerprint, as steps and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.portal.domain import svg

WIDTH, ROW, BAR, TOP = 600, 36, 16, 8


@dataclass(frozen=True)
class Span:
    """Entries from one number to another."""

    first: int
    last: int


@dataclass(frozen=True)
class Step:
    """One step up: a fingerprint of neighbours is joined, and more entries are covered.

    is_later: whether the neighbours come after what was covered.
    """

    beside: Span
    covered: Span
    is_later: bool


def steps(number: int, size: int) -> list[Step]:
    """Return the steps from an entry to the head of a tree of ``size`` (RFC 6962 section 2.1.1)."""
    covered, found = Span(number, number), []
    for beside in _neighbours(number - 1, 1, size):
        whole = Span(min(covered.first, beside.first), max(covered.last, beside.last))
        found.append(Step(beside, whole, beside.first > covered.last))
        covered = whole
    return found


def draw(number: int, size: int, labels: Sequence[str], title: str, *, rtl: bool) -> str:
    """Draw a row for the entry and one for each step: what is covered, and what joins it.

    labels: the words of each row. In a right-to-left language the first entry is on the right.
    """
    rows = [(Span(number, number), None)] + [
        (step.covered, step.beside) for step in steps(number, size)
    ]
    height = TOP + ROW * len(rows) - BAR + 24
    parts: list[str] = []
    for index, ((covered, beside), label) in enumerate(zip(rows, labels, strict=True)):
        y = height - BAR - 4 - ROW * index
        kind = "here" if index == 0 else "top" if index == len(rows) - 1 else "covered"
        parts.append(_bar(Span(1, size), size, y, "all", rtl))
        parts.append(_bar(covered, size, y, kind, rtl))
        if beside is not None:
            parts.append(_bar(beside, size, y, "beside", rtl))
        parts.append(
            svg.element("text", svg.words(label), x=WIDTH if rtl else 0, y=y - 4, class_="label")
        )
    return svg.element(
        "svg",
        svg.element("title", svg.words(title)),
        *parts,
        class_="audit-path",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def _bar(span: Span, size: int, y: float, kind: str, rtl: bool) -> str:
    width = max(5.0, (span.last - span.first + 1) / size * WIDTH)
    left = min((span.first - 1) / size * WIDTH, WIDTH - width)
    return svg.element(
        "rect",
        x=WIDTH - left - width if rtl else left,
        y=y,
        width=width,
        height=BAR,
        rx=2,
        class_=kind,
    )


def _neighbours(place: int, first: int, size: int) -> list[Span]:
    if size <= 1:
        return []
    half = 1 << (size - 1).bit_length() - 1  # the largest power of two below size
    if place < half:
        return [*_neighbours(place, first, half), Span(first + half, first + size - 1)]
    inner = _neighbours(place - half, first + half, size - half)
    return [*inner, Span(first, first + half - 1)]
