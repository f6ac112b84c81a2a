"""Content to HTML: what is wrong first, then engines, GPUs, cost and the exporter itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources

from inferometer import __version__
from inferometer.home import units
from inferometer.home.article import IN_PLACE, REASON, article, badge
from inferometer.home.content import BAD, GOOD, WARNING, Content, Section
from inferometer.home.history import POINTS
from inferometer.home.markup import NBSP, Markup, cut, foreign, joined, tag
from inferometer.parts import Code, Note, Quoted

REFRESH_SECONDS = 30

CONTENT_TYPE = "text/html; charset=utf-8"
STYLE = Markup(resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
                               "img-src data:; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ICON = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
         "%3Cpath d='M1 12l4-5 4 3 6-7' fill='none' stroke='{}' stroke-width='2.5'/%3E%3C/svg%3E")

Problem = tuple[str, str, str, str]  # level, name, what is wrong, anchor


def render(content: Content, refresh: bool = False) -> bytes:
    """The whole page; one that loads itself again every half minute where that is asked for."""
    problems = _problems(content)
    worst = BAD if any(level == BAD for level, *_ in problems) else WARNING
    summary = _summary(content, problems)
    page = tag(
        "html",
        tag("head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)) if refresh else None,
            tag("title", f"{summary} — Inferometer"),
            tag("link", rel="icon", href=_ICON.format(
                {BAD: "crimson", WARNING: "darkorange"}[worst] if problems else "seagreen")),
            tag("style", STYLE)),
        tag("body",
            _header(content, refresh),
            tag("main",
                _section("state", summary, _problem_list(problems) if problems else None,
                         _overview(content), _plots_note(content)),
                *(_section(section.anchor, section.title, *_watched(section, content))
                  for section in content.sections),
                tag("div", _section("cost", "Cost", *_cost(content)),
                    _section("exporter", "This exporter", *_exporter(content)), class_="beside"),
                _section("reading", "How to read this page", _legend())),
            _footer()),
        lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _header(content: Content, refresh: bool) -> Markup:
    now = datetime.fromtimestamp(content.exporter.now, UTC)
    every = f"every {REFRESH_SECONDS}{NBSP}s"
    return tag(
        "header", tag("h1", "Inferometer"),
        tag("p", "As of ", tag("time", f"{now:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{now:%FT%TZ}"),
            joined(f", reloading {every}. ", tag("a", "Stop that", href="./")) if refresh else
            joined(". ", tag("a", f"Reload {every}", href="./?refresh"))),
        tag("nav", tag("ul", joined(*(
            tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name in (
                *((section.anchor, f"{section.title}{NBSP}{len(section.cards)}")
                  for section in content.sections),
                ("cost", "Cost"), ("exporter", "This exporter"), ("reading", "How to read"))))),
            aria_label="On this page"))


def _section(anchor: str, title: str, *content: Markup | None) -> Markup:
    return tag("section", tag("h2", title, id=anchor), *content, aria_labelledby=anchor)


def _problems(content: Content) -> list[Problem]:
    """Everything that needs a look, worst first."""
    problems = [(card.level, card.name, f"{card.state}: {card.why}", card.anchor)
                for card in content.cards if card.level in (BAD, WARNING)]
    problems += [(BAD, f"Collector {collector.name}", "failed, or was late; why is in the log",
                  "exporter") for collector in content.collectors if not collector.works]
    if not content.config_good:
        problems.append((WARNING, "Configuration", "the last reload failed, the old one stays in "
                         "force; why is in the log", "exporter"))
    problems += [(WARNING, section.title,
                  f"{section.left_out} more than may be watched are left out", section.anchor)
                 for section in content.sections if section.left_out]
    return sorted(problems, key=lambda problem: problem[0] != BAD)


def _summary(content: Content, problems: Sequence[Problem]) -> str:
    if problems:
        return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    if not content.exporter.ready:
        return "Starting"
    watches = content.cards or not _running(content)
    return "No problems" if watches else "Nothing to watch yet"


def _problem_list(problems: Sequence[Problem]) -> Markup:
    return tag("ul", joined(*(
        tag("li", badge(level), " ", tag("a", foreign(name, IN_PLACE), href=f"#{anchor}"), " ",
            foreign(problem, REASON), class_=level)
        for level, name, problem, anchor in problems)), class_="problems")


def _overview(content: Content) -> Markup:
    running = _running(content)
    if not running:
        names = " nor ".join(f"{section.noun}s" for section in content.sections)
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
    return tag("p", f"No {names} was found so far; below is where they are looked for.")


def _running(content: Content) -> list[Section]:
    """What this exporter's role has it watch."""
    return [section for section in content.sections if section.runs]


def _answering(section: Section) -> str:
    cards = section.cards
    well = sum(card.level in (GOOD, WARNING) for card in cards)
    part = "" if well == len(cards) else f"{well} of "
    return f"{part}{len(cards)} {section.noun}{'' if len(cards) == 1 else 's'}"


