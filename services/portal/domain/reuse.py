"""Who reuses which component: the pairs that were seen, their table and their drawing."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.portal.domain import svg

WIDTH = 1000
_BOX, _ROW, _TOP = 220, 64, 16
_GATE = 150


@dataclass(frozen=True)
class Pair:
    """One consumer's use of one component; durations are upper ends of classes, None beyond."""

    consumer: str
    component: str
    calls: int
    declined: int
    refused: int
    failed: int
    personal: int
    half_under_ms: int | None
    most_under_ms: int | None
    last: str


@dataclass(frozen=True)
class ReuseMap:
    """What was used by whom in the last days, and the integrations that this avoided."""

    days: int
    consumers: Mapping[str, Mapping[str, str]]
    components: tuple[str, ...]
    pairs: tuple[Pair, ...]
    without_platform: int
    with_platform: int
    avoided: int
    assumption: Mapping[str, str]

    def pair(self, consumer: str, component: str) -> Pair | None:
        """Return the use of one component by one consumer, if any was seen."""
        for pair in self.pairs:
            if (pair.consumer, pair.component) == (consumer, component):
                return pair
        return None

    def consumers_of(self, component: str) -> list[str]:
        """Return who depends on a component."""
        return [pair.consumer for pair in self.pairs if pair.component == component]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON members."""
        return asdict(self)

    def to_csv(self) -> str:
        """Return the pairs as CSV (RFC 4180)."""
        written = io.StringIO()
        columns = list(Pair.__dataclass_fields__)
        table = csv.DictWriter(written, columns)
        table.writeheader()
        table.writerows(asdict(pair) for pair in self.pairs)
        return written.getvalue()


def draw(
    consumers: Sequence[tuple[str, str]],
    components: Sequence[tuple[str, str]],
    pairs: Sequence[Pair],
    gateway: str,
    title: str,
    *,
    rtl: bool,
) -> str:
    """Draw consumers, the gateway and components; the thicker a line, the more calls.

    consumers, components: keys with the names to show, in reading order.
    """
    height = 2 * _TOP + _ROW * max(1, len(consumers), len(components))
    left = _places([key for key, _ in consumers], height)
    right = _places([key for key, _ in components], height)
    wires = [
        _wire(left[pair.consumer], right[pair.component], pair, rtl)
        for pair in pairs
        if pair.consumer in left and pair.component in right
    ]
    boxes = [
        *(_box(name, 0, left[key], "outside", rtl) for key, name in consumers),
        *(_box(name, WIDTH - _BOX, right[key], "part", rtl) for key, name in components),
    ]
    gate = (WIDTH - _GATE) / 2
    return svg.element(
        "svg",
        svg.element("title", svg.words(title)),
        *wires,
        svg.element("rect", class_="gate", x=gate, y=8, width=_GATE, height=height - 16, rx=10),
        svg.element("text", svg.words(gateway), class_="gate-name", x=WIDTH / 2, y=height / 2 + 6),
        *boxes,
        class_="reuse",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def _places(keys: Sequence[str], height: float) -> dict[str, float]:
    step = height / max(1, len(keys))
    return {key: step * (index + 0.5) for index, key in enumerate(keys)}


def _flip(x: float, rtl: bool) -> float:
    return WIDTH - x if rtl else x


def _box(name: str, x: float, y: float, kind: str, rtl: bool) -> str:
    start = WIDTH - x - _BOX if rtl else x
    words = svg.lines(name, _BOX - 20, 18)[:2]
    top = y + 6 - 11 * (len(words) - 1)
    return svg.element(
        "g",
        svg.element("rect", x=start + 2, y=y - 26, width=_BOX - 4, height=52, rx=8),
        *(
            svg.element("text", svg.words(line), x=start + _BOX / 2, y=top + 22 * index)
            for index, line in enumerate(words)
        ),
        class_=kind,
    )


def _wire(start: float, end: float, pair: Pair, rtl: bool) -> str:
    """Two curves that meet at the gateway, so that it is seen where every call passes."""
    near, gate_in = _flip(_BOX, rtl), _flip((WIDTH - _GATE) / 2, rtl)
    gate_out, far = _flip((WIDTH + _GATE) / 2, rtl), _flip(WIDTH - _BOX, rtl)
    middle = (start + end) / 2
    bend = 70 if not rtl else -70
    path = (
        f"M{near:.0f} {start:.1f}C{near + bend:.0f} {start:.1f} {gate_in - bend:.0f} {middle:.1f} "
        f"{gate_in:.0f} {middle:.1f}M{gate_out:.0f} {middle:.1f}C{gate_out + bend:.0f} "
        f"{middle:.1f} {far - bend:.0f} {end:.1f} {far:.0f} {end:.1f}"
    )
    thick = min(12.0, 2 + 2 * math.log10(max(1, pair.calls)))
    trouble = " failing" if pair.failed else " stopped" if pair.refused else ""
    return svg.element("path", class_=f"use{trouble}", d=path, stroke_width=thick)
