from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.home.history import POINTS
from inferometer.home.plot import HEIGHT, MARGIN, STRIDE, bar, plot, since_first, spark

WIDTH = STRIDE * (POINTS - 1)
points = st.lists(st.none() | st.floats(-1, 1e6), min_size=POINTS, max_size=POINTS)


def drawn(values: list[float | None], top: float = 1.0) -> list[list[tuple[int, int]]]:
    """The line's stretches, as corners."""
    drawing = ElementTree.fromstring(plot(values, top, "title", "description"))
    line = drawing.find("path[@class='line']")
    stretches: list[list[tuple[int, int]]] = []
    for command, x, y in re.findall(r"([MlhVz])(-?\d+)(?: (-?\d+))?",
                                    "" if line is None else line.attrib["d"]):
        if command == "M":
            stretches.append([(int(x), int(y))])
        elif command == "l":
            stretches[-1].append((stretches[-1][-1][0] + int(x), stretches[-1][-1][1] + int(y)))
        else:
            stretches[-1].append((stretches[-1][-1][0] + int(x), stretches[-1][-1][1]))
    return stretches


def padded(*values: float | None) -> list[float | None]:
    return [*values, *([None] * (POINTS - len(values)))]


def test_the_line_goes_from_left_to_right_and_up() -> None:
    low, high = HEIGHT - MARGIN, MARGIN
    assert drawn(padded(0.0, 1.0, 0.5)) == [[(0, low), (2, high), (4, (low + high) // 2)]]


def test_a_gap_is_left_open() -> None:
    stretches = drawn(padded(1.0, 1.0, None, None, 1.0))
    assert [stretch[0][0] for stretch in stretches] == [0, 4 * STRIDE]


def test_a_single_point_is_a_dot() -> None:
    assert drawn(padded(None, 0.0)) == [[(STRIDE, HEIGHT - MARGIN)] * 2]


def test_zero_is_drawn_and_nothing_is_not() -> None:
    assert drawn([0.0] * POINTS) == [[(0, HEIGHT - MARGIN), (WIDTH, HEIGHT - MARGIN)]]
    assert drawn([None] * POINTS) == []


def test_what_is_beyond_the_scale_stays_at_its_edge() -> None:
    assert drawn(padded(2.0, -1.0)) == [[(0, MARGIN), (STRIDE, HEIGHT - MARGIN)]]
    assert drawn(padded(3.0, 3.0), top=0.0) == [[(0, HEIGHT - MARGIN), (2, HEIGHT - MARGIN)]]


@settings(deadline=None, database=None)
@given(points, st.floats(0, 1e6))
def test_every_plot_is_xml_within_its_box_and_says_what_it_is(values: list[float | None],
                                                              top: float) -> None:
    drawing = ElementTree.fromstring(plot(values, top, "a & b", "<c>"))
    assert (drawing.attrib["role"], drawing.findtext("title"), drawing.findtext("desc")) == (
        "img", "a & b", "<c>")
    assert len(ElementTree.tostring(drawing)) < 2500
    corners = [corner for stretch in drawn(values, top) for corner in stretch]
    assert all(0 <= x <= WIDTH and MARGIN <= y <= HEIGHT - MARGIN for x, y in corners)
    assert len(drawn(values, top)) == sum(
        value is not None and (place == 0 or values[place - 1] is None)
        for place, value in enumerate(values))


def test_an_axis_begins_where_its_data_does() -> None:
    assert since_first([None, None, 1.0, None, 2.0]) == [1.0, None, 2.0]
    assert since_first([None, None, 1.0]) == [None, 1.0]  # one point alone makes no axis
    assert since_first([None, None, None]) == [None, None]


def test_a_small_line_has_the_highest_of_each_few_points_and_needs_two() -> None:
    assert spark([None, 1.0]) is None
    drawing = ElementTree.fromstring(spark([0.0, 4.0, 0.0, 2.0, None, None]) or "")
    assert drawing.attrib["viewBox"] == f"0 0 {STRIDE} {HEIGHT}"
    line = drawing.find("path[@class='line']")
    assert line is not None
    assert line.attrib["d"] == f"M0 {MARGIN}l{STRIDE} {(HEIGHT - 2 * MARGIN) // 2}"


def test_a_bar_is_as_long_as_its_share_and_never_longer_than_the_whole() -> None:
    assert 'd="M0 0h42v6h-42z"' in bar(0.42, None)
    assert 'class="fill" d="M0 0h100v6h-100z"' in bar(1.7, 0.95)
    assert '<path class="mark" d="M95 0v6">' in bar(0.5, 0.95)
