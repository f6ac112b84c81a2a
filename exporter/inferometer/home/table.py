"""A section's things, a line each: their state, and figures beside their limits."""

from __future__ import annotations

from collections.abc import Sequence

from inferometer.home.article import IN_PLACE, NO_VALUE, badge
from inferometer.home.content import GOOD, OVER, Card, FigureCell, Section
from inferometer.home.markup import Markup, cut, foreign, joined, tag
from inferometer.home.plot import bar, since_first, spark
from inferometer.home.units import ratio

BESIDE = ("Model", "Product", "Pod")  # details that stand below the name


def table(section: Section) -> Markup | None:
    """The table; None where no thing has figures."""
    titles = list(dict.fromkeys(cell.title for card in section.cards for cell in card.cells))
    if not titles:
        return None
    all_of = _common(section.cards)
    noun = section.noun[:1].upper() + section.noun[1:]
    return tag(
        "table", tag("caption", f"{section.title}, the worst first", class_="unseen"),
        tag("thead", tag("tr", tag("th", noun, *((" · ", foreign(all_of, IN_PLACE)) if all_of
                                                 else ()), scope="col"),
                         *(tag("th", title, scope="col") for title in titles))),
        tag("tbody", *(_line(card, titles, all_of) for card in section.cards)), class_="things")


def _common(cards: Sequence[Card]) -> str:
    """The product that all of several are; empty if they differ."""
    products = {dict(card.details).get("Product", "") for card in cards}
    return products.pop() if len(cards) > 1 and len(products) == 1 else ""


def _line(card: Card, titles: Sequence[str], all_of: str) -> Markup:
    cells = {cell.title: cell for cell in card.cells}
    below = [text for label, text in card.details if label in BESIDE and text != all_of]
    state = tag("span", f"{card.state}{' · ' if below and card.level != GOOD else ''}",
                class_="unseen" if card.level == GOOD else f"badge {card.level}")
    return tag(
        "tr",
        tag("th", badge(card.level), " ",
            tag("a", foreign(card.name, IN_PLACE), href=f"#{card.anchor}"), " ",
            tag("span", state, foreign(" · ".join(below), IN_PLACE) if below else None,
                class_="of"), scope="row"),
        *(_cell(cells.get(title, FigureCell(title))) for title in titles), class_=card.level)


def _cell(cell: FigureCell) -> Markup:
    if not cell.text:
        return tag("td", NO_VALUE, data_label=cell.title)
    over = cell.level == OVER
    sign = joined(tag("span", "▲", aria_hidden="true", class_="sign"),
                  tag("span", "over its limit:", class_="unseen"), " ") if over else None
    limit = f"limit {ratio(cell.mark)}" if cell.mark is not None else ""
    return tag(
        "td", tag("span", sign, tag("strong", cell.text),
                  f" {cut(cell.of, IN_PLACE)}" if cell.of else None, class_="figure"),
        spark(since_first(cell.points)) if cell.points else None,
        bar(cell.share, cell.mark) if cell.share is not None else None,
        tag("span", cut(cell.beside, IN_PLACE), class_="beside-it") if cell.beside else None,
        tag("span", limit, class_="unseen") if limit else None,
        data_label=cell.title, class_=cell.level if over else None)
