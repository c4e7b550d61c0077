"""The sequence diagram of what just happened: lanes, one row a call, and the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.portal.domain import svg

WIDTH = 1040
_MARGIN = 24
_HEAD = 72  # height of the lane names
_SIZE = 17  # type size of captions
_LINE = 23
_TIME_LANE = 96  # room for durations beside the last lane


@dataclass(frozen=True)
class Lane:
    """A vertical line that calls start from or end at. ``kind``: caller, gateway or service."""

    key: str
    name: str
    kind: str


@dataclass(frozen=True)
class Call:
    """One row: from a caller's lane through the gateway to a service's lane.

    stopped: at the gateway, so that no arrow reaches the service. note: two lines for personal
    data only, what was seen of a person and on what ground. present: the one being talked about.
    """

    number: int
    caller: str
    service: str
    caption: str
    took: str
    outcome: str
    outcome_says: str
    stopped: bool = False
    note: str | None = None
    present: bool = False


def draw(
    lanes: Sequence[Lane],
    calls: Sequence[Call],
    title: str,
    *,
    people: str,
    rtl: bool,
    with_people: bool = False,
) -> str:
    """Draw the diagram. ``people`` names the lane that shows whose data was seen.

    That lane is there when a call has a note, or always if ``with_people``.

    Lanes stand in reading order, so a right-to-left drawing is mirrored. A call whose lanes are
    not given is left out of the drawing; the text alternative still has it.
    """
    shown = list(lanes)
    if with_people or any(call.note for call in calls):
        shown.append(Lane("people", people, "people"))
    room = WIDTH - 2 * _MARGIN - _TIME_LANE
    step = room / max(1, len(shown))
    at = {lane.key: _MARGIN + step * (index + 0.5) for index, lane in enumerate(shown)}
    gate = next((at[lane.key] for lane in shown if lane.kind == "gateway"), None)
    grounds: list[str] = []
    rows: list[str] = []
    y = float(_HEAD + 12)
    for call in calls:
        if gate is None or call.caller not in at or call.service not in at:
            continue
        drawn, bottom = _row(call, at, gate, y, rtl, even=len(rows) % 2 == 1)
        rows.append(drawn)
        if len(rows) % 2 == 0 or call.present:
            grounds.append(
                svg.element(
                    "rect",
                    class_="ground now" if call.present else "ground",
                    x=8,
                    y=y,
                    width=WIDTH - 16,
                    height=bottom - y,
                    rx=6,
                )
            )
        y = bottom
    height = y + 16
    return svg.element(
        "svg",
        svg.element("title", svg.words(title)),
        *grounds,
        *(_lane(lane, at[lane.key], step, height, rtl) for lane in shown),
        *rows,
        class_="sequence",
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def _flip(x: float, rtl: bool) -> float:
    return WIDTH - x if rtl else x


def _lane(lane: Lane, x: float, step: float, height: float, rtl: bool) -> str:
    width = min(step - 8, 190)
    name = svg.lines(lane.name, width - 12, 17)[:2]
    top = 40 - 10 * (len(name) - 1)
    return svg.element(
        "g",
        svg.element(
            "line", x1=_flip(x, rtl), y1=_HEAD - 8, x2=_flip(x, rtl), y2=height - 8, class_="life"
        ),
        svg.element("rect", x=_flip(x, rtl) - width / 2, y=8, width=width, height=_HEAD - 16, rx=6),
        *(
            svg.element("text", svg.words(line), x=_flip(x, rtl), y=float(top + 20 * index))
            for index, line in enumerate(name)
        ),
        class_=f"lane {lane.kind}",
    )


def _row(
    call: Call, at: dict[str, float], gate: float, y: float, rtl: bool, *, even: bool
) -> tuple[str, float]:
    caption = svg.lines(call.caption, WIDTH - 2 * _MARGIN - 40, _SIZE)
    begin = _flip(_MARGIN + 40, rtl)
    parts = [
        svg.element("circle", class_="badge", cx=_flip(_MARGIN + 12, rtl), cy=y + 18, r=14),
        svg.element(
            "text", str(call.number), class_="number", x=_flip(_MARGIN + 12, rtl), y=y + 23
        ),
    ]
    for line in caption:
        parts.append(svg.element("text", svg.words(line), class_="caption", x=begin, y=y + 23))
        y += _LINE
    y += 18
    start, end = at[call.caller], at[call.service]
    stop = gate if call.stopped else end
    parts.append(_arrow(_flip(start, rtl), _flip(stop, rtl), y))
    parts.append(svg.element("circle", class_="door", cx=_flip(gate, rtl), cy=y, r=6))
    if call.stopped:
        parts.append(_cross(_flip(gate, rtl), y))
    if call.note and not call.stopped:
        parts.append(_seen(_flip(end, rtl), _flip(at["people"], rtl), y, call.note))
    parts.append(
        svg.element(
            "text",
            svg.words(call.took if call.outcome == "answered" else call.outcome_says),
            class_="took",
            x=_flip(WIDTH - _MARGIN, rtl),
            y=y + 5,
        )
    )
    seen = 16 if call.note and not call.stopped else 0
    return svg.element(
        "g",
        *parts,
        class_=f"call {call.outcome}{' even' if even or call.present else ''}"
        f"{' present' if call.present else ''}",
    ), y + 24 + seen


def _arrow(start: float, end: float, y: float) -> str:
    ahead = 1 if end > start else -1
    head = (
        f"M{end - ahead * 12:.1f} {y - 7:.1f}L{end:.1f} {y:.1f}L{end - ahead * 12:.1f} {y + 7:.1f}"
    )
    return svg.element("line", class_="arrow", x1=start, y1=y, x2=end, y2=y) + svg.element(
        "path", class_="arrow head", d=head
    )


def _cross(x: float, y: float) -> str:
    return svg.element(
        "path",
        class_="cross",
        d=f"M{x - 9:.1f} {y - 9:.1f}L{x + 9:.1f} {y + 9:.1f}"
        f"M{x + 9:.1f} {y - 9:.1f}L{x - 9:.1f} {y + 9:.1f}",
    )


def _seen(service: float, people: float, y: float, note: str) -> str:
    return (
        svg.element("line", class_="seen", x1=service, y1=y, x2=people, y2=y)
        + svg.element("circle", class_="eye", cx=people, cy=y, r=8)
        + "".join(
            svg.element("text", svg.words(line), class_="note", x=people, y=y + 22 + 14 * index)
            for index, line in enumerate(note.split("\n")[:2])
        )
    )
