"""Content to HTML: what is wrong first, then engines, GPUs, cost and the exporter itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources

from inferometer import __version__
from inferometer.home import units
from inferometer.home.article import IN_PLACE, REASON, article, badge
from inferometer.home.content import BAD, GOOD, WARNING, Card, Content
from inferometer.home.history import POINTS
from inferometer.home.markup import NBSP, Markup, cut, foreign, joined, tag

REFRESH_SECONDS = 30

KIND = "text/html; charset=utf-8"
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


def render(facts: Content, refresh: bool = False) -> bytes:
    """The whole page; one that loads itself again every half minute where that is asked for."""
    problems = _problems(facts)
    worst = BAD if any(level == BAD for level, *_ in problems) else WARNING
    summary = _summary(facts, problems)
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
            _header(facts, refresh),
            tag("main",
                _section("state", summary, _problem_list(problems) if problems else None,
                         _overview(facts), _plots_note(facts)),
                _section("engines", "Engines", *_engines(facts)),
                _section("gpus", "GPUs", *_gpus(facts)),
                tag("div", _section("cost", "Cost", *_cost(facts)),
                    _section("exporter", "This exporter", *_exporter(facts)), class_="beside"),
                _section("reading", "How to read this page", _legend())),
            _footer()),
        lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _header(facts: Content, refresh: bool) -> Markup:
    now = datetime.fromtimestamp(facts.around.now, UTC)
    every = f"every {REFRESH_SECONDS}{NBSP}s"
    return tag(
        "header", tag("h1", "Inferometer"),
        tag("p", "As of ", tag("time", f"{now:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{now:%FT%TZ}"),
            joined(f", reloading {every}. ", tag("a", "Stop that", href="./")) if refresh else
            joined(". ", tag("a", f"Reload {every}", href="./?refresh"))),
        tag("nav", tag("ul", joined(*(
            tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name in (
                ("engines", f"Engines{NBSP}{len(facts.engines)}"),
                ("gpus", f"GPUs{NBSP}{len(facts.gpus)}"),
                ("cost", "Cost"), ("exporter", "This exporter"), ("reading", "How to read"))))),
            aria_label="On this page"))


def _section(anchor: str, title: str, *content: Markup | None) -> Markup:
    return tag("section", tag("h2", title, id=anchor), *content, aria_labelledby=anchor)


def _problems(facts: Content) -> list[Problem]:
    """Everything that needs a look, worst first."""
    problems = [(card.level, card.name, f"{card.state}: {card.why}", card.anchor)
                for card in (*facts.engines, *facts.gpus) if card.level in (BAD, WARNING)]
    problems += [(BAD, f"Collector {part.name}", "failed, or was late; why is in the log",
                  "exporter") for part in facts.parts if not part.works]
    if not facts.config_good:
        problems.append((WARNING, "Configuration", "the last reload failed, the old one stays in "
                         "force; why is in the log", "exporter"))
    problems += [(WARNING, name, f"{more} more than may be watched are left out", name.lower())
                 for name, more in facts.left_out.items() if more]
    return sorted(problems, key=lambda problem: problem[0] != BAD)


def _summary(facts: Content, problems: Sequence[Problem]) -> str:
    if problems:
        return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    if not facts.around.ready:
        return "Starting"
    watched = facts.engines or facts.gpus or not _readable(facts)
    return "No problems" if watched else "Nothing to watch yet"


def _problem_list(problems: Sequence[Problem]) -> Markup:
    return tag("ul", joined(*(
        tag("li", badge(level), " ", tag("a", foreign(name, IN_PLACE), href=f"#{anchor}"), " ",
            foreign(what, REASON), class_=level)
        for level, name, what, anchor in problems)), class_="problems")


def _overview(facts: Content) -> Markup:
    readable = _readable(facts)
    if not readable:
        return tag("p", f"In the role {facts.around.role} neither engines nor GPUs are read.")
    if not facts.around.ready:
        names = " and ".join(f"{what}s" for what in readable)
        return tag("p", f"The first look for {names} is still under way. Reload this page "
                        "in a moment.")
    if facts.engines or facts.gpus:
        answering = " and ".join(_answering(cards, what) for what, cards in readable.items())
        alone = len(readable) == 1 and len(facts.engines) + len(facts.gpus) == 1
        return tag("p", f"{answering} answer{'s' if alone else ''}.")
    return tag("p", f"No {' and no '.join(readable)} was found so far; below is where they are "
                    "looked for.")


def _readable(facts: Content) -> Mapping[str, Sequence[Card]]:
    """What this exporter's role has it read."""
    return {what: cards for section, what, cards in (
        ("engines", "engine", facts.engines), ("gpu", "GPU", facts.gpus))
        if facts.around.reads(section)}


