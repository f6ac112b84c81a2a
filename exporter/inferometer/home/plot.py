"""Numbers to a small plot: SVG that scales with its place, gaps left open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeVar

from inferometer.home.markup import Markup, joined, tag

STRIDE = 2  # units from point to point
HEIGHT = 100
BAR = 6
COARSE = 3  # points that are one of a small line
FEWEST = 2  # points that make a line
MARGIN = 4  # so that a line at the edge is whole

Dots = list[tuple[int, int]]
T = TypeVar("T")


def plot(values: Sequence[float | None], top: float, title: str, description: str) -> Markup:
    """The values, oldest first, over a scale from 0 to `top`; None is a gap."""
    width = STRIDE * (len(values) - 1)
    return tag(
        "svg", tag("title", title), tag("desc", description),
        tag("path", class_="base", d=f"M0 {HEIGHT}h{width}"), _drawn(values, top),
        role="img", viewBox=f"0 0 {width} {HEIGHT}", preserveAspectRatio="none")


def spark(values: Sequence[float | None], top: float | None = None) -> Markup | None:
    """The values without any words, for where they stand beside it; None if there are too few."""
    seen = [value for value in values if value is not None]
    if len(seen) < FEWEST:
        return None
    coarse = [max((value for value in values[place:place + COARSE] if value is not None),
                  default=None) for place in range(0, len(values), COARSE)]
    width = STRIDE * (len(coarse) - 1)
    return tag(
        "svg", _drawn(coarse, top or max(seen)), class_="spark", aria_hidden="true",
        viewBox=f"0 0 {width} {HEIGHT}", preserveAspectRatio="none")


def bar(share: float, mark: float | None) -> Markup:
    """A share of the whole as a bar, and a mark upon it; the number stands beside it."""
    length = round(100 * min(1.0, max(0.0, share)), 1)
    return tag(
        "svg", tag("path", class_="track", d=f"M0 0h100v{BAR}h-100z"),
        tag("path", class_="fill", d=f"M0 0h{length:g}v{BAR}h-{length:g}z"),
        tag("path", class_="mark", d=f"M{round(100 * mark, 1):g} 0v{BAR}")
        if mark is not None else None,
        class_="bar", aria_hidden="true", viewBox=f"0 0 100 {BAR}", preserveAspectRatio="none")


def since_first(points: Sequence[T | None]) -> Sequence[T | None]:
    """The points from the first one on that is there; two at least."""
    first = next((place for place, point in enumerate(points) if point is not None), len(points))
    return points[max(0, min(first, len(points) - 2)):]


def _drawn(values: Sequence[float | None], top: float) -> Markup | None:
    lines, areas = [], []
    for dots in _runs(values, top):
        (left, y), steps = dots[0], "".join(_steps(dots))
        lines.append(f"M{left} {y}{steps or 'h0'}")
        areas.append(f"M{left} {HEIGHT}V{y}{steps}V{HEIGHT}z")
    return joined(tag("path", class_="area", d=Markup("".join(areas))),
                  tag("path", class_="line", d=Markup("".join(lines)))) if lines else None


def _runs(values: Sequence[float | None], top: float) -> Iterator[Dots]:
    """Points between gaps, in units of the drawing."""
    run: Dots = []
    for place, value in enumerate(values):
        if value is not None:
            share = min(1.0, max(0.0, value / top)) if top > 0 else 0.0
            height = round(share * (HEIGHT - 2 * MARGIN))
            run.append((place * STRIDE, HEIGHT - MARGIN - height))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _steps(dots: Dots) -> Iterator[str]:
    """From dot to dot, level stretches in one."""
    level = 0
    for (_, before), (_, y) in itertools.pairwise(dots):
        if y == before:
            level += STRIDE
            continue
        if level:
            yield f"h{level}"
            level = 0
        yield f"l{STRIDE} {y - before}"
    if level:
        yield f"h{level}"
