"""The list of families in a wheel: what a walk through its source can tell."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.tools import families

SOURCE = {
    "tiny/names.py": '''
PREFIX = "vllm:"
class Names:
    LOADED = f"{PREFIX}tiny_loaded"
''',
    "tiny/metrics.py": '''
import collections
from prometheus_client import Counter, Gauge, Histogram, Info
from tiny import names as n
from tiny.names import Names

LABELS = ["model_name", "engine"]

class Metrics:
    _gauge_cls = Gauge

    def __init__(self, wide):
        logger.info("tiny_words", 1)
        self.words = collections.Counter("some_words")
        self.running = self._gauge_cls(
            name="vllm:num_requests_running", documentation="Running.", labelnames=LABELS)
        self.loaded = Counter(Names.LOADED, "Loaded.", labelnames=[*LABELS, "tier"])
        self.build = Info(n.PREFIX + "tiny_build", "Build.")
        self.mode = Gauge(f"vllm:tiny_{wide.name}_mode", "Mode.")
        for name, text in (("vllm:tiny_a", "A."), ("vllm:tiny_b_total", "B.")):
            self.add(name, text)
        self.more = {Names.LOADED + "_size": OffloadHistogramData(documentation="Size.")}

    def add(self, name, text):
        return Counter(name, text, LABELS)

UNMADE = "vllm:tiny_elsewhere"
''',
    "tiny/tests/test_metrics.py": '''
Counter("vllm:tiny_of_a_test", "No server has it.")
''',
}


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    path = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, source in SOURCE.items():
            archive.writestr(name, source)
    return str(path)


def test_a_wheels_families_are_listed_those_of_no_table_first(
        wheel: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert families.main([wheel, "--engine", "vllm"]) == 1
    rows = [line.split("\t")[:3] for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["# 7 of 8 families are in no table, 0 are known and not used"],
        ["vllm:tiny_*_mode", "gauge", "-"],
        ["vllm:tiny_a_total", "counter", "model_name,engine"],
        ["vllm:tiny_b_total", "counter", "model_name,engine"],
        ["vllm:tiny_build_info", "info", "-"],
        ["vllm:tiny_elsewhere", "string", "-"],
        ["vllm:tiny_loaded_size", "histogram", "-"],
        ["vllm:tiny_loaded_total", "counter", "model_name,engine,tier"],
        ["# in a table"],
        ["vllm:num_requests_running", "gauge", "model_name,engine"],
    ]


def test_a_wheel_whose_families_are_all_in_a_table_is_right(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", 'Gauge("vllm:num_requests_waiting", "Waiting\\nhere.")')
    assert families.main([str(path)]) == 0
    assert "vllm:num_requests_waiting\tgauge\t-\ta.py:1\tWaiting here." in capsys.readouterr().out
