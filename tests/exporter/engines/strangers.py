"""Pages that no engine prints, of any size: to be served to a running exporter.

    name = stranger.spoil(engine, dice)  # it answers with something strange from now on
    megabytes(running)                   # the most memory that the exporter ever had
    with made_crowd(folder, 8) as crowd:  # an exporter, 8 engines to be spoilt, and a good one
        crowd.scrape()                   # and a look at all that must hold of every page

Each of PAGES makes a page of about so many bytes; `turn` tells one scrape's from the next one's.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from inferometer.engines.parser import MOST_LINES
from inferometer.engines.processes import ALONE
from tests.exporter.engines.raw import strange_answer
from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import Behaviour, Engine, Exporter, Page, fixture, send

TOKENS, RUNNING, ENDED = (f"vllm:{name}" for name in (
    "generation_tokens_total", "num_requests_running", "request_success_total"))
TTFT, ADAPTERS, CACHE = (f"vllm:{name}" for name in (
    "time_to_first_token_seconds", "lora_requests_info", "cache_config_info"))
BUSY = fixture("vllm/0.32.0/busy.prom")
MOST = MOST_LINES - 50
LONG = 40_000  # characters of a label's value, as long as a line may be

Lines = Callable[[int], Iterator[str]]  # by turn, without end


def labelled(name: str, kind: str, labels: Callable[[int, int], str]) -> Lines:
    """A family whose series have these labels, by turn and number."""
    def lines(turn: int) -> Iterator[str]:
        yield f"# TYPE {name} {kind}"
        yield from (f"{name}{{{labels(turn, number)}}} {number}" for number in itertools.count())
    return lines


def histograms(turn: int) -> Iterator[str]:
    yield f"# TYPE {TTFT} histogram"
    for model in itertools.count():
        named = f'model_name="{turn}.{model}"'
        yield from (f'{TTFT}_bucket{{{named},le="{le}"}} {le}' for le in range(30))
        yield f'{TTFT}_bucket{{{named},le="+Inf"}} 30'
        yield f"{TTFT}_sum{{{named}}} 1"
        yield f"{TTFT}_count{{{named}}} 30"


def families(turn: int) -> Iterator[str]:
    for number in itertools.count():
        yield f"# TYPE vllm:f{turn}_{number} gauge"
        yield f'vllm:f{turn}_{number}{{model_name="m"}} 1'


def declared(turn: int) -> Iterator[str]:
    yield from (f"# TYPE vllm:f{turn}_{number} gauge" for number in itertools.count())


def helped(turn: int) -> Iterator[str]:
    yield from (f"# HELP vllm:f{turn} {'x' * 10_000}" for _ in itertools.count())


def nonsense(turn: int) -> Iterator[str]:
    yield from (f"! {turn} {number}" for number in itertools.count())


def endless(turn: int) -> Iterator[str]:
    yield f'{RUNNING}{{model_name="{turn}' + "x" * 2**24


SERIES: dict[str, Lines] = {
    "tiny series": labelled(RUNNING, "gauge", lambda turn, n: f'a="{n}"'),
    "models": labelled(TOKENS, "counter", lambda turn, n: f'model_name="{turn}.{n}"'),
    "ranks": labelled(TOKENS, "counter", lambda turn, n: f'engine="{n}",model_name="m{turn}"'),
    "label names": labelled(TOKENS, "counter", lambda turn, n: f'l{turn}_{n}="",model_name="m"'),
    "ten labels": labelled(TOKENS, "counter", lambda turn, n: ",".join(
        f'l{label}="{n + turn}"' for label in range(10))),
    "a thousand labels": labelled(TOKENS, "counter", lambda turn, n: ",".join(
        f'l{label}="{n}"' for label in range(turn, turn + 1000))),
    "long values": labelled(ENDED, "counter", lambda turn, n:
                            f'finished_reason="{n}{"x" * 150}",model_name="m{turn}"'),
    "very long values": labelled(ENDED, "counter", lambda turn, n:
                                 f'finished_reason="{n}{"x" * LONG}",model_name="m{turn}"'),
    "wide characters": labelled(ENDED, "counter", lambda turn, n:
                                f'finished_reason="{n}{chr(0x1F600) * 30}",model_name="m{turn}"'),
    "escapes": labelled(TOKENS, "counter", lambda turn, n:
                        rf'model_name="{turn}.{n}{chr(92) * 60}"'),
    "paths": labelled("http_requests_total", "counter", lambda turn, n:
                      f'handler="/v1/completions",method="POST",status="200",x="{turn}.{n}"'),
    "adapters": labelled(ADAPTERS, "gauge", lambda turn, n:
                         f'max_lora="{n}",running_lora_adapters="{"a," * (LONG // 2)}",'
                         f'waiting_lora_adapters="{turn}"'),
    "facts": labelled(CACHE, "gauge", lambda turn, n:
                      f'num_gpu_blocks="{n}",block_size="16",cache="{turn}"'),
    "unknown series": labelled("vllm:never_heard_of", "gauge", lambda turn, n: f'a="{turn}.{n}"'),
    "foreign series": labelled("node_x", "gauge", lambda turn, n: f'a="{n}{"x" * 120}"'),
    "histograms": histograms, "families": families, "declared": declared, "helped": helped,
    "nonsense": nonsense, "a line without end": endless,
}


def page_of(lines: Lines, size: int, turn: int = 0) -> bytes:
    """About so many bytes of lines; no more lines than are read."""
    body, begun = bytearray(), lines(turn)
    for line in itertools.islice(begun, MOST):
        body += line.encode()[: size - len(body)] + b"\n"
        if len(body) >= size:
            break
    return bytes(body)


class Stranger:
    """Serves strange pages, another one with each turn; it remembers those it has made."""

    def __init__(self, size: int = 12 * 2**20) -> None:
        self._size = size
        self._made: dict[tuple[str, int], bytes] = {}

    def page(self, shape: str, turn: int = 0) -> bytes:
        """The page of one of SERIES; there are two turns of each."""
        key = shape, turn % 2
        if key not in self._made:
            self._made[key] = page_of(SERIES[shape], self._size, turn % 2)
        return self._made[key]

    def answer(self, shape: str) -> Behaviour:
        """Answer with the page, of another turn each time."""
        turns = itertools.count()
        return lambda handler: send(handler, self.page(shape, next(turns)))

    def packed(self, shape: str) -> Behaviour:
        """The same, as gzip."""
        body = gzip.compress(self.page(shape), 1)
        return lambda handler: send(handler, body, Content_Encoding="gzip")

    def spoil(self, engine: Engine, dice: random.Random) -> str:
        """Make the engine answer with something strange; its name."""
        if dice.random() < 0.5:
            def raw(handler: BaseHTTPRequestHandler) -> None:
                handler.wfile.write(strange_answer(dice))
            engine.serve(raw)
            return "strange bytes"
        shape = dice.choice([*SERIES])
        engine.serve(dice.choice((self.answer, self.packed))(shape))
        return shape


def megabytes(running: Exporter, what_of: str = "VmHWM") -> float:
    """The most memory that the exporter ever had (VmHWM), or what it has now (VmRSS), in MiB."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    match = re.search(rf"{what_of}:\s+(\d+) kB", status)
    assert match
    return int(match[1]) / 1024


