"""A vLLM that falls ill on command: slow, failing, hung, dead, and well again."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.exporter.support import Engine, fixture, free_port, send

REQUESTS_A_SECOND = 20.0
TOKENS = 30  # of an answer
# What the captured page's histograms see of a request, as a share of its whole duration.
SHARES = {
    "vllm:e2e_request_latency_seconds": 1.0, "vllm:request_decode_time_seconds": 0.8,
    "vllm:time_to_first_token_seconds": 0.2, "vllm:request_prefill_time_seconds": 0.2,
    "vllm:request_time_per_output_token_seconds": 0.8 / TOKENS,
    "vllm:request_queue_time_seconds": 0.0, "vllm:inter_token_latency_seconds": 0.8 / TOKENS,
}
LENGTHS = {  # tokens of each of a request's, or of a step
    "vllm:request_prompt_tokens": 100, "vllm:request_generation_tokens": TOKENS,
    "vllm:iteration_tokens_total": 40,
}
COUNTERS = {  # by request
    "vllm:generation_tokens_total": TOKENS, "vllm:prompt_tokens_total": 100,
    "vllm:prefix_cache_queries_total": 100, "vllm:prefix_cache_hits_total": 40,
    "vllm:prompt_tokens_cached_total": 40, "vllm:external_prefix_cache_queries_total": 60,
    "vllm:external_prefix_cache_hits_total": 6, "vllm:mm_cache_queries_total": 2,
    "vllm:mm_cache_hits_total": 1,
}
GAUGES = {
    "vllm:num_requests_running": 4.0, "vllm:num_requests_waiting": 0.0,
    "vllm:kv_cache_usage_perc": 0.5,
}
_SAMPLE = re.compile(r"([\w:]+?)(_bucket|_sum|_count)?(\{.*\})? \S+$")
_BOUND = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Health:
    """How long a request takes, and which share fails."""

    seconds: float = 0.5
    failing: float = 0.0
    hung: bool = False


class Patient:
    """One engine on a port of its own; it starts well."""

    def __init__(self) -> None:
        self._lines = fixture("vllm/0.32.0/idle.prom").decode().splitlines()
        self._lock = threading.Lock()
        self._port = free_port()
        self._engine: Engine | None = None
        self.live()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def turn(self, health: Health) -> None:
        """Be like that from now on."""
        with self._lock:
            self._go_on()
            self._health = health

    def live(self) -> None:
        """Begin anew, and well."""
        self._health, self._seen = Health(), time.monotonic()
        self._took: dict[float, float] = {}  # requests by seconds
        self._failed = 0.0
        self._engine = Engine(self._answer, self._port, **{
            "/version": b'{"version": "0.32.0"}', "/health": b"",
            "/v1/models": json.dumps({"data": [{"id": "tiny", "max_model_len": 2048}]}).encode()})

    def die(self) -> None:
        """Refuse every connection."""
        if self._engine:
            self._engine.close()
            self._engine = None

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._go_on()
            page = "".join(f"{self._line(line)}\n" for line in self._lines)
        send(handler, page)

    def _go_on(self) -> None:
        now = time.monotonic()
        passed, self._seen = now - self._seen, now
        health = self._health
        if not health.hung:
            ended = REQUESTS_A_SECOND * passed
            self._failed += ended * health.failing
            self._took[health.seconds] = self._took.get(health.seconds, 0.0) + (
                ended * (1 - health.failing))

    def _line(self, line: str) -> str:
        sample = None if line.startswith("#") else _SAMPLE.match(line)
        value = self._value(sample) if sample else None
        return line if value is None else f"{line.rpartition(' ')[0]} {value!r}"

    def _value(self, sample: re.Match[str]) -> float | None:
        name, part, labels = sample[1], sample[2], sample[3] or ""
        if name in SHARES and part:
            return self._histogram(SHARES[name], part, labels)
        well = sum(self._took.values())
        if name in LENGTHS and part:
            bound = _BOUND.search(labels)
            fits = bound is None or LENGTHS[name] <= float(bound[1])
            return well * (LENGTHS[name] if part == "_sum" else fits)
        if name == "vllm:request_success_total":
            return {"stop": well, "error": self._failed}.get(
                labels.partition('finished_reason="')[2].partition('"')[0], 0.0)
        return COUNTERS[name] * well if name in COUNTERS else GAUGES.get(name)

    def _histogram(self, share: float, part: str, labels: str) -> float:
        if part == "_sum":
            return sum(count * seconds * share for seconds, count in self._took.items())
        bound = _BOUND.search(labels)
        most = float(bound[1]) if bound else float("inf")
        return sum(count for seconds, count in self._took.items() if seconds * share <= most)
