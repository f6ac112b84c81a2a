"""What comes under ids that the ledger has: the same again, or another one, which is counted."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.collector import Deadline
from inferometer.facts import Fact, ModelCall, ToolCall, Usage
from inferometer.ledger.collector import LedgerCollector
from inferometer.ledger.people import forget
from inferometer.threads import REPEATED_LOG_SECONDS
from tests.exporter.ledger.making import TRACE, Bench, call, ledger_in, links

SPAN = b"12345678"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def reused(bench: Bench) -> float:
    """As a scrape has it."""
    families = LedgerCollector(bench.ledger.condition).collect(Deadline(1))
    (value,) = [family.points[()] for family in families
                if family.metric.name == "inferometer_ledger_reused_ids_total"]
    assert isinstance(value, float)
    return value


def one(**fields: object) -> ModelCall:
    return replace(call(span_id=SPAN, user="ann", conversation="c"),
                   **fields)  # type: ignore[arg-type]  # which has any of them


OTHERS = {
    "its tokens": one(usage=Usage(7, output=7)),
    "its end": one(end=one().end + 1),
    "its parent": one(parent_id=b"87654321"),
    "its user": one(user="bob"),
    "its conversation": one(conversation=""),
    "its service": one(service_name="bank"),
    "its kind": ToolCall(TRACE, SPAN, tool="search", user="ann", conversation="c"),
}


@pytest.mark.parametrize("is_settled", [True, False])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_span_under_the_same_ids_is_counted_as_such_and_changes_nothing(
        bench: Bench, other: Fact, is_settled: bool) -> None:
    bench.send(one())
    if is_settled:
        bench.wait()
    bench.send(other)
    bench.wait()
    assert reused(bench) == 1
    assert bench.counters()["ended", "success/"] == 1
    assert bench.counters()["input", ""] == 100
    assert bench.rows("SELECT count(*) FROM facts") == [(1,)]
    assert bench.counters("tool") == {}


def test_the_same_body_again_is_no_other_span(bench: Bench) -> None:
    body = [one(), call(), ToolCall(TRACE, os.urandom(8), tool="search")]
    bench.send(*body)
    bench.send(*body, *body)
    bench.wait()
    bench.send(*body)
    bench.restart()
    bench.send(*body)
    assert reused(bench) == 0


def test_two_under_the_same_ids_in_one_body_are_one_and_another(bench: Bench) -> None:
    bench.send(one(), one(), one(name="other"), call())
    bench.wait()
    assert reused(bench) == 1
    assert bench.counters()["ended", "success/"] == 2


def test_bodies_that_are_written_together_are_held_against_each_other(bench: Bench) -> None:
    done = [bench.ledger.commit([fact], links([fact]), bench.now)
            for fact in (one(), one(name="other"), one())]
    bench.turn()
    assert all(receipt.done() for receipt in done)
    assert reused(bench) == 1


def test_what_is_sent_again_after_its_user_was_forgotten_is_the_same(bench: Bench) -> None:
    bench.send(one())
    bench.wait()
    forget(bench.file, "ann")
    bench.send(one())
    assert reused(bench) == 0


def test_what_another_version_has_packed_is_not_held_against_what_this_one_packs(
        bench: Bench) -> None:
    bench.send(one())
    bench.file.connection.execute("UPDATE facts SET form = 9999, fact = '[]'")
    bench.send(one())
    assert reused(bench) == 0


def test_two_spans_with_one_digest_are_not_the_same(bench: Bench) -> None:
    """The second is lost, as a digest has 64 bits: that it is shows."""
    bench.send(one())
    bench.file.connection.execute("UPDATE facts SET span = x'0000000000000001'")
    bench.send(one())
    assert reused(bench) == 1


def test_what_is_not_committed_is_not_counted(bench: Bench) -> None:
    bench.send(one())
    other = one(name="other")
    bench.file.connection.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON links "
                                  "BEGIN SELECT RAISE(ABORT, 'full'); END")
    done = bench.ledger.commit([other], links([other]), bench.now)
    bench.turn()
    assert done.exception(0)
    assert reused(bench) == 0
    bench.file.connection.execute("DROP TRIGGER full")
    bench.send(other)
    assert reused(bench) == 1


def test_the_log_names_one_of_them_once_in_a_while(
        bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def logged() -> list[tuple[str, int]]:
        return [(record.__dict__["trace"], record.__dict__["times"])
                for record in caplog.records if record.levelno == logging.WARNING]
    bench.send(one())
    for i in range(5):
        bench.send(one(name=f"other {i}"))
    assert logged() == [(TRACE.hex(), 1)]
    bench.passed += REPEATED_LOG_SECONDS
    bench.send(one(name="the last"))
    assert logged()[1:] == [(TRACE.hex(), 5)]
