"""Dashboards as Grafana reads them, ours and the peers': what each panel asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.fleet import MODELS, SCRAPE_SECONDS
from bench.process import ROOT

OURS = ROOT / "deploy/generated/dashboards"
PEERS = ROOT / "bench/peers"
STEP = 60
CLOSED = ", closed rows"  # which ask nothing until somebody opens them
# What an equality can hold where a board lets one value be chosen; a regular expression holds all.
CHOSEN = {"model": MODELS[0], "model_name": MODELS[0], "ttft_slo": "1.0", "tpot_slo": "0.1",
          "service": "chat"}
_EQUAL = re.compile(r'=\s*"\$\{?(\w+)(?::\w+)?\}?"')
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([a-zA-Z_]\w*)|\[\[(\w+)\]\]")


@dataclass(frozen=True)
class Query:
    """What one target of one panel asks."""

    board: str
    panel: str
    expr: str
    instant: bool
    step: int = STEP


def ours(hours: int, folder: Path = OURS) -> Iterator[Query]:
    """Every query of our boards."""
    for file in sorted(folder.glob("*.json")):
        yield from queries(file.stem, json.loads(file.read_text()), hours)


def theirs(hours: int) -> Iterator[Query]:
    """Every query of the peers' boards, each named by its folder and file."""
    for file in sorted(PEERS.glob("*/*.json")):
        name = f"{file.parent.name}/{file.name.partition('.')[0]}"
        yield from queries(name, json.loads(file.read_text()), hours)


def one_model(asked: Iterable[Query], board: str, name: str) -> Iterator[Query]:
    """The queries of a board as they are with a single model chosen, as a board of that name."""
    every, one = 'model=~".*"', f'model=~"{MODELS[0]}"'
    for query in asked:
        if query.board == board:
            yield replace(query, board=name, expr=query.expr.replace(every, one))


def queries(board: str, document: Mapping[str, Any], hours: int) -> Iterator[Query]:
    """Every query of a dashboard's JSON; rows that are closed at first are a board of their own."""
    for panel in document.get("panels") or ():
        inner = f"{board}{CLOSED}" if panel.get("collapsed") else board
        yield from queries(inner, panel, hours)
    for target in document.get("targets") or ():
        if target.get("expr"):
            yield Query(board, document.get("title", ""), _replaced(target["expr"], hours),
                        bool(target.get("instant")), _step(document.get("interval")))


def _step(interval: str | None) -> int:
    """The seconds between two points that Grafana takes for a panel's least interval."""
    match = re.fullmatch(r">?(\d+)([smh])", interval or "")
    return max(STEP, int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]) if match else STEP


def _replaced(expr: str, hours: int) -> str:
    variables = {
        "__range": f"{hours}h", "__interval": f"{STEP}s", "__range_s": str(3600 * hours),
        # As Grafana works it out from the step and the data source's scrape interval.
        "__rate_interval": f"{max(STEP + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s",
    }
    expr = _EQUAL.sub(lambda match: f'="{CHOSEN.get(match[1], match[1])}"', expr)
    return _VARIABLE.sub(
        lambda match: variables.get(match[1] or match[2] or match[3], ".*"), expr)
