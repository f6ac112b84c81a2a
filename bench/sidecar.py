"""A sidecar of one vLLM: the exporter beside what prometheus_client spends on the same page."""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from bench.gpus import rest, scrape_cost
from bench.process import Process, free_port, serving
from bench.prometheus import Native, Sidecar
from bench.report import Figure
from bench.scraper import Scraper
from bench.sizes import Sizes
from bench.vllm import Page
from inferometer import catalogue as c
from inferometer.engines.collector import join
from inferometer.engines.parser import Parser
from inferometer.engines.reading import Describer, ServerInfo
from inferometer.engines.table import Engine
from inferometer.engines.tables import vllm
from inferometer.engines.target import State
from inferometer.exposition import TEXT, render
from inferometer.guard import Guard

TO_RENDERING, TO_PARSING = 0.3, 0.15  # most CPU of ours, as a share of theirs
OF_FEATURES = 1.5  # most CPU in process, as a share of that without families of features
ADDED_MS = 2.0
OF_FEATURE = {*c.SELDOM_METRICS, c.SERVER_INPUT_LENGTH, c.SERVER_OUTPUT_LENGTH}
WARM_UP = 5  # scrapes
ENCODINGS = ("gzip", "identity")  # the first is Prometheus' own


@dataclass
class Seen:
    """What was measured, one value a round: seconds by party and encoding."""

    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    latency: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def cpu_ms(self, party: str, encoding: str = "") -> float:
        """The median over the rounds."""
        return 1e3 * statistics.median(self.cpu[party, encoding])

    def latency_ms(self, party: str, encoding: str) -> float:
        """The median over all scrapes."""
        return 1e3 * statistics.median(self.latency[party, encoding])


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All figures of the sidecar."""
    with tempfile.TemporaryDirectory() as folder, parties(Path(folder)) as (engine, *rivals):
        seen = observe(engine, rivals, sizes)
    gzip = ENCODINGS[0]
    ours = seen.cpu_ms("inferometer", gzip)
    yield Figure("vLLM page: CPU per scrape, the engine's rendering alone", "ms", ours,
                 TO_RENDERING, seen.cpu_ms("rendering"), "generate_latest")
    yield Figure("vLLM page: CPU per scrape, parsing and saying it anew alone", "ms", ours,
                 TO_PARSING, seen.cpu_ms("parsing"), "parser + generate_latest")
    yield Figure("vLLM page: CPU to say it anew, in process", "ms", seen.cpu_ms("all families"),
                 OF_FEATURES, seen.cpu_ms("no features"), "without features and lengths")
    for encoding in ENCODINGS:
        ours = seen.cpu_ms("inferometer", encoding)
        page = f"vLLM page, {encoding}: "
        yield Figure(page + "CPU per scrape, the engine's whole answer", "ms", ours, TO_RENDERING,
                     seen.cpu_ms("native", encoding), "prometheus_client's server")
        yield Figure(page + "CPU per scrape, a whole sidecar", "ms", ours, TO_PARSING,
                     seen.cpu_ms("parse-and-say", encoding), "prometheus_client's server")
        added = seen.latency_ms("inferometer", encoding) - seen.latency_ms("engine", "identity")
        yield Figure(page + "p50 latency added to the engine's own", "ms", added, ADDED_MS)


@contextlib.contextmanager
def parties(folder: Path) -> Iterator[Sequence[Process]]:
    """The light engine, then those that are compared: ours, the engine's registry, the rival."""
    engine, port, native, rival = (free_port() for _ in range(4))
    config = folder / "inferometer.yml"
    config.write_text(json.dumps({"gpu": {"enabled": False}, "engines": {
        "targets": [{"url": f"http://127.0.0.1:{engine}"}]}}))
    python = (sys.executable, "-m")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(serving(name, (*python, *command), own_port, folder))
               for name, command, own_port in (
                   ("engine", ("bench.engine", str(engine)), engine),
                   ("inferometer", ("inferometer", "run", "--config", config, "--listen",
                                    f"127.0.0.1:{port}"), port),
                   ("native", ("bench.prometheus", "native", str(native)), native),
                   ("parse-and-say",
                    ("bench.prometheus", "sidecar", str(rival), str(engine)), rival))]


