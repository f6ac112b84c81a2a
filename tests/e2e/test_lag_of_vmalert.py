"""How late a chain of rules is in a live vmalert: each hands on what the one before it recorded.

    pytest -m heavy -s tests/e2e/test_lag_of_vmalert.py    # five minutes; prints it
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.remote_write import Instants, Writer, labels
from tests.e2e.engines_of_rules import Recorded, victoriametrics
from tests.exporter.support import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

INTERVALS = (15, 30, 60)
LINKS = 4
SECONDS = 300
CLOCK = "clock_seconds"


def test_a_rule_is_one_evaluation_behind_the_one_that_it_reads(tmp_path: Path) -> None:
    recorded = _recorded(tmp_path)
    for seconds in INTERVALS:
        for link in range(1, LINKS):
            late = Counter(
                (second - value) / seconds / link
                for second, value in recorded[_name(seconds, link), frozenset()].items())
            print(f"every {seconds} s, link {link}: evaluations behind each {dict(late)}")
            assert late.most_common(1)[0][0] == 1
            assert max(late) <= 2


def _recorded(folder: Path) -> Recorded:
    """A gauge says what time it is; so a recorded value says how old it is."""
    rules = folder / "rules.json"
    rules.write_text(json.dumps({"groups": [
        {"name": f"{seconds}s", "interval": f"{seconds}s", "rules": [
            {"record": _name(seconds, link),
             "expr": _name(seconds, link - 1) if link else f"sum ({CLOCK})"}
            for link in range(LINKS)]} for seconds in INTERVALS]}))
    with victoriametrics(folder) as server, (folder / "vmalert.log").open("w") as log:
        process = subprocess.Popen(server.command(
            f"-rule={rules}", "-notifier.blackhole", f"-httpListenAddr=127.0.0.1:{free_port()}",
            "-group.maxStartDelay=1ms"), stdout=log, stderr=log)
        try:
            with Writer(server.port) as writer:
                end = time.time() + SECONDS
                while (now := time.time()) < end:
                    writer.write([(labels(CLOCK, {}),
                                   Instants([int(now)]).samples([float(int(now))]))])
                    time.sleep(1 - now % 1)  # a sample at each full second
        finally:
            process.kill()
            process.wait()
        server.flush()
        return server.recorded()


def _name(seconds: int, link: int) -> str:
    return f"chain:every_{seconds}s:link{link}"
