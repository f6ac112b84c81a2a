"""Which signals each engine's table has, and which of them a page showed: for the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inferometer import catalogue as c
from inferometer.engines.reading import DERIVED, NATIVE, UNAVAILABLE
from inferometer.engines.table import Engine

WORDS = {NATIVE: "yes", DERIVED: "derived", UNAVAILABLE: ""}
UNSEEN = "\\*"


def claims(engine: Engine) -> dict[str, str]:
    """The source of each signal at best."""
    claimed = dict.fromkeys(c.SIGNALS, UNAVAILABLE)
    for metric, sources in engine.signals.items():
        derived = all(source.derived for source in sources)
        claimed[metric.signal] = DERIVED if derived else NATIVE
    if any("max_model_length" in document.fields for document in engine.documents):
        claimed[c.SERVER_MAX_LENGTH.signal] = NATIVE
    if engine.http:
        claimed[c.SERVER_HTTP.signal] = NATIVE
    if engine.progress:
        claimed[c.SERVER_LAST_PROGRESS.signal] = DERIVED
    return claimed | {f"requests_{outcome}": source for outcome, source in _counted(engine).items()}


def _counted(engine: Engine) -> dict[str, str]:
    """How the requests of each outcome are counted: from HTTP too, if that completes them."""
    counted: dict[str, str] = {}
    for counter in engine.requests:
        source = DERIVED if counter.selector.derived else NATIVE
        counted |= dict.fromkeys(counter.outcomes, source)
    if engine.success:
        counted["success"] = DERIVED
    beyond = engine.http.endings if engine.http else ()
    return counted | {outcome: DERIVED for outcome, _ in beyond}


def number_of_engines(engines: tuple[Engine, ...]) -> int:
    """How many kinds of pages the tables read: those of one title are one kind."""
    return len({engine.title for engine in engines})


def support_matrix(engines: Sequence[Engine], signals: Sequence[str] = c.SIGNALS) -> str:
    """The matrix in Markdown: signals down, engines across; of tables of one title the first.

    Signals that none of these engines has are left out, and engines that have none of these.
    """
    first = list({engine.title: engine for engine in reversed(engines)}.values())[::-1]
    claimed = [(engine, sources) for engine in first if any(
        (sources := claims(engine))[signal] != UNAVAILABLE for signal in signals)]
    shown = [engine for engine, _ in claimed]
    cells = [[f"`{signal}`", *(cell(engine, sources, signal) for engine, sources in claimed)]
             for signal in signals]
    rows = [
        ["", *(engine.title for engine in shown)],
        ["---", *(":-:" for _ in shown)],
        ["`engine`", *(f"`{engine.name}`" for engine in shown)],
        ["pages known by", *(engine.evidence for engine in shown)],
        *(row for row in cells if any(row[1:])),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cell(engine: Engine, claimed: Mapping[str, str], *signals: str) -> str:
    """Whether, and how, an engine tells all of these signals."""
    sources = {claimed[signal] for signal in signals}
    worst = next(source for source in (UNAVAILABLE, DERIVED, NATIVE) if source in sources)
    unseen = worst != UNAVAILABLE and (
        engine.evidence == "documented" or not engine.unseen.isdisjoint(signals))
    return WORDS[worst] + (UNSEEN if unseen else "")
