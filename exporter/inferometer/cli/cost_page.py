"""A reconciliation as a page in HTML that needs nothing beside it: no script, no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inferometer.cli.cost_chart import chart
from inferometer.cost.reconcile import PARTS, Reconciliation
from inferometer.cost.reconcile_cents import CentRow, in_cents
from inferometer.cost.reconcile_report import (
    COLUMNS,
    MEANINGS,
    TITLES,
    remarks,
    suggestions,
    usd,
    values,
)
from inferometer.home.markup import Markup, joined, tag

_STYLE = Markup("""
:root{color-scheme:light dark;--ink:light-dark(#1d2430,#e6e9ef);--paper:light-dark(#fff,#14181f);
--rule:light-dark(#d9dee6,#333b47);--side:light-dark(#5b6b82,#8494ab);
--more:light-dark(#c2571a,#e8874f);--less:light-dark(#2f7d5b,#58b48c)}
body{margin:2rem auto;max-width:62rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin-bottom:.25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.incomplete{border-left:4px solid var(--more);padding:.4rem .8rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}tfoot td{font-weight:600;border-bottom:0}
td{font-variant-numeric:tabular-nums}
svg{width:100%;max-width:46rem;height:auto;font-size:13px}
svg text{fill:var(--ink);dominant-baseline:central}svg .amount{font-variant-numeric:tabular-nums}
.side{fill:var(--side)}.more{fill:var(--more)}.less{fill:var(--less)}
.zero,.step{stroke:var(--rule);stroke-width:1.5;fill:none}
dt{font-weight:600;float:left;clear:left;min-width:15rem}dd{margin:0 0 .2rem 15rem}
""")


def page(reconciliation: Reconciliation, buffer: int | None) -> str:
    """The page."""
    rows, total = in_cents(reconciliation)
    title = f"The bill of {reconciliation.bill.month:%Y-%m} and what was tracked"
    advice = [*suggestions(rows, total, buffer)]
    html = tag(
        "html",
        tag("head", tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title), tag("style", _STYLE)),
        tag("body", tag("main", tag("h1", title), *_summary(reconciliation, total), chart(total),
                        tag("h2", "By category, in USD"), _table(rows, total),
                        tag("h2", "What the gap is made of"), _parts(total),
                        joined(tag("h2", "What to do"), _list(advice)) if advice else None,
                        tag("h2", "What was read"), _list([*remarks(reconciliation)]))),
        lang="en")
    return f"<!doctype html>\n{html}\n"


def _summary(reconciliation: Reconciliation, total: CentRow) -> Iterator[Markup]:
    ratio = reconciliation.gap_ratio
    share = "" if ratio is None else f", {ratio:.1%} of the bill"
    yield tag("p", f"Billed {usd(total.billed)} USD, tracked {usd(total.tracked)} USD: a gap of ",
              tag("strong", f"{usd(total.gap)} USD"), f"{share}.")
    if reconciliation.reasons:
        yield tag("p", "The month is incomplete, so its gap is not published: "
                       f"{'; '.join(reconciliation.reasons)}.", class_="incomplete")


def _table(rows: Sequence[CentRow], total: CentRow) -> Markup:
    return tag("div", tag(
        "table",
        tag("thead", tag("tr", joined(*(tag("th", TITLES[name], scope="col")
                                        for name in COLUMNS)))),
        tag("tbody", joined(*(_row(row) for row in rows))),
        tag("tfoot", _row(total))), class_="wide")


def _row(row: CentRow) -> Markup:
    return tag("tr", tag("td", row.category), joined(*(
        tag("td", usd(one) if one else "") for one in values(row))))


def _parts(total: CentRow) -> Markup:
    parts = [part for part in PARTS if total.parts[part]]
    if not parts:
        return tag("p", "There is none.")
    return tag("dl", joined(*(
        joined(tag("dt", f"{TITLES[part]}, {usd(total.parts[part])}"),
               tag("dd", MEANINGS[part])) for part in parts)))


def _list(texts: Sequence[str]) -> Markup:
    return tag("ul", joined(*(tag("li", one.replace("`", "")) for one in texts)))
