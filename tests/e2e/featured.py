"""Engines that do all that only some do, for the rows of boards about that.

Their pages are captured or documented ones; every counter of them grows.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.exporter.support import Engine, exporter, send

PAGES = Path(__file__).parents[1] / "fixtures/engines"
# By pod: the fixtures whose families its page has, the first that has a family counts; and how its
# model is called there and here.
PODS: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "qwen-7f6c8d9b4-p9xwr": (("vllm/0.32.0-features/after.prom", "vllm/documented/features.prom"),
                             "(tiny|m)", "Qwen/Qwen3-32B"),
    "mixtral-84fd6c7b9-h2k5c": (("sglang/documented/0.5.23-decode.prom",), "acme/chat",
                                "mistralai/Mixtral-8x7B-v0.1"),
}
_SAMPLE = re.compile(r"(?P<series>[^\s{]+(?:{.*})?) (?P<value>\S+)")
_COUNTERS = re.compile(r".*(_total|_sum|_count|_bucket)($|{)")
AN_HOUR = 3600.0


def page(fixtures: tuple[str, ...], name: str, model: str) -> list[str]:
    """The lines of a page with the families of all of them, each once."""
    lines: list[str] = []
    seen: set[str] = set()
    for fixture in fixtures:
        new: set[str] = set()
        family = ""
        for line in (PAGES / fixture).read_text().splitlines():
            if line.startswith("# "):
                family = line.split()[2]
            if family not in seen:
                new.add(family)
                lines.append(re.sub(rf'(model_name=)"{name}"', rf'\1"{model}"', line))
        seen |= new
    return lines


def grown(lines: list[str], seconds: float) -> str:
    """The page after so much time: a counter has grown by its value in each hour."""
    return "".join(f"{_grown(line, 1 + seconds / AN_HOUR)}\n" for line in lines)


def _grown(line: str, times: float) -> str:
    match = _SAMPLE.fullmatch(line)
    if match is None or not _COUNTERS.match(match["series"]):
        return line
    return f"{match['series']} {float(match['value']) * times}"


@contextlib.contextmanager
def featured(folder: Path, faster: int) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """An exporter beside each of them: labels of its scrape by its host:port."""
    with contextlib.ExitStack() as stack:
        targets = {}
        for pod, (fixtures, name, model) in PODS.items():
            engine = stack.enter_context(_engine(page(fixtures, name, model), faster))
            config = folder / f"{pod}.yml"
            config.write_text(json.dumps({
                "gpu": {"enabled": False}, "engines": {"discover_ports": [], "targets": [
                    {"url": engine.url, "name": "127.0.0.1:8000"}]}}))
            running = stack.enter_context(exporter(config=config))
            targets[f"127.0.0.1:{running.port}"] = {
                "cluster": "prod", "namespace": "llm", "node": "gpu-1", "pod": pod}
        yield targets


@contextlib.contextmanager
def _engine(lines: list[str], faster: int) -> Iterator[Engine]:
    began = time.monotonic()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(handler, grown(lines, (time.monotonic() - began) * faster).encode())

    with Engine(answer) as engine:
        yield engine
