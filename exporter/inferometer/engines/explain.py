"""Explain: what a page is, where each signal comes from, and why the rest of it is not used.

For a person who wonders why a panel is blank, and for the bug report that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inferometer import catalogue as c
from inferometer.engines.collector import join
from inferometer.engines.page import ForeignFamily, PageError, Parser
from inferometer.engines.reading import (
    BESIDE_THE_PAGE,
    UNAVAILABLE,
    Describer,
    Plan,
    Reading,
    ServerInfo,
)
from inferometer.engines.table import Engine
from inferometer.engines.target import NO_ENGINE, State, recognise
from inferometer.guard import LONGEST_VALUE, Guard

MOST_MODELS = 10  # that are named
UNKNOWN = "unknown to this version of Inferometer"
UNUSABLE = "another family says the same, or it holds no usable value"
EMPTY = "declared, and without a value so far"
NEEDLESS = "known, and says nothing the vocabulary has a word for"
FOREIGN = "not the engine's own"
REASONS = (UNKNOWN, UNUSABLE, EMPTY, NEEDLESS, FOREIGN)  # as they are listed

Cells = tuple[str, ...]  # of one row


def explain(origin: str, state: State) -> Iterator[str]:
    """The lines that explain one answer; `origin` is its URL or file."""
    reading = state.reading
    if reading is None:
        yield f"{origin}: {state.why}"
        return
    plan = reading.plan
    yield from _section("", [
        ("page", origin),
        ("", f"{len(plan.shape.series)} series in {len(plan.shape.families)} families"),
        ("engine", " ".join([state.engine, *([_plain(state.version)] if state.version else [])])),
        ("models", _models(reading)),
        ("unknown", f"{reading.unknown} families that have the engine's prefix"),
    ])
    yield from _section("Signals, and where they come from", _signals(reading))
    yield from _section("Families that are not used, and why", _left_out(reading))
    yield from _section("What would be folded, left out or coarsened", [
        *_folded(state), *_coarsened(reading)])


def state_of(body: bytes, engines: tuple[Engine, ...]) -> State:
    """The state of an engine with this page; the documents beside it are unknown."""
    try:
        page = Parser().parse(body)
    except PageError as error:
        return State(up=False, why=str(error))
    engine = recognise(page.families, engines)
    if engine is None:
        return State(up=False, why=NO_ENGINE)
    reading = Describer().describe(engine, page, ServerInfo(), 0.0)
    return State(True, engine.name, reading.model, reading=reading)


def _models(reading: Reading) -> str:
    models = sorted(reading.plan.models)
    if not models:
        return f"{_plain(reading.model) or 'none'} (not on the page)"
    more = f" and {len(models) - MOST_MODELS} more" if len(models) > MOST_MODELS else ""
    return ", ".join(map(_plain, models[:MOST_MODELS])) + more


def _signals(reading: Reading) -> Iterable[Cells]:
    plan = reading.plan
    for outcome in c.OUTCOMES:
        signal, counted = f"requests_{outcome}", _counted(plan.engine, outcome)
        source = reading.sources[signal]
        missing = f"no usable {' or '.join(counted)}" if counted else "the engine does not count it"
        yield signal, source, missing if source == UNAVAILABLE else (
            _named(plan, counted) or f"0 until there is {' or '.join(counted)}")
    for metric in c.SIGNAL_METRICS:
        taken = reading.taken.get(metric.signal, ())
        yield (metric.signal, reading.sources[metric.signal],
               _named(plan, taken) or _missing(plan.engine, metric))


def _missing(engine: Engine, metric: c.Metric) -> str:
    names = [name for source in engine.signals.get(metric, ()) for name in source.names]
    if metric is c.SERVER_MAX_LENGTH:
        names += [document.path for document in engine.documents
                  if "max_model_length" in document.fields]
    return f"no usable {' or '.join(dict.fromkeys(names))}" if names else (
        "the engine does not tell it")


def _counted(engine: Engine, outcome: str) -> list[str]:
    """The families from which requests that ended so are counted."""
    names = [counter.selector.name for counter in engine.requests if outcome in counter.outcomes]
    if outcome == "success" and engine.success:
        names += engine.success.names
    if engine.http and outcome in {ending[0] for ending in engine.http.endings}:
        names.append(engine.http.name)
    return names


def _named(plan: Plan, names: Iterable[str]) -> str:
    """Those of the families that are on the page, as the page spells them."""
    shown = {name: family.name for name, family in plan.view.families.items()}
    shown[BESIDE_THE_PAGE] = BESIDE_THE_PAGE
    return ", ".join(shown[name] for name in dict.fromkeys(names) if name in shown)


def _left_out(reading: Reading) -> Iterable[Cells]:
    plan = reading.plan
    used = {name for names in reading.taken.values() for name in names}
    used.update(name for outcome in c.OUTCOMES for name in _counted(plan.engine, outcome)
                if reading.sources[f"requests_{outcome}"] != UNAVAILABLE)
    reasons = [(_reason(plan, family), family) for name, family in plan.shape.families.items()
               if (plan.engine.spelling.respell(name) or name) not in used]
    for reason, family in sorted(reasons, key=lambda row: (REASONS.index(row[0]), row[1].name)):
        yield family.name, family.kind, reason


def _reason(plan: Plan, family: ForeignFamily) -> str:
    respelt = plan.engine.spelling.respell(family.name)
    if respelt is None:
        return FOREIGN
    if respelt in plan.unknown:
        return UNKNOWN
    if not plan.engine.takes(respelt):
        return NEEDLESS
    return UNUSABLE if family.samples else EMPTY


def _folded(state: State) -> Iterable[Cells]:
    guard = Guard()
    guard.admit(join([("explained", state)]))
    for (metric, label), count in guard.folded().points.items():
        if count:
            yield metric, f"{count:.0f} label sets over the cap of {label}"


def _coarsened(reading: Reading) -> Iterable[Cells]:
    families = reading.plan.view.families
    for metric in c.SIGNAL_METRICS:
        for name in reading.taken.get(metric.signal, ()) if metric.bounds else ():
            bounds = {sample.labels.get("le") for sample in families[name].samples
                      if sample.suffix == "_bucket"} - {"+Inf"}
            if len(bounds) > metric.bounds:
                yield metric.name, f"{metric.bounds} of the {len(bounds)} bounds are kept"


def _plain(text: str) -> str:
    """Text from outside, made safe for a terminal and cut."""
    return (text if text.isprintable() else repr(text))[:LONGEST_VALUE]


def _section(title: str, rows: Iterable[Cells]) -> Iterator[str]:
    rows = list(rows) or [("none",)]
    if title:
        yield ""
        yield title
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'  '.join(cells)}".rstrip()
