"""Dashboards: ours beside the peers', on one synthetic fleet in one real Prometheus.

Load is the time of all of a board's queries, one after the other; samples are what Prometheus says
it touched. The first round is cold, of a server that has just started; the others' median is warm.
"""

from __future__ import annotations

import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import boards, rules
from bench.backfill import Day, fill
from bench.boards import Query
from bench.fleet import BEGIN, Fleet
from bench.process import cache
from bench.report import Figure, say
from bench.server import Answer, Server, prometheus
from bench.sizes import Sizes
from inferometer import catalogue as c
from inferometer.engines.tables.vllm import ENGINE as VLLM

LONG_SECONDS = 0.25  # a query that takes longer is asked twice only
OFF = {"5m": 0.001, "1h": 5.0}  # percent that recorded quantiles may be off, by window
SEED = 4


@dataclass(frozen=True)
class Match:
    """Boards that answer the same questions, and by what factors ours are to be cheaper."""

    peer: str
    ours: tuple[str, ...]
    load: float = 0.0
    cpu: float = 0.0
    samples: float = 0.0


ONE_MODEL = "inferometer-latency, one model"
MATCHES = (
    Match("vllm-main/vllm_overview", ("inferometer-fleet", "inferometer-latency"), 15, 15, 40),
    Match("vllm-0.33.0/performance_statistics", ("inferometer-latency",), 40, 0, 1000),
    Match("vllm-0.33.0/grafana", (ONE_MODEL,), 0, 5, 40),
    Match("dcgm-exporter/dcgm-exporter-dashboard", ("inferometer-gpu",), 0, 8, 0),
)
# What an engine's page is asked for beside its table's signals.
_BESIDE_SIGNALS = (c.SERVER_HTTP, c.SERVER_MAX_LENGTH, c.SERVER_LAST_PROGRESS)
# What this fleet has none of, so that what reads it alone is rightly empty.
ABSENT = {
    "ALERTS": "alerts are not evaluated over the past",
    ":mixed_bounds": "all replicas have the same bounds",
    "gpu:gpu_up:lost": "no GPU is lost",
    "fleet:gpu_unlisted_devices": "no kubelet is asked",
    "prometheus_rule_": "this Prometheus does not scrape itself",
    "spec_decode": "the engine does not speculate",
    'source="withheld"': "no signal is withheld",
    **dict.fromkeys(
        ("external_cache", "cache_tier", "multimodal_cache", "kv_offload", "kv_move", "lora_",
         "requests_corrupted", "migrations", "estimated_gpu"),
        "the engine was captured without that feature"),
    **{metric.name: "the engine does not tell it"
       for metric in c.SIGNAL_METRICS if metric not in {*VLLM.signals, *_BESIDE_SIGNALS}},
    'model:inferometer_budget_usd:used_ratio{period="month"': "no model has a budget of the month",
    "_usd:effective": "no such limit is configured",
    "_replicas:effective": "likewise",
    'limit="goodput"': "likewise",
    "and on (cluster, model) client:": "no engine here serves what is called",
    f"{c.CLIENT_DURATION.name}_bucket{{model=": "likewise",
    c.CLIENT_LONG_TRACES.name: "no trace comes to so many calls",
    "inferometer_forward_": "no gateway has destinations",
    **dict.fromkeys(
        ("llm_feedback", "llm_thumbs_down", "llm_regenerated", "llm_answers_copied",
         "llm_conversation_turns", "inferometer_feedback"), "nobody votes, or ends a conversation"),
    **dict.fromkeys(("llm_evaluation", "llm_judge", "llm_quality_alarm"), "no judge is named"),
    **dict.fromkeys(("llm_client_request_cost_usd:", "llm_client_request_tokens:"),
                    "no ledger has an hour that is complete"),
    ":ratio_1w": "the applications are younger than a week",
    ":ratio_limit": "likewise",
    " offset 1d": "the applications are younger than a day",
    " offset 1w": "and than a week",
    **{f":error_ratio_{window}": "the models are younger than half of the window"
       for window in ("6h", "1d", "3d")},
}


@dataclass
class Seen:
    """What one query was seen to take, an answer a round."""

    query: Query
    answers: list[Answer] = field(default_factory=list)

    @property
    def cold(self) -> float:
        """Seconds of the first time."""
        return self.answers[0].seconds

    @property
    def warm(self) -> float:
        """Seconds of any other time."""
        return statistics.median(answer.seconds for answer in self.answers[1:])

    @property
    def cpu(self) -> float:
        """CPU seconds of Prometheus, warm."""
        return statistics.median(answer.cpu_seconds for answer in self.answers[1:])

    @property
    def last(self) -> Answer:
        """The latest answer."""
        return self.answers[-1]


