"""The picture of the platform: named boxes around the gateway, their health, a passing call."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.portal.domain import svg

_WIDTH, _HEIGHT = 640, 400
_BOX_WIDTH, _BOX_HEIGHT = 196, 84
_GATE_X, _GATE_WIDTH = 266, 108


@dataclass(frozen=True)
class Box:
    """One component. ``state``: ready, starting, down or outside; the words say it for people."""

    name: str
    says: str
    state: str
    state_says: str
    lit: bool = False


def draw(gateway: Box, near: Sequence[Box], far: Sequence[Box], title: str, *, rtl: bool) -> str:
    """Draw the gateway with boxes on both sides; ``near`` is where reading begins.

    In a right-to-left language the drawing is mirrored. Colours come from the page's classes.
    """
    parts: list[str] = []
    boxes: list[str] = []
    for side, column in ((0, near), (1, far)):
        x = 0.0 if side == 0 else float(_WIDTH - _BOX_WIDTH)
        step = _HEIGHT / max(1, len(column))
        for index, box in enumerate(column):
            y = step * (index + 0.5) - _BOX_HEIGHT / 2
            middle = y + _BOX_HEIGHT / 2
            start = x + (_BOX_WIDTH if side == 0 else 0)
            end = float(_GATE_X if side == 0 else _GATE_X + _GATE_WIDTH)
            lit = " lit" if box.lit else ""
            parts.append(
                svg.element(
                    "line",
                    class_=f"wire {box.state}{lit}",
                    x1=_mirror(start, rtl),
                    y1=middle,
                    x2=_mirror(end, rtl),
                    y2=middle,
                )
            )
            if box.lit:
                parts.append(
                    svg.element(
                        "circle",
                        class_="spark",
                        cx=_mirror((start + end) / 2, rtl),
                        cy=middle,
                        r=7,
                    )
                )
            boxes.append(_box(box, x, y, rtl))
    parts += [*boxes, _gate(gateway, rtl)]
    return svg.element(
        "svg",
        svg.element("title", svg.words(title)),
        *parts,
        class_="picture",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def _mirror(x: float, rtl: bool) -> float:
    return _WIDTH - x if rtl else x


def _box(box: Box, x: float, y: float, rtl: bool) -> str:
    left = _WIDTH - x - _BOX_WIDTH if rtl else x
    centre = left + _BOX_WIDTH / 2
    lit = " lit" if box.lit else ""
    return svg.element(
        "g",
        svg.element(
            "rect",
            x=left + 2,
            y=y + 2,
            width=_BOX_WIDTH - 4,
            height=_BOX_HEIGHT - 4,
            rx=8,
        ),
        svg.element("text", svg.words(box.name), class_="name", x=centre, y=y + 28),
        svg.element("text", svg.words(box.says), class_="says", x=centre, y=y + 48),
        svg.element("text", svg.words(box.state_says), class_="state", x=centre, y=y + 69),
        class_=f"box {box.state}{lit}",
    )


def _gate(gateway: Box, rtl: bool) -> str:
    centre = _mirror(_GATE_X + _GATE_WIDTH / 2, rtl)
    says = [
        svg.element("text", svg.words(line), class_="says", x=centre, y=206 + 20 * index)
        for index, line in enumerate(svg.lines(gateway.says, _GATE_WIDTH - 8, 14))
    ]
    return svg.element(
        "g",
        svg.element("rect", x=_GATE_X, y=8, width=_GATE_WIDTH, height=_HEIGHT - 16, rx=10),
        svg.element("text", svg.words(gateway.name), class_="name", x=centre, y=180),
        *says,
        svg.element("text", svg.words(gateway.state_says), class_="state", x=centre, y=372),
        class_=f"gate {gateway.state}{' lit' if gateway.lit else ''}",
    )
