"""The map: our own drawing of the atolls from the islands' coordinates, north up.

A map is never mirrored. Each outline is the hull of the islands of an atoll, with room around it.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.portal.domain import svg

_POINT = re.compile(r"-?\d{1,3}(?:\.\d{1,12})?,\s*-?\d{1,3}(?:\.\d{1,12})?")
_HEIGHT, _ROOM, _MARGIN, _LINE = 1000.0, 26.0, 110, 20.0
Place = tuple[float, float]  # latitude, longitude


@dataclass(frozen=True)
class Mark:
    """One record at a place. group: the atoll it is in, or nothing. number: as in the list."""

    key: str
    name: str
    at: Place
    group: str = ""
    number: int | None = None
    is_chosen: bool = False


@dataclass(frozen=True)
class Frame:
    """Turns places into the drawing's points (equirectangular around the middle)."""

    south: float
    west: float
    scale: float  # units for one degree of latitude
    width: float
    height: float
    shrink: float  # a degree of longitude against one of latitude

    def point(self, at: Place) -> tuple[float, float]:
        """Return x and y of a place."""
        x = _ROOM + (at[1] - self.west) * self.scale * self.shrink
        return x, self.height - _ROOM - (at[0] - self.south) * self.scale


def read_point(text: object) -> Place | None:
    """Read ``latitude,longitude`` in decimal degrees; None for anything that is no place."""
    if not isinstance(text, str) or _POINT.fullmatch(text) is None:
        return None
    latitude, longitude = (float(one) for one in text.split(","))
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def frame(places: Iterable[Place]) -> Frame:
    """Return the frame in which all of these places are seen."""
    places = list(places) or [(0.0, 73.0)]
    south, north = min(p[0] for p in places), max(p[0] for p in places)
    west, east = min(p[1] for p in places), max(p[1] for p in places)
    shrink = math.cos(math.radians((south + north) / 2))
    tall, wide = max(north - south, 0.08), max((east - west) * shrink, 0.08)
    scale = (_HEIGHT - 2 * _ROOM) / max(tall, wide)
    return Frame(
        south - (tall - (north - south)) / 2,
        west - (wide / shrink - (east - west)) / 2,
        scale,
        wide * scale + 2 * _ROOM,
        tall * scale + 2 * _ROOM,
        shrink,
    )


def draw(
    marks: Sequence[Mark],
    land: Mapping[str, Sequence[Place]],
    title: str,
    *,
    names: Mapping[str, str],
    closely: bool,
) -> str:
    """Draw the atolls and the marks upon them.

    land: the islands of each atoll; names: what the atolls are called on the map. closely: only a
    few marks are shown, with their numbers.
    """
    around = [mark.at for mark in marks] if closely else []
    chosen = {mark.group for mark in marks} if closely else set(land)
    seen = frame(around + [place for group in chosen for place in land.get(group, ())])
    size = 7.0 if closely else 4.0
    parts = [_outline(seen, land[group], group) for group in sorted(chosen & land.keys())]
    parts += [
        _circle(seen, place, size / 2, "land")
        for group in sorted(chosen & land.keys())
        for place in land[group]
    ]
    parts += [
        _mark(seen, mark, size, closely) for mark in sorted(marks, key=lambda one: one.is_chosen)
    ]
    if not closely:
        parts += _names(seen, land, names)
    margin = 0 if closely else _MARGIN
    return svg.element(
        "svg",
        svg.element("title", svg.words(title)),
        *parts,
        class_="map closely" if closely else "map",
        viewBox=f"{-margin} 0 {seen.width + 2 * margin:.0f} {seen.height:.0f}",
        role="img",
        aria_label=title,
        xmlns="http://www.w3.org/2000/svg",
    )


def _outline(seen: Frame, places: Sequence[Place], group: str) -> str:
    points = hull([seen.point(place) for place in places])
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return svg.element("polygon", points=path, class_="atoll", data_atoll=group)


def _circle(seen: Frame, at: Place, radius: float, kind: str, *inside: str) -> str:
    x, y = seen.point(at)
    return svg.element("circle", *inside, cx=x, cy=y, r=radius, class_=kind)


def _mark(seen: Frame, mark: Mark, size: float, closely: bool) -> str:
    told = svg.element("title", svg.words(mark.name))
    kind = "mark chosen" if mark.is_chosen else "mark"
    circle = _circle(seen, mark.at, size * (2 if mark.is_chosen else 1), kind, told)
    if not closely or mark.number is None:
        return circle
    x, y = seen.point(mark.at)
    number = svg.element("text", str(mark.number), x=x, y=y - size - 5, class_="number")
    return svg.element("g", circle, number)


def _names(seen: Frame, land: Mapping[str, Sequence[Place]], names: Mapping[str, str]) -> list[str]:
    """Write the atolls' names on the outer side of each, none upon another."""
    parts: list[str] = []
    for is_west in (True, False):
        free = 0.0
        for group, points in sorted(_middles(seen, land), key=lambda pair: _mean(pair[1], 1)):
            if (_mean(points, 0) < seen.width / 2) != is_west:
                continue
            edge = min(x for x, _ in points) - 20 if is_west else max(x for x, _ in points) + 20
            free = max(_mean(points, 1) + 5, free)
            text = svg.words(names.get(group, group))
            kind = "name before" if is_west else "name"
            parts.append(svg.element("text", text, x=edge, y=free, class_=kind))
            free += _LINE
    return parts


def _middles(
    seen: Frame, land: Mapping[str, Sequence[Place]]
) -> list[tuple[str, list[tuple[float, float]]]]:
    return [(group, [seen.point(one) for one in places]) for group, places in land.items()]


def _mean(points: Sequence[tuple[float, float]], axis: int) -> float:
    return sum(point[axis] for point in points) / len(points)


def hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the convex hull of points (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered

    def half(chain: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for point in chain:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return half(ordered) + half(reversed(ordered))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