def _watched(section: Section, content: Content) -> Iterator[Markup]:
    """The cards of a section, or why there are none."""
    if not section.runs:
        yield tag("p", f"Not read in the role {content.exporter.role}.")
    elif section.cards:
        yield from (article(card, content) for card in section.cards)
        if section.footnote:
            yield tag("p", _note(section.footnote), class_="quiet")
    else:
        yield from (tag("p", _note(note)) for note in section.when_empty)


def _note(note: Note) -> Markup:
    """A part's own words as HTML; a number stays with its unit of seconds."""
    return joined(*(
        tag("code", piece) if isinstance(piece, Code) else
        foreign(piece, REASON) if isinstance(piece, Quoted) else
        re.sub(r"(?<=\d) (?=s\b)", NBSP, piece) for piece in note))


def _plots_note(content: Content) -> Markup | None:
    if not content.cards:
        return None
    span = units.duration(content.step * POINTS)
    sofar = content.recorded * content.step
    kept = "" if content.recorded >= POINTS else f" Recorded for {units.duration(sofar)} so far."
    return tag("p", f"Plots show the last {span}, a reading every {content.step:g}{NBSP}s; "
                    f"where a line is broken nothing was read.{kept}", class_="quiet")


def _cost(content: Content) -> Iterator[Markup]:
    since = units.duration(content.exporter.now - content.exporter.started_at)
    if content.costs:
        yield _table(
            f"Since this exporter started, {since} ago", ("Category", "USD"),
            [*((category, units.usd(usd)) for category, usd in content.costs.items()),
             ("Together", units.usd(sum(content.costs.values())))], total=True)
        if content.idle_usd is not None:
            yield tag("p", f"Of it {units.usd(content.idle_usd)} for GPUs while no kernel ran.")
        if content.unpriced:
            names = ", ".join(cut(name, IN_PLACE) for name in content.unpriced)
            yield tag("p", "No price in ", tag("code", "cost.gpu_hour_usd"), " for ",
                      foreign(names, REASON), ".")
        return
    missing = [joined(f"no {figure} (", tag("code", key), ")") for figure, key in (
        ("price for these GPUs", "cost.gpu_hour_usd"), ("fixed cost", "fleet.monthly_usd"))
        if key.partition(".")[0] in content.exporter.sections]
    if missing:
        yield tag("p", "Nothing is counted: the configuration has ", missing[0],
                  *(joined(" and ", more) for more in missing[1:]), ".")
    else:
        yield tag("p", f"Not counted in the role {content.exporter.role}.")


def _exporter(content: Content) -> Iterator[Markup]:
    running = units.duration(content.exporter.now - content.exporter.started_at)
    role = f" in the role {content.exporter.role}" if content.exporter.role else ""
    yield tag("p", f"Inferometer {__version__}, running for {running}{role}. The configuration "
                   + ("in the file is in force." if content.config_good else
                      "in the file was not taken at the last reload; the old one is in force."))
    if content.collectors:
        yield _table("Collectors", ("Collector", "State", "Took"), [
            (collector.name, badge(*((GOOD, "Works") if collector.works else (BAD, "Failed"))),
             units.seconds(collector.seconds)) for collector in content.collectors])
    if content.folded:
        yield _table("Label values folded over a family's cap", ("Family", "Label", "Times"), [
            (tag("code", family), tag("code", label), units.count(times))
            for (family, label), times in content.folded.items()])
    else:
        yield tag("p", "No label value had to be folded.", class_="quiet")


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]],
           total: bool = False) -> Markup:
    """A table whose first cells are headings, whose last column is numbers, and maybe its sum."""
    body = [tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))
            for first, *rest in rows]
    return tag(
        "table", tag("caption", caption),
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in columns))),
        tag("tbody", *(body[:-1] if total else body)),
        tag("tfoot", body[-1]) if total else None)


def _legend() -> Markup:
    return tag("dl", joined(*(
        tag("div", tag("dt", term), tag("dd", meaning)) for term, meaning in _LEGEND)),
        class_="legend")


def _footer() -> Markup:
    return tag("footer", tag("nav", tag("ul", joined(*(
        tag("li", tag("a", name, href=path)) for path, name in (
            ("metrics", "Metrics"), ("-/healthy", "Health"), ("-/ready", "Readiness"))))),
        aria_label="Elsewhere on this exporter"))


_LEGEND = (
    ("Absent is absent", "What cannot be known is left out: never 0 for unknown, never an old "
     "value as if it were fresh. Broken lines and dashes are that."),
    ("Down, Lost, Not read", "The engine's page or the GPU could not be read, for the reason "
     "beside it. Its last known name stays, its values go."),
    ("No progress", "Requests are there, and no token counter has moved for two minutes: an "
     "engine that hangs goes on answering, with frozen values."),
    ("TTFT p95", "95 of 100 requests had their first token within this time, between two "
     "readings, by interpolation in the engine's own histogram; ≥ where it ends below."),
    ("Waiting, Running", "Requests in the engine's queue, and those being worked on."),
    ("Not told", "This engine or driver does not say it, in this version; unknown families are "
     "those of the engine that this exporter does not know."),
    ("Cost", "Accrued since the exporter started, from configured prices; a lost GPU costs on."),
)
