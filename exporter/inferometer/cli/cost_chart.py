"""How what was tracked becomes what was billed, part by part, as a picture in SVG."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from inferometer.cost.reconcile import PARTS
from inferometer.cost.reconcile_cents import CentRow
from inferometer.cost.reconcile_report import TITLES, usd
from inferometer.home.markup import Markup, joined, tag

WIDTH, LEFT, RIGHT = 720, 120, 110  # of the drawing, of names and of amounts beside the bars
ROW, BAR = 34, 20
_NARROWEST = 1.5  # so that a cent is seen


class Bar(NamedTuple):
    """One bar, from cents to cents."""

    name: str
    begin: int
    end: int
    kind: str  # of the style: side, more, less
    amount: str


def chart(total: CentRow) -> Markup:
    """Bars from top to bottom: tracked, each part of the gap where the one before ends, billed."""
    bars = [*_bars(total)]
    lowest = min(0, *(min(bar.begin, bar.end) for bar in bars))
    highest = max(0, *(max(bar.begin, bar.end) for bar in bars))
    scale = (WIDTH - LEFT - RIGHT) / max(1, highest - lowest)
    height = ROW * len(bars)

    def place(cents: int) -> float:
        return LEFT + (cents - lowest) * scale

    return tag(
        "svg", tag("title", "From what was tracked to what was billed"),
        tag("desc", "; ".join(f"{bar.name} {bar.amount} USD" for bar in bars)),
        tag("path", class_="zero", d=f"M{place(0):.1f} 0v{height}"),
        joined(*(_drawn(bar, row, place(min(bar.begin, bar.end)),
                        abs(bar.end - bar.begin) * scale, place(bar.end),
                        row + 1 < len(bars)) for row, bar in enumerate(bars))),
        role="img", viewBox=f"0 0 {WIDTH} {height}")


def _bars(total: CentRow) -> Iterator[Bar]:
    yield Bar("tracked", 0, total.tracked, "side", usd(total.tracked))
    reached = total.tracked
    for part in PARTS:
        cents = total.parts[part]
        if cents:
            yield Bar(TITLES[part], reached, reached + cents, "more" if cents > 0 else "less",
                      ("+" if cents > 0 else "") + usd(cents))
            reached += cents
    yield Bar("billed", 0, total.billed, "side", usd(total.billed))


def _drawn(bar: Bar, row: int, left: float, length: float, end: float, has_next: bool) -> Markup:
    top = row * ROW + (ROW - BAR) // 2
    middle = top + BAR // 2
    return tag(
        "g",
        tag("text", bar.name, x=str(LEFT - 10), y=str(middle), text_anchor="end"),
        tag("rect", class_=bar.kind, x=f"{left:.1f}", y=str(top),
            width=f"{max(length, _NARROWEST):.1f}", height=str(BAR), rx="2"),
        tag("path", class_="step", d=f"M{end:.1f} {top + BAR}v{ROW - BAR}") if has_next else None,
        tag("text", bar.amount, x=str(WIDTH), y=str(middle), text_anchor="end", class_="amount"))
