"""Coverage-guided fuzzing of what reads OTLP bodies, from any bytes to settled calls.

    python tests/e2e/fuzz_bodies.py SECONDS CORPUS [json|protobuf|odd|tables]

The corpus is begun with the captured bodies of that encoding; `odd` makes bodies of a right frame,
and `tables` values at the keys that tables read, from the bytes. An exception other than a refusal,
a fact that cannot be written down, or more calls than distinct spans ends it with an exit code.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "exporter")]

with atheris.instrument_imports(include=["inferometer.spans", "inferometer.protobuf"]):
    from inferometer.spans.once import settle
    from tests.exporter.spans import test_hostile_spans as hostile
    from tests.exporter.spans.otlp_strategies import captured, mistaken
    from tests.exporter.spans.test_hostile_spans import check_facts, facts_in

LONGEST = 64 * 1024


def checker(encoding: str) -> Callable[[bytes], None]:
    """What reads one input."""
    def check(data: bytes) -> None:
        facts = facts_in(data, encoding)
        check_facts(facts)
        spans = {(fact.trace_id, fact.span_id) for fact in facts}
        calls = 0
        for trace_id in {trace_id for trace_id, _ in spans}:
            rows = settle([fact for fact in facts if fact.trace_id == trace_id], {}).rows
            calls += sum(row.calls or 0 for row in rows)
        assert calls <= len(spans)
    return check


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Half as libFuzzer would, half by mistakes that a wire or a sender makes."""
    dice = random.Random(seed)
    if not data or dice.random() < 0.5:
        return bytes(atheris.Mutate(data, longest))
    return mistaken(data, dice)[:longest]


def main() -> None:
    seconds, corpus = sys.argv[1], Path(sys.argv[2])
    encoding = sys.argv[3] if len(sys.argv) > 3 else "protobuf"
    made: dict[str, Any] = {
        "odd": hostile.test_a_body_with_anything_in_it_gives_facts_that_can_be_kept,
        "tables": hostile.test_a_table_makes_a_fact_or_none_of_any_value_at_any_key}
    corpus.mkdir(parents=True, exist_ok=True)
    for number, (body, written) in enumerate(captured()):
        if written == encoding and len(body) <= LONGEST:
            (corpus / f"seed-{number}").write_bytes(body)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=10",
                   "-rss_limit_mb=1500", "-len_control=0", f"-artifact_prefix={corpus.parent}/",
                   "-print_final_stats=1", str(corpus)],
                  made[encoding].hypothesis.fuzz_one_input if encoding in made
                  else checker(encoding), custom_mutator=mutated)
    with contextlib.suppress(KeyboardInterrupt):
        atheris.Fuzz()


if __name__ == "__main__":
    main()
