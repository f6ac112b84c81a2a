"""Who is killed while judging doubles neither call nor verdict."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
SECONDS = 20.0  # for a call
LATENCY = 0.1


@contextmanager
def judging(bench: Bench, judge: ScriptedJudge, sabotage: str = "") -> Iterator[None]:
    """A process that judges, until it is killed."""
    command = [sys.executable, "-m", "tests.exporter.ledger.judging.killed", str(bench.folder),
               judge.url, str(SECONDS), *(["--sabotage", sabotage] if sabotage else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            process.kill()


def kill_often(bench: Bench, judge: ScriptedJudge, sabotage: str = "") -> None:
    """Have answers judged, and whoever does so killed on the way."""
    bench.began -= int(300e9)  # so that all of it has settled by the clock of the process
    for number in range(ANSWERS):
        send(bench, f"{BAD if number % 3 == 0 else GOOD} {number}")
    settle(bench)
    draw = random.Random(os.getpid())
    for _ in range(KILLS):
        # However late the kill is, what is on its way then waits for a reply.
        judge.most = most = len(judge.asked) + draw.randint(5, 8)
        with judging(bench, judge, sabotage):
            wait_for(lambda: len(judge.asked) > most, 120.0, 0.005)  # noqa: B023 - in its turn
        make_due(bench, 0.0)
    judge.most = None


def make_due(bench: Bench, seconds: float) -> None:
    """As if so much time had gone by that all that is due later than in so many seconds is due,
    and before all else.
    """
    bench.file.connection.execute(f"UPDATE judged_units SET due = 1 WHERE state = 0 "
                                  f"AND due > {time.time_ns() + int(seconds * 1e9)}")


def is_done(bench: Bench) -> bool:
    make_due(bench, SECONDS + queue.SPARE_SECONDS + 5)  # what was put back, and nobody has
    return bench.rows("SELECT count(*) FROM judged_units WHERE state = 1") == [(ANSWERS,)]


def paid(bench: Bench) -> Counter[object]:
    """Replies by answer and step."""
    return Counter(bench.rows("SELECT unit, step FROM judge_requests WHERE result = 'judged'"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


@pytest.mark.usefixtures("each_store")
def test_kills_while_judging_double_neither_call_nor_verdict(bench: Bench) -> None:
    with ScriptedJudge(latency=LATENCY) as judge:
        kill_often(bench, judge)
        with judging(bench, judge):
            wait_for(lambda: is_done(bench), 120.0, 0.5)
        assert set(paid(bench).values()) == {1}
        # Who was killed twice while the same request was on its way, has no verdict by it.
        lost = {(unit, str(step).partition(".")[0]) for unit, step in bench.rows(
            "SELECT unit, step FROM judge_requests WHERE result IS NULL "
            "GROUP BY unit, step HAVING count(*) > 1")}
        verdicts = Counter(one for (one,) in bench.rows("SELECT result FROM judgements"))
        assert verdicts == Counter(judged=3 * ANSWERS - len(lost), failed=len(lost))
        assert counted(bench)["judgements", "", "judged", "judged"] == verdicts["judged"]
        ((sent,),) = bench.rows("SELECT count(*) FROM judge_requests")
        assert bench.rows("SELECT sum(calls) FROM judge_days") == [(sent,)]
        assert isinstance(sent, int)
        assert sent - KILLS * CONCURRENCY <= len(judge.asked) <= sent
        assert len(judge.asked) - len(paid(bench)) <= KILLS * CONCURRENCY
        assert verify(bench.file).differences == []


def test_the_drill_notices_who_forgets_what_was_paid_for(bench: Bench) -> None:
    with ScriptedJudge(latency=LATENCY) as judge:
        kill_often(bench, judge, "forgets")
        assert max(paid(bench).values()) > 1
