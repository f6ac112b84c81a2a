"""Explain: what a page is, where each signal comes from, and why the rest of it is not used.

For a person who wonders why a panel is blank, and for the bug report that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inferometer import catalogue as c
from inferometer.chapters import Cells, Chapter
from inferometer.engines.collector import join
from inferometer.engines.hints import advice
from inferometer.engines.page import ForeignFamily, PageError, PageShape
from inferometer.engines.parser import Parser
from inferometer.engines.reading import (
    BESIDE_THE_PAGE,
    NAMELESS,
    UNAVAILABLE,
    WITHHELD,
    Describer,
    Names,
    Plan,
    Reading,
    ServerInfo,
)
from inferometer.engines.recognition import (
    by_prefix,
    nearest,
    nobodys,
    recognise,
    use_to,
)
from inferometer.engines.table import Engine
from inferometer.engines.tables import TABLES
from inferometer.engines.target import State
from inferometer.guard import Guard

MOST_MODELS = 10  # that are named
UNKNOWN = "unknown to this version of Inferometer"
UNUSABLE = "another family says the same, or it holds no usable value"
EMPTY = "declared, and without a value so far"
NEEDLESS = "known, and not used: "
FOREIGN = "not the engine's own"
REASONS = (UNKNOWN, UNUSABLE, EMPTY, NEEDLESS, FOREIGN)  # as they are listed


def explain(origin: str, state: State, shape: PageShape | None = None) -> list[Chapter]:
    """What there is to say of one answer; `origin` is its URL or file.

    `shape` is that of the page, which a state does not have where the page is nobody's.
    """
    if state.reading is None:
        return list(_failure(origin, state, shape))
    return list(_success(origin, state, state.reading))


def state_of(body: bytes, engines: tuple[Engine, ...], names: Names = NAMELESS
             ) -> tuple[State, PageShape | None]:
    """The state of an engine with this page, and its shape; documents beside it are unknown."""
    try:
        page = Parser(use_to(engines)).parse(body)
    except PageError as error:
        return State(up=False, why=str(error)), None
    engine = recognise(page.families, engines)
    if engine is None:
        return State(up=False, why=nobodys(page.families, engines)), page.shape
    reading = Describer(names).describe(engine, page, ServerInfo(), 0.0)
    return State(True, engine.name, reading.model, reading=reading), page.shape


def _success(origin: str, state: State, reading: Reading) -> Iterator[Chapter]:
    plan = reading.plan
    steps = ", ".join(sorted(plan.view.steps))
    yield Chapter("page", ("name", "value"), (
        ("page", origin),
        ("", f"{plan.shape.counted} series in {len(plan.shape.families)} families"),
        ("engine", " ".join(filter(None, (state.engine, state.version)))),
        ("models", _models(reading)),
        *((("steps", f"{steps} (their requests are those of the models that hand on to them)"),)
          if steps else ()),
        ("unknown", f"{reading.unknown} families that have the engine's prefix"),
    ))
    yield Chapter("Signals, and where they come from", ("signal", "source", "from"),
                  tuple(_signals(reading)))
    yield Chapter("Families that are not used, and why", ("family", "kind", "why"),
                  tuple(_left_out(reading)))
    yield Chapter("What would be folded, left out or coarsened", ("metric", "how"),
                  (*_folded(state), *_coarsened(reading)))


def _failure(origin: str, state: State, shape: PageShape | None) -> Iterator[Chapter]:
    families = shape.families if shape else {}
    close = nearest(families, TABLES)
    yield Chapter("page", ("name", "value"), (
        ("page", origin),
        ("down", state.why),
        *((("try", text),) if (text := advice(state.why)) else ()),
        *((("nearest", f"{close[0].title}, but {close[1]}"),) if close and close[1] else ()),
    ))
    if families:
        yield Chapter("Families by prefix", ("prefix", "families"), tuple(
            (prefix, str(count)) for prefix, count in by_prefix(families).items()))


def _models(reading: Reading) -> str:
    models = sorted(reading.plan.models)
    if not models:
        return f"{reading.model or 'none'} (not on the page)"
    more = f" and {len(models) - MOST_MODELS} more" if len(models) > MOST_MODELS else ""
    return ", ".join(models[:MOST_MODELS]) + more


def _signals(reading: Reading) -> Iterable[Cells]:
    plan = reading.plan
    for outcome in c.OUTCOMES:
        signal, counted = f"requests_{outcome}", _counted(plan.engine, outcome)
        source = reading.sources[signal]
        if source == WITHHELD:
            yield signal, source, reading.withheld[signal]
            continue
        missing = f"no usable {' or '.join(counted)}" if counted else "the engine does not count it"
        yield signal, source, missing if source == UNAVAILABLE else (
            _named(plan, counted) or f"0 until there is {' or '.join(counted)}")
    for metric in c.SIGNAL_METRICS:
        taken = reading.taken.get(metric.signal, ())
        yield (metric.signal, reading.sources[metric.signal],
               reading.withheld.get(metric.signal)
               or _named(plan, taken) or _missing(plan.engine, metric))


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
    reasons = [(*_reason(plan, family), family) for name, family in plan.shape.families.items()
               if (plan.engine.spelling.respell(name) or name) not in used]
    for reason, why, family in sorted(
            reasons, key=lambda row: (REASONS.index(row[0]), row[1], row[2].name)):
        yield family.name, family.kind, f"{reason}{why}"


def _reason(plan: Plan, family: ForeignFamily) -> tuple[str, str]:
    """Which of REASONS it is that the family is not used, and more of it."""
    respelt = plan.engine.spelling.respell(family.name)
    if plan.engine.takes(respelt or family.name):
        return (UNUSABLE, "") if family.samples else (EMPTY, "")
    if respelt is None:
        return FOREIGN, ""
    if respelt in plan.unknown:
        return UNKNOWN, ""
    return NEEDLESS, plan.engine.why_unused(respelt)


def _folded(state: State) -> Iterable[Cells]:
    guard = Guard()
    guard.admit(join([("explained", state)]))
    for (metric, label), count in guard.folded().items():
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
