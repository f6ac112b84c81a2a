"""What it takes to read the answer of a call, and to look at it: of captured instrumentations, of
an answer from documents, and of what is hostile.

    python -m bench.answers [TIMES]

prints CPU time for a call: what decoding its span costs by itself, what reading its answer takes
beside that, and what all checks of it take; then the same of an answer from five documents, and the
longest that one hostile call took.
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
_WISHES = Wishes(answers=True, sources=True)
# A page of a manual, of which five are given to a model.
_PAGE = ("The pump P-{n} delivers {n}50 litres a minute at 3.5 bar and draws {n},100 W. Its seal "
         "is changed after 12,000 hours, or 24 months. {filler}For parts call +49 30 123-45{n}0, "
         "or write to parts{n}@pumps.example. ")
_FILLER = ("Before any work on it the motor is switched off and locked, and nobody but trained "
           "people opens the housing while it is warm. ") * 7


def main() -> int:
    """Measure and print."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    print(f"{'captured':45}{'calls':>6}{'read':>6}{'span, µs':>10}{'answer, µs':>12}"
          f"{'checks, µs':>12}")
    total = answered = 0
    spent = looked = 0.0
    for folder in FOLDERS:
        facts = _facts(folder)
        calls = [fact for fact in facts if isinstance(fact, ModelCall) and fact.content]
        if not (read := sum(verdict_of(call).is_read for call in calls)):
            continue
        plain = _seconds(partial(_facts, folder), times)
        own = _seconds(partial(judged, calls, checks=()), times)
        checks = _seconds(partial(judged, calls), times) - own
        total, answered = total + len(calls), answered + read
        spent, looked = spent + own, looked + checks
        print(f"{folder:45}{len(calls):6}{read:6}{plain / len(facts) * 1e6:10.0f}"
              f"{own / len(calls) * 1e6:12.0f}{checks / len(calls) * 1e6:12.0f}")
    print(f"{'all':45}{total:6}{answered:6}{'':10}{spent / total * 1e6:12.0f}"
          f"{looked / total * 1e6:12.0f}")
    for name, call in from_documents().items():
        own = _seconds(partial(judged, [call], checks=()), 10 * times)
        checks = _seconds(partial(judged, [call]), 10 * times) - own
        print(f"{name:45}{1:6}{1:6}{'':10}{own * 1e6:12.0f}{checks * 1e6:12.0f}")
    for name, call in _hostile().items():
        longest = _seconds(partial(judged, [call]), 3)
        print(f"hostile: {name:36}{longest * 1e3:8.1f} ms")
    return 0


def _facts(folder: str) -> list[Fact]:
    return [fact for body, encoding in bodies(folder)
            for span in decode_traces(body, encoding, answers=True, sources=True).spans
            if (fact := facts_of(span, _WISHES)) is not None]


def _seconds(work: Callable[[], object], times: int) -> float:
    """CPU seconds of this thread, of the quickest of several goes."""
    best = float("inf")
    for _ in range(times):
        begin = time.thread_time()
        work()
        best = min(best, time.thread_time() - begin)
    return best


def from_documents() -> Mapping[str, ModelCall]:
    """Calls with five pages in their prompts: answers that are in these, and one that is not."""
    prompt = "Answer from these pages.\n\n" + "\n\n".join(
        f"[{n}] {_PAGE.format(n=n, filler=_FILLER)}" for n in range(1, 6)) + "\n\nWhich pump?"
    good = ("P-3 delivers 350 litres a minute at 3.5 bar [3], and draws 3,100 W. Its seal is "
            "changed after 12000 hours, as that of P-4 is [4]. “Before any work on it the motor is "
            "switched off and locked”. Parts are at +49 30 123-4530, or from parts3@pumps.example.")
    bad = good.replace("350 litres", "365 litres").replace("12000", "13000")
    return {f"from {len(prompt):,} characters: {name}": ModelCall(
        trace_id=bytes(16), span_id=bytes(8), operation="chat", content={
            "gen_ai.input.messages": _message("user", prompt),
            "gen_ai.output.messages": _message("assistant", answer)})
        for name, answer in (("supported", good), ("not", bad))}


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


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
        **{f"250,000 characters of {text!r}": ModelCall(
            trace_id=bytes(16), span_id=bytes(8), operation="chat", content={
                "gen_ai.input.messages": _message(
                    "user", f"Context: {text * (250_000 // len(text))}"),
                "gen_ai.output.messages": _message("assistant", f"{text * 20_000} 330 [7]")})
           for text in ("1 ", "+1", "[1,", "12:", "a@", "“", "(123) ", "aaaa")},
    }


def _asking(schema: object, text: str) -> ModelCall:
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    message = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return ModelCall(trace_id=bytes(16), span_id=bytes(8), operation="chat", content={
        "output.value": json.dumps(message),
        "llm.invocation_parameters": json.dumps({"response_format": form})})


if __name__ == "__main__":
    raise SystemExit(main())