def _not_in_this_role(facts: Content) -> Markup:
    return tag("p", f"Not read in the role {facts.around.role}.")


def _answering(cards: Sequence[Card], what: str) -> str:
    well = sum(card.level in (GOOD, WARNING) for card in cards)
    part = "" if well == len(cards) else f"{well} of "
    return f"{part}{len(cards)} {what}{'' if len(cards) == 1 else 's'}"


def _engines(facts: Content) -> Iterator[Markup]:
    around = facts.around
    if not around.reads("engines"):
        yield _not_in_this_role(facts)
        return
    ports = ", ".join(map(str, around.ports))
    looking = f"on 127.0.0.1, ports {cut(ports, REASON)}, every {around.discover_seconds:g}{NBSP}s"
    if facts.engines:
        yield from (article(card, facts) for card in facts.engines)
        if ports:
            yield tag("p", f"More are looked for {looking}.", class_="quiet")
    elif ports:
        yield tag("p", f"None found. They are looked for {looking}.")
        yield _how_to_name()
    else:
        yield tag("p", "None is configured, and none is looked for: ",
                  tag("code", "engines.discover_ports"), " is empty.")
        yield _how_to_name()


def _how_to_name() -> Markup:
    return tag("p", "Name one that listens elsewhere: ",
               tag("code", "inferometer run --engine http://HOST:PORT"), ", or list it under ",
               tag("code", "engines.targets"), " in the configuration file.")


def _gpus(facts: Content) -> Iterator[Markup]:
    around = facts.around
    if not around.reads("gpu"):
        yield _not_in_this_role(facts)
    elif around.gpus is None:
        yield tag("p", "Reading GPUs is switched off by ", tag("code", "gpu.enabled"), ".")
    elif facts.gpus:
        yield from (article(card, facts) for card in facts.gpus)
    else:
        state = around.gpu_state or "the driver has not answered yet"
        yield tag("p", "None found: ", foreign(state, REASON),
                  f". Looked for again every {around.gpu_retry_seconds:g}{NBSP}s.")


def _plots_note(facts: Content) -> Markup | None:
    if not (facts.engines or facts.gpus):
        return None
    span = units.duration(facts.step * POINTS)
    sofar = facts.recorded * facts.step
    kept = "" if facts.recorded >= POINTS else f" Recorded for {units.duration(sofar)} so far."
    return tag("p", f"Plots show the last {span}, a reading every {facts.step:g}{NBSP}s; "
                    f"where a line is broken nothing was read.{kept}", class_="quiet")


def _cost(facts: Content) -> Iterator[Markup]:
    since = units.duration(facts.around.now - facts.around.started_at)
    if facts.costs:
        yield _table(
            f"Since this exporter started, {since} ago", ("Category", "USD"),
            [*((category, units.usd(usd)) for category, usd in facts.costs.items()),
             ("Together", units.usd(sum(facts.costs.values())))], total=True)
        if facts.idle_usd is not None:
            yield tag("p", f"Of it {units.usd(facts.idle_usd)} for GPUs while no kernel ran.")
        if facts.unpriced:
            names = ", ".join(cut(name, IN_PLACE) for name in facts.unpriced)
            yield tag("p", "No price in ", tag("code", "cost.gpu_hour_usd"), " for ",
                      foreign(names, REASON), ".")
        return
    missing = [joined(f"no {what} (", tag("code", key), ")") for what, key in (
        ("price for these GPUs", "cost.gpu_hour_usd"), ("fixed cost", "fleet.monthly_usd"))
        if facts.around.reads(key.partition(".")[0])]
    if missing:
        yield tag("p", "Nothing is counted: the configuration has ", missing[0],
                  *(joined(" and ", more) for more in missing[1:]), ".")
    else:
        yield tag("p", f"Not counted in the role {facts.around.role}.")


def _exporter(facts: Content) -> Iterator[Markup]:
    running = units.duration(facts.around.now - facts.around.started_at)
    role = f" in the role {facts.around.role}" if facts.around.role else ""
    yield tag("p", f"Inferometer {__version__}, running for {running}{role}. The configuration "
                   + ("in the file is in force." if facts.config_good else
                      "in the file was not taken at the last reload; the old one is in force."))
    if facts.parts:
        yield _table("Collectors", ("Collector", "State", "Took"), [
            (part.name, badge(*((GOOD, "Works") if part.works else (BAD, "Failed"))),
             units.seconds(part.seconds)) for part in facts.parts])
    if facts.folded:
        yield _table("Label values folded over a family's cap", ("Family", "Label", "Times"), [
            (tag("code", family), tag("code", label), units.count(times))
            for (family, label), times in facts.folded.items()])
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
