"""The lower part of the page: cost, the exporter itself, and how to read it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inferometer.home import units
from inferometer.home.article import IN_PLACE, REASON, badge
from inferometer.home.cells import shown
from inferometer.home.content import BAD, GOOD, OVER, Content
from inferometer.home.history import POINTS
from inferometer.home.judge.verdicts import LEFT_TO_THE_RULES
from inferometer.home.markup import NBSP, Markup, cut, foreign, joined, tag

_LEGEND = (
    ("Absent is absent", "What cannot be known is left out: never 0 for unknown, never an old "
     "value as if it were fresh. Broken lines and dashes are that."),
    ("Down, Lost, Not read", "The engine's page or the GPU could not be read, for the reason "
     "beside it. Its last known name stays, its values go."),
    ("Over limit", "A figure is beyond the limit that the shipped alerts hold it against; the "
     "configuration sets it, else the default holds. It is listed as soon as an alert would be "
     "pending."),
    ("Names like LLMModelDown", "These are the alerts that the shipped rules have for it. Each "
     "leads to its entry in the runbook."),
    ("No progress", "Requests are there, and no token counter has moved for two minutes: an "
     "engine that hangs goes on answering, with frozen values."),
    ("TTFT p95", "95 of 100 requests had their first token within this time, between two "
     "readings, by interpolation in the engine's own histogram; ≥ where it ends below."),
    ("Request, TTFT, TPOT, errors", "Of all replicas of the model over 5 minutes, or over the "
     "hour where fewer than 20 requests ended in them, as the rules judge them."),
    ("Goodput", "The share of requests that met all limits of latency at once. Histograms tell "
     "a band: at least, at most."),
    ("Throttled", "The share of the last 5 minutes in which heat or the power brake held the "
     "GPU's clocks down."),
    ("Waiting, Running", "Requests in the engine's queue, and those being worked on."),
    ("Not told", "This engine or driver does not say it, in this version; unknown families are "
     "those of the engine that this exporter does not know."),
    ("Cost", "Accrued since the exporter started, from configured prices; a lost GPU costs on."),
)


def cost(content: Content) -> Iterator[Markup]:
    """What was spent, and of which budgets."""
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
        yield from _budgets(content)
        return
    missing = [joined(f"no {figure} (", tag("code", key), ")") for figure, key in (
        ("price for these GPUs", "cost.gpu_hour_usd"), ("fixed cost", "fleet.monthly_usd"))
        if key.partition(".")[0] in content.exporter.sections]
    if missing:
        yield tag("p", "Nothing is counted: the configuration has ", missing[0],
                  *(joined(" and ", more) for more in missing[1:]), ".")
    else:
        yield tag("p", f"Not counted in the role {content.exporter.role}.")


def _budgets(content: Content) -> Iterator[Markup]:
    budgets = [(figure.label, joined(shown(figure), " of it, limit ",
                                     figure.shown(figure.limit or 0.0), " ",
                                     badge(OVER, "Over limit") if figure.over else None))
               for figure in content.assessment.money]
    if budgets:
        yield _table("Budgets (UTC), by what this exporter has counted", ("Budget", "Spent"),
                     budgets)


def exporter(content: Content) -> Iterator[Markup]:
    """Its version, role and collectors."""
    running = units.duration(content.exporter.now - content.exporter.started_at)
    role = f" in the role {content.exporter.role}" if content.exporter.role else ""
    in_force = ("Its configuration is in force, as it was read last." if content.config_good else
                "The configuration in the file was not taken at the last reload; the old one is in "
                "force.")
    yield tag("p", f"Inferometer {content.exporter.version}, running for {running}{role}. "
                   f"{in_force}")
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


_OF_SERVICES = (
    ("Services", "Applications by their service.name, with what they called since the gateway's "
     "ledger began. Not all told: of more than 5 % of its calls no span has the tokens, or no list "
     "the price; inferometer explain --otlp shows which attributes are there."),)


def legend(content: Content) -> Markup:
    """The page's own words."""
    span = units.duration(content.step * min(POINTS, content.recorded))
    plots = ("Plots", f"They begin where their data does, at most {units.duration(3600)} ago: a "
             f"reading every {content.step:g}{NBSP}s, for {span} so far. Where a line is broken "
             "nothing was read.")
    sent = () if all(section.asked for section in content.sections) else _OF_SERVICES
    return tag("dl", joined(*(
        tag("div", tag("dt", term), tag("dd", meaning))
        for term, meaning in (*_LEGEND, *sent, plots))),
        class_="legend")


def left_out() -> Markup:
    """The alerts that this page cannot know, each with the reason."""
    reasons: dict[str, list[str]] = {}
    for alert, reason in LEFT_TO_THE_RULES.items():
        reasons.setdefault(reason, []).append(alert)
    return tag("details", tag("summary", "Alerts that Prometheus alone can judge"), tag(
        "ul", joined(*(tag("li", f"{', '.join(alerts)}: {reason[0].lower()}{reason[1:]}")
                       for reason, alerts in reasons.items()))))
