"""Content to HTML: what is wrong first, then engines, GPUs, cost and the exporter itself."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from inferometer.home import below, units
from inferometer.home.article import IN_PLACE, REASON, article, badge
from inferometer.home.cells import shown
from inferometer.home.content import BAD, NOTE, OVER, WAITING, Card, Content, Section
from inferometer.home.markup import NBSP, Markup, foreign, joined, tag
from inferometer.home.problems import ProblemRow, rows, state_of
from inferometer.home.status import runbook
from inferometer.home.style import CONTENT_TYPE as CONTENT_TYPE
from inferometer.home.style import HEADERS as HEADERS
from inferometer.home.style import head
from inferometer.home.table import table
from inferometer.parts import Code, Note, Quoted

REFRESH_SECONDS = 30
NAMED = 8  # things alike that a line names
MOST_LINES = 50  # about problems
OPEN_CARDS = 2  # a section with no more shows them at once
DAY = 86400.0

_ICON = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
         "%3Cpath d='M1 12l4-5 4 3 6-7' fill='none' stroke='{}' stroke-width='2.5'/%3E%3C/svg%3E")

_COLOURS = {"problem": "crimson", "over_limit": "darkorange", "ok": "seagreen"}


def render(content: Content, refresh: bool = False) -> bytes:
    """The whole page; one that loads itself again every half minute where that is asked for."""
    lines = rows(content.problems)
    grave = [line for line in lines if line.level != NOTE]
    notes = [line for line in lines if line.level == NOTE]
    summary = _summary(content, lines)
    title = f"{summary} — Inferometer{' demo' if content.exporter.demo else ''}"
    page = tag(
        "html",
        head(title,
             tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)) if refresh else None,
             tag("link", rel="icon", href=_ICON.format(_COLOURS[state_of(content.problems)]))),
        tag("body",
            _header(content, refresh),
            tag("main",
                _section("state", summary, _overview(content),
                         _problem_list(grave, content.exporter.now) if grave else None,
                         _totals(content), *_notes(content, notes)),
                *(_section(section.anchor, section.title, *_watched(section, content))
                  for section in _sections(content)),
                tag("div", _section("cost", "Cost", *below.cost(content)),
                    _section("exporter", "This exporter", *below.exporter(content)),
                    class_="beside"),
                _section("reading", "How to read this page", below.legend(content),
                         below.left_out())),
            _footer()),
        lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _header(content: Content, refresh: bool) -> Markup:
    now = datetime.fromtimestamp(content.exporter.now, UTC)
    every = f"every {REFRESH_SECONDS}{NBSP}s"
    return tag(
        "header", tag("h1", "Inferometer"),
        tag("p", tag("strong", "Demo:"), " what this page shows is made up.", class_="demo")
        if content.exporter.demo else None,
        tag("p", "As of ", tag("time", f"{now:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{now:%FT%TZ}"),
            joined(f", reloading {every}. ", tag("a", "Stop that", href="./")) if refresh else
            joined(". ", tag("a", f"Reload {every}", href="./?refresh"))),
        tag("nav", tag("ul", joined(*(
            tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name in (
                *((section.anchor, f"{section.title}{NBSP}{len(section.cards)}")
                  for section in _sections(content)),
                ("cost", "Cost"), ("exporter", "This exporter"), ("reading", "How to read"))))),
            aria_label="On this page"))


def _section(anchor: str, title: str, *content: Markup | None) -> Markup:
    return tag("section", tag("h2", title, id=anchor), *content, aria_labelledby=anchor)


def _summary(content: Content, lines: Sequence[ProblemRow]) -> str:
    bad, over = (sum(line.level == level for line in lines) for level in (BAD, OVER))
    if bad or over:
        limits = f"{over} over limit" if over else ""
        return ", ".join(filter(None, (_many(bad, "problem"), limits)))
    if not content.exporter.ready:
        return "Starting"
    watches = content.cards or not _running(content)
    return "No problems" if watches else "Nothing to watch yet"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _problem_list(lines: Sequence[ProblemRow], now: float) -> Markup:
    listed, more = lines[:MOST_LINES], len(lines) - MOST_LINES
    return tag("ul", joined(*(_problem(line, now, before is not None and before.group == line.group)
                              for before, line in itertools.pairwise([None, *listed]) if line)),
               tag("li", f"and {more} more; ", tag("a", "Status", href="status"), " has all",
                   class_="note") if more > 0 else None,
               class_="problems")


def _problem(line: ProblemRow, now: float, again: bool) -> Markup:
    """One line; where it is about the same as the one before, the name stands there."""
    named, more = line.places[:NAMED], len(line.places) - NAMED
    names = (tag("a", foreign(name, IN_PLACE), href=f"#{anchor}") if not again else
             tag("span", foreign(name, IN_PLACE), class_="unseen") for name, anchor in named)
    return tag(
        "li", badge(line.level), " ", joined(*(joined(name, " ") for name in names)),
        f"and {more} more " if more > 0 else None, foreign(line.text, REASON),
        _since(line.since, now) if line.since is not None else None,
        joined(*(joined(" ", tag("a", alert, href=runbook(alert), class_="runbook"))
                 for alert in line.alerts)),
        class_=f"{line.level} again" if again else line.level)


def _since(since: float, now: float) -> Markup:
    began = datetime.fromtimestamp(since, UTC)
    day = "" if now - since < DAY else f"{began:%F} "
    when = tag("time", f"{day}{began:%H:%M} UTC", datetime=f"{began:%FT%TZ}")
    return tag("span", " since ", when, f" ({units.duration(now - since)})", class_="since")


def _overview(content: Content) -> Markup:
    running = _running(content)
    if not running:
        names = " nor ".join(f"{section.noun}s" for section in content.sections if section.asked)
        return tag("p", f"In the role {content.exporter.role} neither {names} are read.")
    if not content.exporter.ready:
        names = " and ".join(f"{section.noun}s" for section in running)
        return tag("p", f"The first look for {names} is still under way. Reload this page "
                        "in a moment.")
    if content.cards:
        answering = " and ".join(_answering(section) for section in running)
        alone = len(running) == 1 and len(content.cards) == 1
        return tag("p", f"{answering} answer{'s' if alone else ''}.")
    names = " and no ".join(section.noun for section in running)
    return tag("p", f"No {names} was found so far; below is where they are looked for. To see "
                    "what this page shows, try ", tag("code", "inferometer demo"),
               " on your own machine: a made-up fleet with an incident in it.")


def _running(content: Content) -> list[Section]:
    """What this exporter's role has it read."""
    return [section for section in content.sections if section.runs and section.asked]