@dataclass
class Board:
    """The sums over a board's queries."""

    name: str
    seen: Sequence[Seen]

    def total(self, property_name: str) -> float:
        """The sum of a property of the queries: cold, warm or cpu."""
        return math.fsum(getattr(one, property_name) for one in self.seen)

    @property
    def samples(self) -> int:
        """Samples that were touched."""
        return sum(one.last.samples for one in self.seen)

    @property
    def empty(self) -> Sequence[Seen]:
        """Queries that gave nothing, and did not fail."""
        return [one for one in self.seen if not one.last.result and not one.last.error]

    @property
    def failing(self) -> Sequence[Seen]:
        """Queries that were refused."""
        return [one for one in self.seen if one.last.error]

    def as_row(self) -> str:
        """The board as a row of the table."""
        cells = (self.name, len(self.seen), f"{self.total('cold'):.2f}",
                 f"{self.total('warm'):.3f}", f"{1e3 * max(one.warm for one in self.seen):.0f}",
                 f"{self.total('cpu'):.3f}", f"{self.samples:,}",
                 sum(len(one.last.result) for one in self.seen), len(self.empty),
                 len(self.failing))
        return f"| {' | '.join(map(str, cells))} |"


HEAD = ("| board | queries | load, cold, s | load, warm, s | slowest, warm, ms | CPU, s | samples "
        "| series | empty | failing |\n| --- " + "| ---: " * 9 + "|")


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All figures of the boards, after the table of each board by itself."""
    asked = [*(boards.theirs(sizes.fleet_hours) if sizes.peers else ()),
             *boards.ours(sizes.fleet_hours)]
    asked += boards.one_model(asked, "inferometer-latency", ONE_MODEL)
    small = rules.of_smaller(sizes)
    with tempfile.TemporaryDirectory(dir=cache()) as name:
        folder, began = Path(name), time.monotonic()
        with prometheus(folder) as server:
            fleet = Fleet.of(sizes.replicas, sizes.fleet_seconds)
            day = fill(server, fleet, sizes.fleet_hours, rules.RULES)
            server.settle()
            say(f"written: {server.memory()}")
        say(f"{sizes.replicas} replicas, {sizes.fleet_hours} h: {sum(day.raw.values())} series of "
            f"{dict(day.raw)}, {sum(day.recorded.values())} recorded, {day.samples} samples in "
            f"{time.monotonic() - began:.0f} s")
        with prometheus(folder) as server:
            server.settle()
            say(f"read anew: {server.memory()}")
            large = rules.round_of(server, day)
            by_board = rounds(server, asked, day, sizes.board_rounds)
            off = rules.quantiles_off(server, day) if sizes.peers else {}
    print("\n".join([HEAD, *(board.as_row() for board in by_board.values())]))
    yield from _beside(by_board) if sizes.peers else ()
    yield from _absolute(by_board, sizes)
    for window, percent in off.items():
        yield Figure(f"recorded quantiles over {window}, off those of the engine's own buckets",
                     "%", percent, OFF[window])
    yield from rules.figures(small, large, sizes)


def rounds(server: Server, asked: Iterable[Query], day: Day, count: int) -> Mapping[str, Board]:
    """Ask everything so many times, all boards' queries mixed, so that none has the quiet hour."""
    seen = [Seen(query) for query in asked]
    for number in range(count):
        for one in random.Random(SEED + number).sample(seen, len(seen)):
            if number < 2 or one.last.seconds < LONG_SECONDS:
                one.answers.append(_answer(server, one.query, day))
    names = dict.fromkeys(one.query.board for one in seen)
    return {name: Board(name, [one for one in seen if one.query.board == name]) for name in names}


def _answer(server: Server, query: Query, day: Day) -> Answer:
    if query.instant:
        return server.instant(query.expr, day.end)
    return server.over(query.expr, BEGIN, day.end, query.step)


def _beside(by_board: Mapping[str, Board]) -> Iterator[Figure]:
    for match in MATCHES:
        peer, mine = by_board[match.peer], [by_board[name] for name in match.ours]
        title = f"{' + '.join(match.ours)}: "
        short = match.peer.partition("/")[2]
        for quantity, unit, factor, our, their in (
                ("load, warm", "s", match.load, sum(b.total("warm") for b in mine),
                 peer.total("warm")),
                ("CPU", "s", match.cpu, sum(b.total("cpu") for b in mine), peer.total("cpu")),
                ("samples", "", match.samples, sum(b.samples for b in mine), peer.samples)):
            yield Figure(title + quantity, unit, our, 1 / factor if factor else 1.0, their, short)


def _absolute(by_board: Mapping[str, Board], sizes: Sizes) -> Iterator[Figure]:
    mine = [board for name, board in by_board.items() if name.startswith("inferometer-")]
    slowest = max((one for board in mine for one in board.seen), key=lambda one: one.warm)
    yield Figure(f"slowest of our queries, warm: {slowest.query.board}, {slowest.query.panel}",
                 "ms", 1e3 * slowest.warm, sizes.query_ms)
    for name in ("fleet", "latency"):
        yield Figure(f"the whole {name} board, warm", "s",
                     by_board[f"inferometer-{name}"].total("warm"), 1)
    yield Figure("our queries that fail", "", sum(len(board.failing) for board in mine), 0)
    unexplained = [one.query for board in mine for one in board.empty if not why(one.query)]
    for query in unexplained:
        say(f"empty: {query.board}, {query.panel}: {query.expr}")
    yield Figure("our queries that are empty and not explained", "", len(unexplained), 0)


def why(query: Query) -> str:
    """Why a query of ours gives nothing on this fleet; nothing if nobody knows."""
    return next((reason for part, reason in ABSENT.items() if part in query.expr), "")
