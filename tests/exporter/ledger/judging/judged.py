"""A ledger whose answers are judged by a judge of known errors, as tests have them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from inferometer.evaluations import ANSWER_RELEVANCE, FAITHFULNESS, REFUSAL
from inferometer.facts import ModelCall, Retrieval
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.judging.queue import PriceTokens, RequestPrice
from inferometer.ledger.judging.runner import JudgeRunner, JudgeTerms
from inferometer.ledger.opening import open_beside
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.prompted import PromptedJudge
from tests.exporter.ledger.making import Bench, call, section
from tests.scripted_judge import ScriptedJudge

ALL = DailyLimits(1.0, 100.0, 100_000)  # of traces
EVALUATIONS = (FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL)
BAD = "It is unfounded that the harbour has nine cranes."
GOOD = "The harbour has two cranes."
QUESTION = "How many cranes has the harbour?"
DOCUMENT = "The harbour of the town has two cranes and a lighthouse, which is closed in winter."
Parts = dict[tuple[str, str, str, str], int]


def answered(answer: str, question: str = QUESTION, trace_id: bytes = b"", **fields: Any
             ) -> tuple[Retrieval, ModelCall]:
    """A trace: a search, and a call that answers with what it brought."""
    trace = trace_id or os.urandom(16)
    search = Retrieval(
        trace_id=trace, span_id=os.urandom(8), service_name="shop", start=1, end=2, documents=1,
        content={"gen_ai.retrieval.documents": json.dumps([{"content": DOCUMENT}])})
    messages = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
    reply = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    return search, call(trace_id=trace, content={
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps(reply)}, **fields)


def send(bench: Bench, answer: str, **fields: Any) -> ModelCall:
    """Have one committed and settled; its call."""
    facts = answered(answer, **fields)
    bench.send(*facts)
    return facts[1]


def settle(bench: Bench) -> None:
    """Have all settled that came, and known to have."""
    bench.wait()
    bench.ledger._pending.tidy()
    bench.passed += 61.0  # in which what others take in is committed


@contextmanager
def runner(bench: Bench, judge: ScriptedJudge, limits: DailyLimits = ALL,
           evaluations: Collection[str] = EVALUATIONS, price: PriceTokens | None = None,
           gateway: str = "gateway", seconds: float = 5.0) -> Iterator[JudgeRunner]:
    """What judges for it, with the test's clock."""
    client = JudgeClient(JudgeEndpoint(judge.url, "judge-model", timeout=seconds),
                         bench.file.keys.judge_trace)
    made = JudgeRunner(
        lambda: open_beside(section(bench.folder, gateway)),
        JudgeTerms(PromptedJudge("judge-model"), evaluations, client.send,
                   price or (lambda tokens, output, now: RequestPrice(1000, True)), 1, seconds),
        limits, lambda: bench.now)
    try:
        yield made
    finally:
        made.close()


def judge_all(runner: JudgeRunner) -> int:
    """Choose and judge until nothing is due; how many answers."""
    runner.choose()
    number = 0
    while runner.judge_next():
        number += 1
    return number


def counted(bench: Bench) -> Parts:
    """Counters of judging: by kind, evaluation, name and part, over all services and models."""
    sums: Parts = {}
    with bench.file.snapshot():
        reading = counters.read(bench.file)
    for (seat, name, part), value in reading.counters.items():
        kind, *_, evaluation = reading.seats[seat]
        key = kind, evaluation, name, part
        sums[key] = sums.get(key, 0) + value
    return sums