def observe(engine: Process, rivals: Sequence[Process], sizes: Sizes) -> Seen:
    """Rounds in which each is scraped in turn, and prometheus_client works without HTTP."""
    seen = Seen()
    works: Mapping[str, Rendering | Parsing | Saying] = {
        "rendering": Rendering(), "parsing": Parsing(), "all families": Saying(vllm.ENGINE),
        "no features": Saying(replace(vllm.ENGINE, signals={
            metric: sources for metric, sources in vllm.ENGINE.signals.items()
            if metric not in OF_FEATURE})),
    }
    with contextlib.ExitStack() as stack:
        scrapers = {(party.name, encoding): stack.enter_context(Scraper(party.port, encoding))
                    for party in (engine, *rivals) for encoding in ENCODINGS}
        for scraper in scrapers.values():
            _latencies(scraper, WARM_UP)
        for _ in range(sizes.rounds):
            shares = rest(rivals, sizes.rest_seconds / 2)
            for encoding in ENCODINGS:
                for party in rivals:
                    cost = scrape_cost(party, scrapers[party.name, encoding], sizes.scrapes,
                                       shares[party.name])
                    seen.cpu.setdefault((party.name, encoding), []).append(cost)
                for name in ("engine", "inferometer"):
                    seen.latency.setdefault((name, encoding), []).extend(
                        _latencies(scrapers[name, encoding], sizes.scrapes))
            for name, work in works.items():
                seen.cpu.setdefault((name, ""), []).append(work.cost(sizes.scrapes))
    return seen


class Rendering:
    """What prometheus_client spends in the engine on rendering its registry."""

    def __init__(self) -> None:
        self._native = Native()

    def cost(self, times: int) -> float:
        """CPU seconds a page; what happens in the engine between two is not counted."""
        return _mean_cost(times, self._native.step,
                          lambda: generate_latest(self._native.registry))


class Parsing:
    """What prometheus_client spends on parsing the page and rendering it again."""

    def __init__(self) -> None:
        self._page = Page()
        self._step = 0
        self._text = ""
        self._registry = CollectorRegistry()
        self._registry.register(Sidecar(lambda: self._text))

    def cost(self, times: int) -> float:
        """CPU seconds a page."""
        return _mean_cost(times, self._next, lambda: generate_latest(self._registry))

    def _next(self) -> None:
        self._step += 1
        self._text = self._page.body_of_step(self._step).decode()


class Saying:
    """What the exporter spends on parsing the page and saying it anew, without HTTP."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._page, self._step, self._body = Page(), 0, b""
        self._parser, self._describer, self._guard = Parser(), Describer(), Guard()

    def cost(self, times: int) -> float:
        """CPU seconds a page."""
        return _mean_cost(times, self._next, self._say)

    def _next(self) -> None:
        self._step += 1
        self._body = self._page.body_of_step(self._step)

    def _say(self) -> bytes:
        page = self._parser.parse(self._body)
        reading = self._describer.describe(self._engine, page, ServerInfo(), float(self._step))
        state = State(True, self._engine.name, reading.model, read_at=0.0, reading=reading)
        return render(self._guard.admit(join([("vllm", state)])), TEXT)


def _mean_cost(times: int, prepare: Callable[[], None], work: Callable[[], object]) -> float:
    spent = 0.0
    for _ in range(times):
        prepare()
        before = time.thread_time()
        work()
        spent += time.thread_time() - before
    return spent / times


def _latencies(scraper: Scraper, scrapes: int) -> Iterable[float]:
    return [scraper.scrape().seconds for _ in range(scrapes)]
