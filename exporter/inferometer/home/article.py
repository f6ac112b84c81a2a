"""One card as an article: state and reason, details, plots, and what its source does not tell."""

from __future__ import annotations

from inferometer.home import units
from inferometer.home.content import BAD, GOOD, NOTE, OVER, WAITING, Card, Content, Plot
from inferometer.home.history import POINTS, PlotPoint
from inferometer.home.markup import Markup, cut, foreign, joined, tag
from inferometer.home.plot import plot as drawing
from inferometer.home.plot import since_first
from inferometer.parts import Linked

IN_PLACE = 80  # characters of a name where it stands
IN_FULL = 1000  # of one that is asked for
REASON = 300

NO_VALUE = joined(tag("span", "—", aria_hidden="true"), tag("span", "no value", class_="unseen"))

_SIGNS = {BAD: "✕", OVER: "▲", NOTE: "i", WAITING: "…", GOOD: "✓"}


def article(card: Card, content: Content) -> Markup:
    """The card as HTML."""
    heading = f"{card.anchor}-name"
    return tag(
        "article",
        tag("div",
            tag("h3", badge(card.level, card.state), " ", foreign(card.name, IN_PLACE),
                id=heading),
            tag("p", foreign(card.why, REASON), class_="why") if card.why else None,
            tag("dl", joined(*(_detail(label, value) for label, value in card.details)),
                _detail("Read", _age(card.read_at, content.exporter.now))
                if card.asked else None),
            _more(card)),
        tag("div", joined(*(_figure(card, plot, content) for plot in card.plots)),
            class_=f"plots of-{len(card.plots)}"),
        id=card.anchor, class_=card.level, aria_labelledby=heading)


def badge(level: str, state: str = "") -> Markup:
    """A state as sign, word and colour."""
    sign = tag("span", _SIGNS[level], aria_hidden="true")
    return tag("span", sign, f" {state}" if state else None, class_=f"badge {level}")


def _detail(label: str, value: str) -> Markup:
    shown = foreign(value, IN_PLACE)
    if isinstance(value, Linked):
        shown = tag("a", shown, href=value.address, rel="noreferrer")
    return tag("div", tag("dt", label), " ", tag("dd", shown))


def _age(read_at: float | None, now: float) -> str:
    return "never" if read_at is None else f"{units.duration(now - read_at)} ago"


def _figure(card: Card, plot: Plot, content: Content) -> Markup:
    """A plot from where its data starts."""
    recorded = content.recorded
    points = since_first(plot.points)
    seen = [point for point in (*plot.points, plot.now) if point is not None]
    now = NO_VALUE if plot.now is None else _shown(plot, plot.now)
    caption = tag("figcaption", plot.title, " ", tag("strong", now))
    if not seen:
        why = "not told" if plot.missing else "no value" if recorded else "no value so far"
        return tag("figure", caption, tag("p", why, class_="empty"))
    low, high = (_shown(plot, end(seen, key=lambda point: (point.value, point.at_least)))
                 for end in (min, max))
    gaps = sum(point is None for point in plot.points[POINTS - recorded:])
    span = units.duration((len(points) - 1) * content.step)
    missed = f" {gaps} of {recorded} readings brought no value." if gaps else ""
    return tag(
        "figure", caption,
        drawing([None if point is None else point.value for point in points],
                plot.top or max(point.value for point in seen),
                f"{cut(card.name, IN_PLACE)}: {plot.title}",
                f"Lowest {low}, highest {high}.{missed}"),
        tag("p", tag("span", f"min {low}"), " ", tag("span", f"max {high}"), " ",
            tag("span", f"last {span}", class_="span") if recorded > 1 else None))


def _shown(plot: Plot, point: PlotPoint) -> str:
    return f"{'≥ ' if point.at_least else ''}{plot.shown(point.value)}"


def _more(card: Card) -> Markup:
    """What is rarely looked for, what the source does not tell, and what had to be cut."""
    long = [(label, value) for label, value in (("Name", card.name), ("Reason", card.why),
                                                *card.details) if len(value) > IN_PLACE]
    counts = [f"{len(card.missing)} signals not told" if card.missing else "",
              f"{card.unknown} unknown" if card.unknown else ""]
    return tag(
        "details", tag("summary", ", ".join(filter(None, ("More", *counts)))),
        tag("dl", joined(*(_full(label, value) for label, value in (*long, *card.more)))),
        tag("p", "Not told: ", joined(*(tag("code", f"{name} ") for name in card.missing)))
        if card.missing else None,
        tag("p", f"{card.unknown} families of this engine are not known to this exporter; "
                 "inferometer_unknown_families counts them.") if card.unknown else None)


def _full(label: str, value: str) -> Markup:
    rest = f" ({len(value):,} characters)" if len(value) > IN_FULL else None
    return tag("div", tag("dt", label), " ", tag("dd", foreign(value, IN_FULL), rest))
