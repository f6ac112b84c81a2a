"""What can be scaled on, and which engine tells it: for docs/scaling.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deploy.build.scaling import SIGNALS, Signal
from inferometer.engines.matrix import cell, claims
from inferometer.engines.table import Engine


def triggers() -> str:
    """In Markdown: each trigger's number, the series that it cannot be without, and its target."""
    return _table(["trigger", "the number", "from", "target a replica"], [
        [_named(signal), signal.help, f"`{signal.series.name}`", str(signal.target)]
        for signal in SIGNALS])


def by_engine(engines: Iterable[Engine]) -> str:
    """In Markdown: engines down, of tables of one title the first, and triggers across."""
    first = list({engine.title: engine for engine in reversed([*engines])}.values())[::-1]
    return _table(["", *map(_named, SIGNALS)], [
        [engine.title, *(cell(engine, claims(engine), *signal.told_by) for signal in SIGNALS)]
        for engine in first])


def _named(signal: Signal) -> str:
    return f"`{signal.name.replace('_', '-')}`"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
