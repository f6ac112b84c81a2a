"""Judges units by Ragas, in the environment that has it: JSON in, JSON out.

    python -m tests.e2e.ragas.judging URL MODEL < units.json
"""

from __future__ import annotations

import json
import os
import sys

from inferometer.config.judge import RAGAS
from inferometer.evaluations import JUDGED
from inferometer.quality.judge.choice import judge_of
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.interface import JudgeUnit


def main(url: str, model: str) -> None:
    judge = judge_of(model, RAGAS)
    client = JudgeClient(JudgeEndpoint(url, model), lambda: os.urandom(16))
    json.dump({
        "version": judge.version.prompts,
        "verdicts": [[one._asdict() for one in judge.judge(JudgeUnit(**unit), JUDGED, client.send)]
                     for unit in json.load(sys.stdin)]}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:3])
