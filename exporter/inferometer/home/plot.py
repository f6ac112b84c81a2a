"""Numbers to a small plot: SVG that scales with its place, gaps left open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from inferometer.home.history import POINTS
from inferometer.home.markup import Markup, joined, tag

STRIDE = 2  # units from point to point
WIDTH = STRIDE * (POINTS - 1)
HEIGHT = 100
MARGIN = 4  # so that a line at the edge is whole

Dots = list[tuple[int, int]]


def plot(values: Sequence[float | None], top: float, title: str, description: str) -> Markup:
    """The values, oldest first, over a scale from 0 to `top`; None is a gap."""
    lines, areas = [], []
    for dots in _runs(values, top):
        (left, y), steps = dots[0], "".join(_steps(dots))
        lines.append(f"M{left} {y}{steps or 'h0'}")
        areas.append(f"M{left} {HEIGHT}V{y}{steps}V{HEIGHT}z")
    return tag(
        "svg", tag("title", title), tag("desc", description),
        tag("path", class_="base", d=f"M0 {HEIGHT}h{WIDTH}"),
        joined(tag("path", class_="area", d=Markup("".join(areas))),
               tag("path", class_="line", d=Markup("".join(lines)))) if lines else None,
        role="img", viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none")


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
