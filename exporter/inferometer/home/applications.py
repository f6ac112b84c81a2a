"""What cards say of applications that send their calls, and of the gateway that takes them.

Nobody asks these: they send of their own accord, so that silence is no failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.home import units
from inferometer.home.content import BAD, GOOD, NOTE, FigureCell, Points, highest, total
from inferometer.home.history import PlotOwner
from inferometer.parts import Row, Watched
from inferometer.values import Key, Value

GATEWAY, SERVICE = KINDS = ("gateway", "service")
UNSAID = 0.05  # of calls without tokens or price, from which on it is worth a note
_FAILED = ("error", "rejected")  # outcomes that are nobody's choice
_NAMELESS = "(no service.name)"


@dataclass(frozen=True)
class Given:
    """A card's own contents."""

    name: str
    level: str
    state: str
    details: Sequence[Row]
    cells: Sequence[FigureCell] = ()


def by_owner(families: Iterable[Family]) -> dict[PlotOwner, dict[Metric, dict[Key, Value]]]:
    """The points of each service, and of the gateway, by metric."""
    points: dict[PlotOwner, dict[Metric, dict[Key, Value]]] = {}
    for family in families:
        metric = family.metric
        if metric in c.CLIENT_METRICS and c.SERVICE_NAME.name in metric.label_names:
            place = metric.label_names.index(c.SERVICE_NAME.name)
            for key, value in family.items():
                points.setdefault((SERVICE, key[place]), {}).setdefault(metric, {})[key] = value
        elif metric in c.INTAKE_METRICS or metric in c.LEDGER_METRICS:
            points.setdefault((GATEWAY, ""), {})[metric] = dict(family.items())
    return points


def of_service(points: Points, watched: Watched, now: float) -> Given:
    """Calls, tokens and cost, and what its spans do not tell."""
    calls = total(points.get(c.CLIENT_REQUESTS)) or 0.0
    failed = _ended(points, _FAILED)
    usage, price = (total(points.get(metric)) or 0.0
                    for metric in (c.CLIENT_USAGE_MISSING, c.CLIENT_PRICE_UNKNOWN))
    cost = total(points.get(c.CLIENT_COST))
    lacks = [text for text, number in (
        (f"tokens of {units.many(usage, 'call')}", usage),
        (f"price of {units.many(price, 'call')}", price)) if number]
    notable = calls and max(usage, price) / calls > UNSAID
    return Given(
        watched.name or _NAMELESS, NOTE if notable else GOOD,
        "Not all told" if notable else "Counted",
        [("Last call counted", _ago(watched.read_at, now) or "none since this exporter started"),
         ("Calls", units.count(calls)),
         ("Errors", _of(failed, calls)),
         *watched.details,
         ("Models", _names(points, c.CLIENT_REQUESTS, c.MODEL.name)),
         ("Input tokens", _shown(points, c.CLIENT_INPUT)),
         ("Output tokens", _shown(points, c.CLIENT_OUTPUT)),
         ("Cost", "" if cost is None else units.usd(cost)),
         ("Its spans do not tell", ", ".join(lacks))],
        [FigureCell("Last call", _ago(watched.read_at, now)),
         FigureCell("Calls", units.count(calls)),
         FigureCell("Errors", units.count(failed),
                    beside=units.share(failed / calls) if calls else ""),
         FigureCell("Input tokens", _shown(points, c.CLIENT_INPUT)),
         FigureCell("Output tokens", _shown(points, c.CLIENT_OUTPUT)),
         FigureCell("Cost", "" if cost is None else units.usd(cost)),
         FigureCell("Not told", ", ".join(lacks) or "nothing")])


def of_gateway(points: Points, watched: Watched, now: float) -> Given:
    """Where applications send to, and how its ledger does."""
    taken = _bodies(points, ("taken",))
    refused = {result: count for result in c.BODY_RESULT.values
               if result != "taken" and (count := _bodies(points, (result,)))}
    why = ", ".join(f"{result.replace('_', ' ')} {units.count(count)}"
                    for result, count in refused.items())
    pending, size, free = (highest(points.get(metric)) for metric in (
        c.LEDGER_PENDING, c.LEDGER_BYTES, c.LEDGER_FREE))
    level, state = (BAD, "Not listening") if watched.failure else (GOOD, "Listening")
    return Given(
        watched.name, level, state,
        [*watched.details,
         ("Last commit", _ago(highest(points.get(c.LEDGER_COMMIT)), now) or "none so far"),
         ("Bodies taken", units.count(taken)),
         ("Bodies refused", f"{units.count(sum(refused.values()))}{f' ({why})' if why else ''}"),
         ("Pending", "" if pending is None else f"{units.count(pending)} calls and steps"),
         ("Ledger", "" if size is None else units.size(size)),
         ("Free on its disk", "" if free is None else units.size(free))])


def _bodies(points: Points, results: Sequence[str]) -> float:
    return _sum_where(points.get(c.INTAKE_BODIES), c.INTAKE_BODIES, c.BODY_RESULT.name, results)


def _ended(points: Points, outcomes: Sequence[str]) -> float:
    return _sum_where(points.get(c.CLIENT_REQUESTS), c.CLIENT_REQUESTS, "outcome", outcomes)


def _sum_where(points: Mapping[Key, Value] | None, metric: Metric, label: str,
               values: Sequence[str]) -> float:
    place = metric.label_names.index(label)
    return total({key: value for key, value in (points or {}).items()
                  if key[place] in values}) or 0.0


def _shown(points: Points, metric: Metric) -> str:
    value = total(points.get(metric))
    return "" if value is None else units.count(value)


def _of(part: float, calls: float) -> str:
    return f"{units.count(part)} ({units.share(part / calls)})" if calls else ""


def _ago(moment: float | None, now: float) -> str:
    return "" if moment is None else f"{units.duration(max(0.0, now - moment))} ago"


def _names(points: Points, metric: Metric, label: str) -> str:
    place = metric.label_names.index(label)
    names = sorted({key[place] for key in points.get(metric, {})} - {""})
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
