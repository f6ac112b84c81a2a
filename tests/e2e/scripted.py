"""Captured pages whose numbers go on: a made-up load, told under each engine's own names."""

from __future__ import annotations

import bisect
import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import fixture, send

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? \S+$")
BOUND = re.compile(r'le="([^"]+)"')
GPU_SECONDS = 2.0  # between two changes of the GPUs' load


@dataclass(frozen=True)
class Names:
    """A captured page, and what its families are called that the script moves."""

    page: str
    first_token: str
    tokens: str
    running: str
    waiting: str
    cache: str
    facts: Mapping[str, object]
    model: str = ""  # as the page calls it


VLLM = Names("vllm/0.32.0/busy.prom", "vllm:time_to_first_token_seconds",
             "vllm:generation_tokens_total", "vllm:num_requests_running",
             "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
             {"/version": {"version": "0.32.0"}}, "tiny")
SGLANG = Names("sglang/sglang-docs/0.4.0.prom", "sglang:time_to_first_token_seconds",
               "sglang:generation_tokens_total", "sglang:num_running_reqs",
               "sglang:num_queue_reqs", "sglang:token_usage",
               {"/get_server_info": {"version": "0.4.0"}}, "meta-llama/Llama-3.1-8B-Instruct")
TGI = Names("tgi/datadog/3.3.5.prom", "", "tgi_request_generated_tokens_sum",
            "tgi_batch_current_size", "tgi_queue_size", "",
            {"/info": {"model_id": "mistralai/Mistral-7B-Instruct-v0.3", "version": "3.3.5"}})

Load = Callable[[float], float]  # seconds since the start to requests per second


class Scripted:
    """One engine under a load: up to `seats` requests run, the others wait."""

    def __init__(self, names: Names, load: Load, seats: int, model: str = "",
                 seed: int = 1) -> None:
        self._names = names
        self._model = model or names.model
        self._lines = fixture(names.page).decode().splitlines()
        self._load = load
        self._seats = seats
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._began = self._seen = time.monotonic()
        self._waits: list[float] = []  # to the first token, of all requests, ascending
        self._tokens = 0.0
        self.busy = 0.0  # of the seats, 0 to 1
        self._running = self._waiting = 0.0

    def documents(self) -> dict[str, bytes]:
        """The documents beside the page."""
        return {path: json.dumps(fact).encode() for path, fact in self._names.facts.items()}

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer with the page as it is now."""
        with self._lock:
            self._go_on()
            page = self._page()
        send(handler, page)

    def _go_on(self) -> None:
        """Let the load run on from the last request for the page until now."""
        now = time.monotonic()
        passed, self._seen = now - self._seen, now
        rate = max(0.0, self._load(now - self._began)) * self._dice.uniform(0.85, 1.15)
        concurrent = 6.0 * rate  # a request takes some six seconds
        self._running = min(concurrent, self._seats)
        self._waiting = max(0.0, concurrent - self._seats)
        self.busy = self._running / self._seats
        self._tokens += 34.0 * passed * self._running * self._dice.uniform(0.97, 1.03)
        typical = 0.12 + 0.25 * self.busy ** 3 + 0.3 * self._waiting / max(rate, 0.1)
        for _ in range(self._arrivals(rate * passed)):
            bisect.insort(self._waits, typical * self._dice.lognormvariate(0.0, 0.45))

    def _arrivals(self, expected: float) -> int:
        count = int(expected)
        return count + (self._dice.random() < expected - count)

    def _page(self) -> str:
        numbers = {self._names.tokens: self._tokens, self._names.running: round(self._running),
                   self._names.waiting: round(self._waiting),
                   self._names.cache: min(0.99, 0.85 * self.busy + 0.002 * self._waiting)}
        return "".join(f"{self._line(line, numbers)}\n" for line in self._lines)

    def _line(self, line: str, numbers: Mapping[str, float]) -> str:
        sample = SAMPLE.match(line)
        if sample is None:
            return line
        name, labels = sample[1], sample[2] or ""
        head = f"{name}{labels.replace(self._names.model, self._model)}" if labels else name
        if name in numbers:
            return f"{head} {float(numbers[name])}"
        if self._names.first_token and name.startswith(self._names.first_token):
            part = name.removeprefix(self._names.first_token)
            if part == "_sum":
                return f"{head} {sum(self._waits)}"
            bound = BOUND.search(labels)
            limit = float(bound[1]) if part == "_bucket" and bound else math.inf
            if part in ("_bucket", "_count"):
                return f"{head} {float(bisect.bisect_right(self._waits, limit))}"
        return head + line[sample.end(2) if labels else sample.end(1):]


class Gpus:
    """The fake driver's GPUs, each as busy as the engine upon it."""

    def __init__(self, fake: FakeNvml, engines: Sequence[Scripted], *lines: str) -> None:
        self._fake = fake
        self._engines = engines
        self._lines = [f"gpus {len(engines)}", "set * name NVIDIA H100 80GB HBM3", *lines]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._go_on()
        self._thread.start()

    def say(self, *lines: str) -> None:
        """From now on."""
        self._lines.extend(lines)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(GPU_SECONDS):
            self._go_on()

    def _go_on(self) -> None:
        dice = random.Random(int(time.monotonic()))
        lines = []
        for index, engine in enumerate(self._engines):
            share = min(1.0, max(0.0, 0.96 * engine.busy + dice.uniform(-0.05, 0.04)))
            lines += [f"set {index} utilization {round(100 * share)}",
                      f"set {index} memory_used {int((58 + 6 * index + 9 * engine.busy) * 2**30)}",
                      f"set {index} power_mw {int(1000 * (110 + 540 * share))}",
                      f"set {index} temperature {int(34 + 34 * share)}"]
        self._fake.write(*lines, *self._lines)
