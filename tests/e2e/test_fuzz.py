"""Reading answers and pages, fuzzed: what any bytes may do, and that the fuzzer would see it."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exporter.engines.raw import fetched_or_refused, serving_raw, strange_answer

SCRIPT = Path(__file__).with_name("fuzz_pages.py")
BODIES = SCRIPT.with_name("fuzz_bodies.py")
SECONDS = 90
FOUND = 77  # libFuzzer's exit code

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
fuzzer = pytest.mark.skipif(importlib.util.find_spec("atheris") is None,
                            reason="atheris has no wheel for this Python")


def fuzzed(folder: Path, seconds: int, *parser: str,
           script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, script, str(seconds), folder / "corpus", *parser],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        timeout=seconds + 60, check=False)
    print(run.stdout[-3000:])
    return run


@fuzzer
def test_no_page_makes_the_reader_fail_or_say_what_makes_no_sense(tmp_path: Path) -> None:
    assert fuzzed(tmp_path, SECONDS).returncode == 0


@fuzzer
@pytest.mark.parametrize("kind", ["protobuf", "json", "odd", "tables"])
def test_no_body_of_spans_makes_its_reader_fail_or_counts_a_call_twice(tmp_path: Path,
                                                                       kind: str) -> None:
    assert fuzzed(tmp_path, 45, kind, script=BODIES).returncode == 0


@fuzzer
@pytest.mark.parametrize(("parser", "how"), [
    ("Careless", "ValueError: could not convert string to float"),
    ("Forgetful", "AssertionError: prometheus_client reads it otherwise"),
    ("Remembering", "AssertionError: what was read before is seen"),
])
def test_a_parser_with_a_mistake_is_caught_within_seconds(tmp_path: Path, parser: str,
                                                          how: str) -> None:
    run = fuzzed(tmp_path, 60, parser)
    assert run.returncode == FOUND
    assert how in run.stdout
    assert "NEW" in run.stdout or "REDUCE" in run.stdout  # no captured page shows the mistake


def test_no_answer_makes_the_fetch_fail_or_last_longer_than_it_may() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice, end, answers = random.Random(seed), time.monotonic() + SECONDS, 0
    with serving_raw(lambda sock: sock.sendall(strange_answer(dice))) as url:
        while time.monotonic() < end:
            fetched_or_refused(url, 1.0)
            answers += 1
    print(f"{answers} answers")