def _sections(content: Content) -> Sequence[Section]:
    """All that a role could read; of an exporter that is sent everything, that alone."""
    sent = [section for section in content.sections if section.runs and not section.asked]
    return sent if sent and not _running(content) else content.sections


def _answering(section: Section) -> str:
    cards = section.cards
    well = sum(not card.failed and card.level != WAITING for card in cards)
    part = "" if well == len(cards) else f"{well} of "
    return f"{part}{len(cards)} {section.noun}{'' if len(cards) == 1 else 's'}"


def _watched(section: Section, content: Content) -> Iterator[Markup]:
    """The cards of a section, or why there are none."""
    if not section.runs:
        yield tag("p", f"Not read in the role {content.exporter.role}.")
    elif section.cards:
        lines = table(section)
        if lines:
            yield lines
        few = len(section.cards) <= OPEN_CARDS
        yield tag("div", tag("span", "Plots and details:", class_="quiet"),
                  joined(*(_disclosed(card, content, few) for card in section.cards)),
                  class_="cards")
        if section.footnote:
            yield tag("p", _note(section.footnote), class_="quiet")
    else:
        yield from (tag("p", _note(note)) for note in section.when_empty)


def _disclosed(card: Card, content: Content, is_open: bool) -> Markup:
    """A card on demand; a link to it opens it."""
    return tag("details", tag("summary", foreign(card.name, IN_PLACE)), article(card, content),
               class_=f"card {card.level}", open=is_open)


def _note(note: Note) -> Markup:
    """A part's own words as HTML; a number stays with its unit of seconds."""
    return joined(*(
        tag("code", piece) if isinstance(piece, Code) else
        foreign(piece, REASON) if isinstance(piece, Quoted) else
        re.sub(r"(?<=\d) (?=s\b)", NBSP, piece) for piece in note))


def _totals(content: Content) -> Markup | None:
    """All engines and all GPUs together, and what was spent."""
    spent = units.usd(sum(content.costs.values())) if content.costs else ""
    groups = [(section.title, section.totals) for section in content.sections if section.totals]
    if spent and groups:
        groups.append(("Cost", [("Since the start", spent), *(
            (figure.label.partition(",")[0], shown(figure))
            for figure in content.assessment.money)]))
    return tag("dl", joined(*(
        tag("div", tag("dt", title), tag("dd", joined(*(
            tag("span", tag("strong", text), f" {label.lower()} ") for label, text in figures))))
        for title, figures in groups)), class_="totals") if groups else None


def _notes(content: Content, notes: Sequence[ProblemRow]) -> Iterator[Markup]:
    if notes:
        names = ", ".join(dict.fromkeys(name for note in notes for name, _ in note.places[:NAMED]))
        yield tag("details", tag("summary", f"{_many(len(notes), 'note')}: ",
                                 foreign(names, IN_PLACE)),
                  _problem_list(notes, content.exporter.now), class_="notes")
    if _running(content) and not content.assessment.limits.ours:
        yield tag("p", "Limits are the defaults: those that are configured are in the fleet's "
                       f"exporter, this one is in the role {content.exporter.role}.",
                  class_="quiet")


def _footer() -> Markup:
    return tag("footer", tag("nav", tag("ul", joined(*(
        tag("li", tag("a", name, href=path)) for path, name in (
            ("metrics", "Metrics"), ("status", "Status"), ("runbook", "Runbook"),
            ("-/healthy", "Health"), ("-/ready", "Readiness"))))),
        aria_label="Elsewhere on this exporter"))
