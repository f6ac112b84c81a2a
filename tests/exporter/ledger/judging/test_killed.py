"""Who is killed while judging doubles neither call nor verdict."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from inferometer.ledger.judging import queue
from inferometer.ledger.verification import verify
from tests.exporter.ledger.judging.judged import BAD, GOOD, counted, send, settle
from tests.exporter.ledger.judging.killed import CONCURRENCY
from tests.exporter.ledger.making import Bench, ledger_in
from tests.exporter.support import wait_for
from tests.scripted_judge import ScriptedJudge

pytestmark = pytest.mark.timeout(400)
ANSWERS, STEPS, KILLS = 9, 4, 3
SECONDS = 2.0  # for a call
LATENCY = 0.1
FAULTS = {"": False, "forgets": True}


def judge_until_killed(bench: Bench, judge: ScriptedJudge, sabotage: str, requests: int) -> None:
    """Have a process judge, and kill it once the judge has got so many requests more."""
    before = len(judge.asked)
    command = [sys.executable, "-m", "tests.exporter.ledger.judging.killed", str(bench.folder),
               judge.url, str(SECONDS), *(["--sabotage", sabotage] if sabotage else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: len(judge.asked) >= before + requests or is_done(bench), 120.0, 0.005)
        finally:
            process.kill()


def is_done(bench: Bench) -> bool:
    return bench.rows("SELECT count(*) FROM judged_units WHERE state = 1") == [(ANSWERS,)]


def pass_leases(bench: Bench) -> None:
    """As if so much time had gone by that nobody who was killed has an answer any more."""
    past = time.time_ns() - int((SECONDS + queue.SPARE_SECONDS + 1) * 1e9)
    bench.file.connection.execute(
        f"UPDATE judged_units SET due = {past} WHERE state = 0 AND due > {past}")


@pytest.mark.usefixtures("each_store")
@pytest.mark.parametrize("sabotage", FAULTS)
def test_kills_while_judging_double_neither_call_nor_verdict(tmp_path: Path, sabotage: str) -> None:
    draw = random.Random(os.getpid())
    with ledger_in(tmp_path) as bench, ScriptedJudge(latency=LATENCY) as judge:
        bench.began -= int(300e9)  # so that all of it has settled by the clock of the process
        for number in range(ANSWERS):
            send(bench, f"{BAD if number % 3 == 0 else GOOD} {number}")
        settle(bench)
        for _ in range(KILLS):
            judge_until_killed(bench, judge, sabotage, draw.randint(3, 8))
            pass_leases(bench)
        judge_until_killed(bench, judge, "", 10_000)
        sent = Counter(bench.rows("SELECT unit, step FROM judge_requests"))
        paid = Counter(bench.rows("SELECT unit, step FROM judge_requests WHERE result = 'judged'"))
        lost = len(judge.asked) - sum(paid.values())
        assert len(sent) == ANSWERS * STEPS
        assert bench.rows("SELECT sum(calls) FROM judge_days") == [(sum(sent.values()),)]
        assert sum(sent.values()) - KILLS * CONCURRENCY <= len(judge.asked) <= sum(sent.values())
        assert 0 <= lost <= KILLS * CONCURRENCY
        sums = counted(bench)
        assert sums["judgements", "", "judged", "judged"] == 3 * ANSWERS
        assert sums["evaluation", "faithfulness", "evaluated", "fail"] == ANSWERS / 3
        assert bench.rows("SELECT count(*) FROM judgements") == [(3 * ANSWERS,)]
        assert verify(bench.file).differences == []
        # What was paid for is paid for once, unless the runner forgets it.
        assert (set(paid.values()) != {1}) == FAULTS[sabotage]
