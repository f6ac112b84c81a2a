"""vLLM's page as it was captured under load, and what it becomes as the load goes on."""

from __future__ import annotations

import math
import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "tests/fixtures/engines/vllm/0.32.0/busy.prom"
STEPS = 50  # scrapes in which a counter grows by as much as it had when it was captured
DOCUMENTS = {
    "/version": b'{"version": "0.32.0"}',
    "/v1/models": b'{"data": [{"id": "tiny", "max_model_len": 2048}]}',
}
MOVING_GAUGES = (
    "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
    "process_resident_memory_bytes", "process_virtual_memory_bytes",
)


class Page:
    """The captured page, and the same page some scrapes later: only its values differ."""

    def __init__(self, text: str = "") -> None:
        self._lines = (text or PAGE.read_text()).splitlines()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", "\n".join(self._lines), re.MULTILINE))
        self._moving: list[tuple[int, str, float, float]] = []  # line, name and labels, value, step
        for index, line in enumerate(self._lines):
            series, _, value = line.rpartition(" ")
            if not line.startswith("#"):
                step = _step(series.partition("{")[0], kinds, float(value))
                if step:
                    self._moving.append((index, series, float(value), step))

    def body_of_step(self, step: int) -> bytes:
        """The page `step` scrapes later."""
        lines = list(self._lines)
        for index, series, value, by in self._moving:
            moved = value + step * by if by > 0 else value * (1 - step % 10 / 20)
            lines[index] = f"{series} {moved!r}"
        return ("\n".join(lines) + "\n").encode()


def _step(name: str, kinds: dict[str, str], value: float) -> float:
    """How much a value grows a scrape; below 0 for a gauge that moves to and fro, 0: not at all."""
    if name in MOVING_GAUGES:
        return -1.0
    family = re.sub(r"_(bucket|count|sum)$", "", name)
    if kinds.get(family, kinds.get(name)) not in ("counter", "histogram", "summary"):
        return 0.0
    return math.ceil(value / STEPS) if value.is_integer() else value / STEPS
