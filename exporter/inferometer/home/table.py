"""A section's things, a line each: their state, and figures beside their limits."""

from __future__ import annotations

from collections.abc import Sequence

from inferometer.home.article import IN_PLACE, NO_VALUE, badge
from inferometer.home.content import OVER, Card, Cell, Section
from inferometer.home.markup import Markup, cut, foreign, joined, tag
from inferometer.home.plot import bar, since_first, spark
from inferometer.home.units import ratio

BESIDE = ("Model", "Product", "Pod")  # details that stand below the name


def table(section: Section) -> Markup | None:
    """The table; None where no thing has figures."""
    titles = list(dict.fromkeys(cell.title for card in section.cards for cell in card.cells))
    if not titles:
        return None
    return tag(
        "table", tag("caption", f"{section.title}, the worst first", class_="unseen"),
        tag("thead", tag("tr", tag("th", section.noun[:1].upper() + section.noun[1:],
                                   scope="col"),
                         *(tag("th", title, scope="col") for title in titles))),
        tag("tbody", *(_line(card, titles) for card in section.cards)), class_="things")


def _line(card: Card, titles: Sequence[str]) -> Markup:
    cells = {cell.title: cell for cell in card.cells}
    below = [text for label, text in card.details if label in BESIDE]
    return tag(
        "tr",
        tag("th", badge(card.level, card.state), " ",
            tag("a", foreign(card.name, IN_PLACE), href=f"#{card.anchor}"),
            tag("span", foreign(" · ".join(below), IN_PLACE), class_="of") if below else None,
            scope="row"),
        *(_cell(cells.get(title, Cell(title))) for title in titles), class_=card.level)


def _cell(cell: Cell) -> Markup:
    if not cell.text:
        return tag("td", NO_VALUE, data_label=cell.title)
    over = cell.level == OVER
    sign = joined(tag("span", "▲", aria_hidden="true", class_="sign"),
                  tag("span", "over its limit:", class_="unseen"), " ") if over else None
    limit = f"limit {ratio(cell.mark)}" if cell.mark is not None else ""
    return tag(
        "td", tag("span", sign, tag("strong", cell.text), class_="figure"),
        spark(since_first(cell.points)) if cell.points else None,
        bar(cell.share, cell.mark) if cell.share is not None else None,
        tag("span", cut(cell.beside, IN_PLACE), class_="beside-it") if cell.beside else None,
        tag("span", limit, class_="unseen") if limit else None,
        data_label=cell.title, class_=cell.level if over else None)