@dataclass
class Crowd:
    """An exporter with engines that may be spoilt, and a good one."""

    running: Exporter
    engines: list[Engine]
    good: Engine
    seconds: float  # of an engine's patience
    series: frozenset[tuple[str, frozenset[tuple[str, str]]]] = field(default_factory=frozenset)

    def scrape(self) -> Page:
        """The page; AssertionError if it is late, or the good engine is not on it as it was."""
        asked_at, began = time.time(), time.monotonic()
        page = self.running.scrape(
            **{"X-Prometheus-Scrape-Timeout-Seconds": f"{2 * self.seconds:g}"})
        assert time.monotonic() - began < 2 * self.seconds
        assert page.value("inferometer_collector_success", collector="engines") == 1
        assert page.value("llm_server_up", target=self.good.name) == 1
        read_at = page.value("llm_server_last_scrape_timestamp_seconds", target=self.good.name)
        assert read_at is not None
        assert read_at >= asked_at
        series = frozenset((one.name, frozenset(one.labels.items())) for one in page.series
                           if one.labels.get("target") == self.good.name)
        self.series = self.series or series
        assert series == self.series
        return page

    def are_up(self, page: Page) -> list[float]:
        """Of the engines that may be spoilt, whether each is up."""
        return [up for engine in self.engines
                for up in page.values("llm_server_up", target=engine.name)]

    def heal(self, whole_again: bool = True) -> Page:
        """The page once all engines are good again, and whole.

        Who seemed to be several processes is believed after as many pages as that takes; who has
        named as many models as one target may has no seat for one more.
        """
        for engine in self.engines:
            engine.serve(BUSY)
        for _ in range(ALONE + 5):
            page = self.scrape()
            if not whole_again and self.are_up(page) == [1.0] * len(self.engines):
                return page
            if all(len([one for one in page.series if one.labels.get("target") == engine.name])
                   >= len(self.series) for engine in self.engines):
                return page
        raise AssertionError(f"not whole: {self.are_up(page)}")

    def reasons(self) -> set[str]:
        """Why engines were down, as the log has it."""
        return {str(line["why"]) for line in self.running.logged()
                if line["message"] == "engine does not answer"}


@contextlib.contextmanager
def made_crowd(folder: Path, number: int, seconds: float = 5.0) -> Iterator[Crowd]:
    """A fresh one, of so many engines to be spoilt that have so many seconds to answer."""
    with contextlib.ExitStack() as stack:
        good, *engines = (stack.enter_context(Engine(BUSY)) for _ in range(number + 1))
        config = folder / "inferometer.yml"
        config.write_text(
            f"gpu: {{enabled: false}}\nengines:\n  timeout_seconds: {seconds}\n  targets:\n"
            + "".join(f"  - {{url: {engine.url}}}\n" for engine in (*engines, good)))
        running = ready(stack.enter_context(started(*ANYWHERE, "--config", config)))
        yield Crowd(running, engines, good, seconds)
