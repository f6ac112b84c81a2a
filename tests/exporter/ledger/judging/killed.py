"""A process that judges for a ledger until it is killed.

`python -m tests.exporter.ledger.judging.killed FOLDER URL SECONDS [--sabotage forgets]`: sabotaged
it does not look for replies that were paid for before, as no runner may.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.judging.queue import JudgeQueue, QueuedUnit, RequestPrice
from inferometer.ledger.judging.runner import JudgeRunner, JudgeTerms
from inferometer.ledger.keys import read_keys
from inferometer.ledger.opening import open_beside
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.interface import JudgeReply
from inferometer.quality.judge.prompted import PromptedJudge
from tests.exporter.ledger.judging.judged import EVALUATIONS
from tests.exporter.ledger.making import section

CONCURRENCY = 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--sabotage", choices=["forgets"])
    options = parser.parse_args()
    if options.sabotage:
        def forgotten(self: JudgeQueue, unit: QueuedUnit, step: str) -> JudgeReply | None:
            return None

        JudgeQueue.reply_to = forgotten  # type: ignore[method-assign]  # it is to be wrong
    client = JudgeClient(JudgeEndpoint(options.url, "judge-model", timeout=options.seconds),
                         read_keys(options.folder / "ledger.key").judge_trace)
    runner = JudgeRunner(
        lambda: open_beside(section(options.folder)),
        JudgeTerms(PromptedJudge("judge-model"), EVALUATIONS, client.send,
                   lambda tokens, output, now: RequestPrice(1000, True), CONCURRENCY,
                   options.seconds), DailyLimits(1.0, 100.0, 100_000))
    for loop in runner.loops():
        loop.start()
    print("ready", flush=True)
    while True:
        time.sleep(1.0)  # until it is killed


if __name__ == "__main__":
    main()
