"""GPUs: the exporter beside nvitop-exporter and the least exporter, all on one fake driver."""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import Process, free_port, serving
from bench.report import Figure
from bench.scraper import Answer, Scraper, volley
from bench.sizes import Sizes
from tests.exporter.gpu.fake_nvml import FakeNvml, build

HERD = 20  # scrapers at once
INTERVAL = 1.0  # seconds between two rounds of the sampler, nvitop-exporter's default and ours
CPU_TO_PEER = {8: 0.25, 64: 0.15}


@dataclass
class Spent:
    """What one exporter was seen to spend, one value a round."""

    at_rest: list[float] = field(default_factory=list)  # share of a core
    per_scrape: list[float] = field(default_factory=list)  # CPU seconds, one after the other
    paced: list[float] = field(default_factory=list)  # the same, one a second
    latencies: list[float] = field(default_factory=list)  # seconds, in a herd
    failed: int = 0


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All figures of 8 and of 64 GPUs."""
    for count in (8, 64):
        with tempfile.TemporaryDirectory() as folder:
            yield _sampling(count, Path(folder), sizes.sampling_seconds)
        with tempfile.TemporaryDirectory() as folder, exporters(count, Path(folder)) as parties:
            yield from _beside(count, parties, sizes)


@contextlib.contextmanager
def exporters(count: int, folder: Path, record: bool = False) -> Iterator[Sequence[Process]]:
    """Ours, nvitop-exporter and the least exporter with our page, over so many busy GPUs.

    On `record`, the driver's calls go into files of theirs, at a cost to who makes them.
    """
    env = busy_gpus(folder, count)
    ours_env, peer_env = ({**env, **({"FAKE_NVML_CALLS": str(calls)} if record else {})}
                          for calls in _call_files(folder))
    config, page = folder / "inferometer.yml", folder / "page.prom"
    config.write_text(json.dumps({"gpu": {"interval_seconds": INTERVAL},
                                  "engines": {"discover_ports": []}}))
    ports = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(serving("inferometer", (
            sys.executable, "-m", "inferometer", "run", "--config", config,
            "--listen", f"127.0.0.1:{ports[0]}"), ports[0], folder, ours_env))
        peer = stack.enter_context(serving("nvitop-exporter", (
            Path(sys.executable).with_name("nvitop-exporter"), "--bind-address", "127.0.0.1",
            "--port", str(ports[1]), "--interval", str(INTERVAL)), ports[1], folder, peer_env))
        for party in (ours, peer):
            wait_for_gpus(party, count)
        page.write_text(_page(ours))
        least = stack.enter_context(serving(
            "least", (sys.executable, "-m", "bench.least", str(ports[2]), page), ports[2], folder))
        yield ours, peer, least


def busy_gpus(folder: Path, count: int) -> Mapping[str, str]:
    """A fake driver of so many GPUs that are never at rest: the environment that has it."""
    fake = FakeNvml(folder, build(folder / "build"))
    fake.write(f"gpus {count}", "drift *")
    return {name: value for name, value in fake.env().items() if name != "FAKE_NVML_CALLS"}


def series_per_gpu(page: str) -> float:
    """How many series of a page are of a GPU, on average over the GPUs."""
    lines = [line for line in page.splitlines() if 'uuid="' in line]
    gpus = {line.split('uuid="')[1].split('"')[0] for line in lines}
    return len(lines) / len(gpus) if gpus else 0.0


def _call_files(folder: Path) -> Sequence[Path]:
    return [folder / name for name in ("ours.calls", "peer.calls")]


def _sampling(count: int, folder: Path, seconds: float) -> Figure:
    """Whether both sample as often: nvitop-exporter cannot where its round takes longer."""
    with exporters(count, folder, record=True):
        before = [_rounds(calls) for calls in _call_files(folder)]
        time.sleep(seconds)
        ours, theirs = (seconds / (_rounds(calls) - earlier) for calls, earlier in zip(
            _call_files(folder), before, strict=True))
    return Figure(f"{count} GPUs: between two samples of a GPU", "s", ours, 1.1, theirs,
                  "nvitop-exporter")


def _rounds(calls: Path) -> int:
    return calls.read_text().splitlines().count("nvmlDeviceGetUtilizationRates 0")


def _beside(count: int, parties: Sequence[Process], sizes: Sizes) -> Iterator[Figure]:
    ours, peer, _ = parties
    yield Figure(f"{count} GPUs: series per GPU", "", series_per_gpu(_page(ours)), 1.0,
                 series_per_gpu(_page(peer)), peer.name, at_least=True)
    spent = observe(parties, sizes)
    yield from _figures(count, spent, parties)
    memory = {party.name: party.memory_bytes() / 2**20 for party in parties}
    yield Figure(f"{count} GPUs: memory (PSS) after it all", "MiB", memory[ours.name], 1.2,
                 memory[peer.name], peer.name)


def observe(parties: Sequence[Process], sizes: Sizes) -> Mapping[str, Spent]:
    """Rounds in which each party in turn is left alone, scraped, and scraped by a herd."""
    spent = {party.name: Spent() for party in parties}
    with contextlib.ExitStack() as stack:
        single = {party.name: stack.enter_context(Scraper(party.port)) for party in parties}
        herds = {party.name: [stack.enter_context(Scraper(party.port)) for _ in range(HERD)]
                 for party in parties}
        for _ in range(sizes.rounds):
            for name, share in rest(parties, sizes.rest_seconds).items():
                spent[name].at_rest.append(share)
            for party in parties:
                cost = scrape_cost(party, single[party.name], sizes.scrapes,
                                   spent[party.name].at_rest[-1])
                spent[party.name].per_scrape.append(cost)
            for name, cost in paced_cost(parties, single, sizes.paced_scrapes, spent).items():
                spent[name].paced.append(cost)
            for party in parties:
                answers = [a for _ in range(sizes.volleys) for a in volley(herds[party.name])]
                spent[party.name].latencies += [a.seconds for a in answers]
                spent[party.name].failed += sizes.volleys * HERD - sum(_good(answers))
    return spent


def rest(parties: Sequence[Process], seconds: float) -> Mapping[str, float]:
    """The share of a core that each spends while nobody asks anything."""
    began, before = time.perf_counter(), [party.cpu_seconds() for party in parties]
    time.sleep(seconds)
    after, took = [party.cpu_seconds() for party in parties], time.perf_counter() - began
    return {party.name: (b - a) / took
            for party, a, b in zip(parties, before, after, strict=True)}


def paced_cost(parties: Sequence[Process], scrapers: Mapping[str, Scraper], scrapes: int,
               spent: Mapping[str, Spent]) -> Mapping[str, float]:
    """CPU seconds a scrape where they come one a second, so that each finds new samples."""
    began, before = time.perf_counter(), [party.cpu_seconds() for party in parties]
    for number in range(1, scrapes + 1):
        for party in parties:
            scrapers[party.name].scrape()
        time.sleep(max(0.0, began + number - time.perf_counter()))
    after, took = [party.cpu_seconds() for party in parties], time.perf_counter() - began
    return {party.name: (b - a - spent[party.name].at_rest[-1] * took) / scrapes
            for party, a, b in zip(parties, before, after, strict=True)}


def scrape_cost(party: Process, scraper: Scraper, scrapes: int, at_rest: float) -> float:
    """CPU seconds a scrape, less what the party would have spent at rest meanwhile."""
    scraper.scrape()
    began, before = time.perf_counter(), party.cpu_seconds()
    for _ in range(scrapes):
        answer = scraper.scrape()
        if answer.status != 200:
            raise RuntimeError(f"{party.name} answered {answer.status}: {answer.text[:500]}")
    spent, took = party.cpu_seconds() - before, time.perf_counter() - began
    return (spent - at_rest * took) / scrapes


def _figures(count: int, spent: Mapping[str, Spent],
             parties: Sequence[Process]) -> Iterable[Figure]:
    _, peer, least = (party.name for party in parties)
    ours_by, peer_by, least_by = (spent[party.name] for party in parties)
    title = f"{count} GPUs: "
    yield Figure(title + "CPU per scrape", "ms", _ms(ours_by.per_scrape), CPU_TO_PEER[count],
                 _ms(peer_by.per_scrape), peer)
    yield Figure(title + "CPU per scrape, one a second", "ms", _ms(ours_by.paced),
                 CPU_TO_PEER[count], _ms(peer_by.paced), peer)
    yield Figure(title + "CPU per scrape, the least there can be", "ms", _ms(ours_by.per_scrape),
                 3.0, _ms(least_by.per_scrape), least)
    # What serving so large a page costs where caches have gone cold, whoever makes it.
    yield Figure(title + "CPU per scrape, one a second, the least there can be", "ms",
                 _ms(ours_by.paced), 5.0, _ms(least_by.paced), least)
    yield Figure(title + "CPU at rest", "% of a core", 100 * statistics.median(ours_by.at_rest),
                 1.0, 100 * statistics.median(peer_by.at_rest), peer)
    yield Figure(title + f"p99 latency, {HERD} scrapers at once", "ms",
                 1e3 * percentile(ours_by.latencies, 0.99), 0.1,
                 1e3 * percentile(peer_by.latencies, 0.99), peer)
    yield Figure(title + f"failed scrapes, {HERD} scrapers at once", "", ours_by.failed, 0)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _ms(values: Sequence[float]) -> float:
    return 1e3 * statistics.median(values)


def _good(answers: Iterable[Answer]) -> Iterable[bool]:
    return (answer.status == 200 for answer in answers)


def _page(party: Process) -> str:
    with Scraper(party.port) as scraper:
        return scraper.scrape().text


def wait_for_gpus(party: Process, count: int) -> None:
    """Until every GPU shows its utilization: before, it was not read yet."""
    deadline = time.monotonic() + 30.0
    while len(re.findall(r"^\w*gpu_utilization\w*\{", _page(party), re.MULTILINE)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{party.name} does not show all {count} GPUs")
        time.sleep(0.2)
