"""The picture of a proof and the map, without any page."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import merkle
from services.portal.domain import audit_path, map_picture
from services.portal.domain.audit_path import Span, Step
from services.portal.domain.map_picture import Mark, hull, read_point


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_the_steps_are_those_of_the_proof(pair: tuple[int, int]) -> None:
    """Each step's neighbours have the head that the audit path holds there."""
    number, size = pair
    leaves = [merkle.leaf_hash(str(n).encode()) for n in range(1, size + 1)]
    path = merkle.inclusion_proof(leaves, number - 1)
    steps = audit_path.steps(number, size)
    assert [merkle.root(leaves[s.beside.first - 1 : s.beside.last]) for s in steps] == path
    assert (steps[-1].covered if steps else Span(1, 1)) == Span(1, size)


def test_a_step_says_on_which_side_it_joins() -> None:
    assert audit_path.steps(3, 4) == [
        Step(Span(4, 4), Span(3, 4), True),
        Step(Span(1, 2), Span(1, 4), False),
    ]


@pytest.mark.parametrize("rtl", [False, True])
def test_the_picture_stays_inside_its_frame(rtl: bool) -> None:
    labels = [str(n) for n in range(len(audit_path.steps(57, 189)) + 1)]
    text = audit_path.draw(57, 189, labels, "Title <b>", rtl=rtl)
    assert "Title &lt;b&gt;" in text
    bars = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', text)
    assert len(bars) == 3 * len(labels) - 1
    assert all(float(x) >= 0 and float(x) + float(w) <= 600.1 for x, _, w in bars)


def test_the_first_entry_is_on_the_right_in_a_language_from_the_right() -> None:
    def here(rtl: bool) -> float:
        text = audit_path.draw(1, 8, list("abcd"), "t", rtl=rtl)
        found = re.search(r'<rect x="([\d.]+)"[^>]*class="here"', text)
        assert found
        return float(found[1])

    assert here(False) == 0
    assert here(True) == 525


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("4.37,73.65", (4.37, 73.65)),
        ("-0.6, 73.1", (-0.6, 73.1)),
        ("91,0", None),
        ("0,181", None),
        ("4.37", None),
        ("4.37,73.65,1", None),
        ("nan,nan", None),
        (None, None),
        (["4,73"], None),
    ],
)
def test_places_are_read_or_are_none(text: object, place: object) -> None:
    assert read_point(text) == place


PLACE = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(st.lists(PLACE, min_size=1, max_size=20))
def test_every_place_is_inside_the_frame_and_north_is_up(places: list[tuple[float, float]]) -> None:
    seen = map_picture.frame(places)
    points = [seen.point(place) for place in places]
    assert all(-1 <= x <= seen.width + 1 and -1 <= y <= seen.height + 1 for x, y in points)
    north, south = max(places), min(places)
    assert seen.point(north)[1] <= seen.point(south)[1]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_a_hull_holds_every_point(points: list[tuple[float, float]]) -> None:
    found = hull(points)
    assert set(found) <= set(points)
    for a, b in zip(found, found[1:] + found[:1], strict=True):
        for p in points:
            assert len(found) < 3 or (b[0] - a[0]) * (p[1] - a[1]) >= (b[1] - a[1]) * (p[0] - a[0])


def test_a_map_without_places_is_empty_and_not_broken() -> None:
    text = map_picture.draw([], {}, "Nothing", names={}, closely=False)
    assert "circle" not in text
    assert "nan" not in text


def test_marks_carry_names_that_cannot_break_out() -> None:
    mark = Mark("k", '"><script>', (4.0, 73.0), "K", 1)
    text = map_picture.draw([mark], {"K": [(4.0, 73.0)]}, "t", names={"K": "<i>"}, closely=True)
    assert "<script>" not in text
    assert "<i>" not in text
    assert math.isfinite(map_picture.frame([(4.0, 73.0)]).scale)
