"""What it takes to read the answer of a call: of captured instrumentations, and of hostile schemas.

    python -m bench.answers [TIMES]

prints CPU time for a call: what decoding its span costs by itself, and what its answer takes beside
that; then the longest that one call with a hostile schema took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from inferometer.facts import Fact, ModelCall
from inferometer.quality.verdicts import judged, verdict_of
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from inferometer.spans.reader import Wishes
from tests.exporter.spans.bodies import FOLDERS, bodies

TIMES = 20
_WISHES = Wishes(answers=True)


def main() -> int:
    """Measure and print."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    print(f"{'captured':45}{'calls':>6}{'read':>6}{'span, µs':>10}{'answer, µs':>12}")
    total = answered = 0
    spent = 0.0
    for folder in FOLDERS:
        facts = _facts(folder)
        calls = [fact for fact in facts if isinstance(fact, ModelCall) and fact.content]
        if not (read := sum(verdict_of(call).is_read for call in calls)):
            continue
        plain = _seconds(partial(_facts, folder), times)
        own = _seconds(partial(judged, calls), times)
        total, answered, spent = total + len(calls), answered + read, spent + own
        print(f"{folder:45}{len(calls):6}{read:6}{plain / len(facts) * 1e6:10.0f}"
              f"{own / len(calls) * 1e6:12.0f}")
    print(f"{'all':45}{total:6}{answered:6}{'':10}{spent / total * 1e6:12.0f}")
    for name, call in _hostile().items():
        longest = _seconds(partial(judged, [call]), 3)
        print(f"hostile: {name:36}{longest * 1e3:8.1f} ms")
    return 0


def _facts(folder: str) -> list[Fact]:
    return [fact for body, encoding in bodies(folder)
            for span in decode_traces(body, encoding, answers=True).spans
            if (fact := facts_of(span, _WISHES)) is not None]


def _seconds(work: Callable[[], object], times: int) -> float:
    """CPU seconds of this thread, of the quickest of several goes."""
    best = float("inf")
    for _ in range(times):
        begin = time.thread_time()
        work()
        best = min(best, time.thread_time() - begin)
    return best


def _hostile() -> Mapping[str, ModelCall]:
    doubling = {f"l{level}": {"allOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2}
                for level in range(60)} | {"l60": {}}
    return {
        "alternatives that double 60 times": _asking(
            {"$defs": doubling, "$ref": "#/$defs/l0"}, "1"),
        "a circle of references": _asking({"$ref": "#"}, "1"),
        "a pattern that goes back and back": _asking({"pattern": "(a+)+$"}, f'"{"a" * 100}!"'),
        "the slowest pattern that is tried": _asking({"pattern": "a*a*b"}, f'"{"a" * 128}"'),
        "200 KiB of an answer, 100 alternatives": _asking(
            {"items": {"anyOf": [*[{"type": "null"}] * 100, {}]}},
            json.dumps(["x" * 20] * 9_000)),
        "an answer of 250 KiB that is no JSON": _asking({}, "[" + "1," * 125_000),
    }


def _asking(schema: object, text: str) -> ModelCall:
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    message = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return ModelCall(trace_id=bytes(16), span_id=bytes(8), operation="chat", content={
        "output.value": json.dumps(message),
        "llm.invocation_parameters": json.dumps({"response_format": form})})


if __name__ == "__main__":
    raise SystemExit(main())
