"""From commit to counters: each call once, whatever comes twice, late or after a crash."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.facts import AgentRun, EngineCall, ErrorType, Outcome, Retrieval, ToolCall, Usage
from inferometer.ledger import ledger as at_work
from inferometer.ledger import settler
from inferometer.ledger.errors import LedgerFullError
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from inferometer.pricing import CallToPrice, PricedCall, PriceSource
from inferometer.spans.once import settle
from tests.exporter.ledger.making import (
    BEGIN,
    SECOND,
    TRACE,
    Bench,
    Stores,
    call,
    ledger_in,
    links,
    opened,
)
from tests.exporter.support import wait_for

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def test_a_call_counts_once_its_trace_is_quiet_and_not_before(bench: Bench) -> None:
    bench.send(call())
    assert bench.counters() == {}
    bench.wait(9)
    assert bench.counters() == {}
    bench.wait(2)
    assert bench.counters()["ended", "success/"] == 1
    assert bench.counters()["input", ""] == 100
    assert bench.counters()["cached", ""] == 40
    assert bench.counters()["output", ""] == 20
    assert bench.counters()["duration", "0.5"] == 1
    assert bench.counters()["duration", "sum"] == SECOND // 2


def test_what_is_committed_is_in_the_file_before_it_is_acknowledged(bench: Bench) -> None:
    one = call()
    done = bench.ledger.commit([one], links([one]), bench.now)
    assert not done.done()
    bench.turn()
    assert done.done()
    assert bench.rows("SELECT trace, span, state FROM facts") == [(TRACE, one.span_id, 0)]


def test_the_same_span_again_changes_nothing(bench: Bench) -> None:
    one = call()
    bench.send(one, one)
    bench.send(one)
    bench.wait()
    bench.send(one)
    bench.wait()
    bench.send(replace(one, usage=Usage(7, output=7)))
    bench.wait()
    assert bench.counters()["ended", "success/"] == 1
    assert bench.counters()["input", ""] == 100
    assert verify(bench.file).differences == []


def test_each_span_that_comes_keeps_its_trace_open(bench: Bench) -> None:
    for _ in range(3):
        bench.send(call())
        bench.wait(6)
    assert bench.counters() == {}
    bench.wait(5)
    assert bench.counters()["ended", "success/"] == 3


def test_a_trace_that_is_never_quiet_is_settled_after_a_minute(bench: Bench) -> None:
    for _ in range(13):
        bench.send(call())
        bench.wait(5)
    assert bench.counters()["ended", "success/"] >= 12
    bench.wait()
    assert bench.counters()["ended", "success/"] == 13


def test_what_was_pending_at_a_crash_settles_after_the_next_start(bench: Bench) -> None:
    bench.send(call(), call())
    bench.restart()
    bench.send(call())
    assert bench.counters() == {}
    bench.wait()
    assert bench.counters()["ended", "success/"] == 3
    assert bench.counters()["input", ""] == 300


def test_ancestry_through_a_span_that_is_no_fact_outlives_a_crash(bench: Bench) -> None:
    """A wrapper's usage restates its call's, also where only a plain span tells of both."""
    plain = os.urandom(8)
    outer = AgentRun(trace_id=TRACE, span_id=os.urandom(8), usage=Usage(100, output=20),
                     service_name="shop", start=BEGIN, end=BEGIN + SECOND)
    inner = call(parent_id=plain)
    bench.send(more_links={TRACE: plain + outer.span_id})
    bench.restart()
    bench.send(inner)
    bench.restart()
    bench.send(outer)
    bench.wait()
    assert bench.counters()["input", ""] == 100
    assert bench.counters()["ended", "success/"] == 1


def test_a_wrapper_that_comes_long_after_its_call_adds_no_tokens(bench: Bench) -> None:
    plain, top = os.urandom(8), os.urandom(8)
    bench.send(call(parent_id=plain), more_links={TRACE: plain + top})
    bench.wait(100)
    bench.send(AgentRun(trace_id=TRACE, span_id=top, usage=Usage(100, output=20), agent="a",
                        service_name="shop", start=BEGIN, end=BEGIN + 100 * SECOND))
    bench.wait()
    assert bench.counters()["input", ""] == 100
    assert bench.counters("run")["ended", "success"] == 1


def test_links_that_come_after_their_trace_was_settled_are_kept_with_it(bench: Bench) -> None:
    plain, top = os.urandom(8), os.urandom(8)
    bench.send(call(parent_id=plain))
    bench.wait()
    bench.send(more_links={TRACE: plain + top})
    bench.wait()
    bench.send(AgentRun(trace_id=TRACE, span_id=top, usage=Usage(100, output=20), agent="a",
                        service_name="shop", start=BEGIN, end=BEGIN + 100 * SECOND))
    bench.wait()
    assert bench.counters()["input", ""] == 100


def test_a_late_twin_is_linked_and_not_counted_again(bench: Bench) -> None:
    one = call(response_id="r")
    twin = replace(one, span_id=os.urandom(8), scope="langchain")
    bench.send(one)
    bench.wait()
    bench.send(twin)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 1
    assert bench.counters()["input", ""] == 100
    assert bench.rows("SELECT DISTINCT counted FROM facts") == bench.rows(
        "SELECT min(seq) FROM facts")


def test_a_call_that_turns_out_late_to_hold_others_is_no_further_call(bench: Bench) -> None:
    outer = call(usage=Usage(200, output=40), end=BEGIN + 10 * SECOND)
    inner = [call(parent_id=outer.span_id, start=BEGIN + i * SECOND,
                  end=BEGIN + i * SECOND + SECOND // 2) for i in (1, 2)]
    bench.send(outer)
    bench.wait()
    bench.send(*inner)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert bench.counters()["input", ""] == 200
    assert bench.counters()["output", ""] == 40
    assert verify(bench.file).differences == []


def test_two_services_that_pass_a_call_on_have_a_request_each_and_its_tokens_once(
        bench: Bench) -> None:
    outer = call()
    inner = call(parent_id=outer.span_id, service_name="proxy", response_id="r",
                 start=BEGIN + 1000, end=BEGIN + SECOND // 3)
    bench.send(outer, inner)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert bench.counters()["input", ""] == 100
    seats = {(labels[4], name): value for (seat, name, _), value in
             bench.ledger.reading().counters.items()
             for labels in [bench.ledger.reading().seats[seat]] if name in ("ended", "input")}
    assert seats == {("shop", "ended"): 1, ("shop", "input"): 100, ("proxy", "ended"): 1}


def test_a_second_service_that_comes_late_has_its_request_and_no_tokens(bench: Bench) -> None:
    outer = call(response_id="r")
    inner = call(parent_id=outer.span_id, service_name="proxy", response_id="r",
                 start=BEGIN + 1000, end=BEGIN + SECOND // 3)
    bench.send(inner)
    bench.wait()
    bench.send(outer)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert bench.counters()["input", ""] == 100


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("first", ["shop", "proxy"])
def test_a_proxy_without_the_callers_trace_has_its_requests_and_no_tokens(
        bench: Bench, first: str, restarted: bool) -> None:
    calls = {"shop": call(response_id="r"),
             "proxy": call(b"p" * 16, service_name="proxy", scope="litellm", response_id="r",
                           start=BEGIN + 1000, end=BEGIN + SECOND // 3)}
    bench.send(calls.pop(first))
    bench.wait()
    if restarted:
        bench.restart()
    bench.send(*calls.values())
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert bench.counters()["input", ""] == 100
    assert verify(bench.file).differences == []


@pytest.mark.parametrize("other", [
    {"service_name": "shop"},  # the same application, asked twice
    {"response_id": "s"},
    {"usage": Usage(101, output=20)},
    {"start": BEGIN + 60 * SECOND, "end": BEGIN + 61 * SECOND},
])
def test_a_call_in_another_trace_is_another_one_unless_all_agrees(
        bench: Bench, other: dict[str, object]) -> None:
    bench.send(call(response_id="r"))
    bench.send(call(b"p" * 16, b"", **{"service_name": "proxy", "response_id": "r", **other}))
    bench.wait()
    assert bench.counters()["output", ""] == 40


def test_tokens_of_a_proxy_are_not_counted_again_after_one_that_could_not_be_written(
        bench: Bench) -> None:
    bench.send(call(response_id="r"))
    bench.send(call(b"p" * 16, service_name="proxy", response_id="r"))
    with bench.full("counted"), pytest.raises(Exception, match="full"):
        bench.wait()
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert bench.counters()["input", ""] == 100


@pytest.mark.parametrize("first", ["call", "engine"])
def test_an_engines_view_in_a_trace_of_its_own_is_joined_by_the_response(
        bench: Bench, first: str) -> None:
    one = call(response_id="chatcmpl-1")
    engine = EngineCall(trace_id=bytes(16), span_id=os.urandom(8), response_id="chatcmpl-1",
                        queue=0.1, prefill=0.2, decode=0.3, service_name="vllm")
    for fact in (one, engine) if first == "call" else (engine, one):
        bench.send(fact)
        bench.wait()
    assert bench.rows("SELECT queue, prefill, decode FROM counted") == [
        (SECOND // 10, SECOND // 5, 3 * SECOND // 10)]
    assert bench.counters()["ended", "success/"] == 1
    assert bench.counters()["input", ""] == 100
    assert verify(bench.file).differences == []


def test_tokens_that_nobody_knows_are_counted_as_missing_and_never_as_0(bench: Bench) -> None:
    bench.send(call(usage=Usage()), call(usage=Usage(5, output=5, estimated=True)),
               call(usage=Usage(0, output=0)),
               call(usage=Usage(), outcome=Outcome.REJECTED, error_type=ErrorType.RATE_LIMIT))
    bench.wait()
    assert bench.counters()["usage_missing", ""] == 2
    assert ("input", "") not in bench.counters()
    assert bench.counters()["ended", "rejected/rate_limit"] == 1


def test_numbers_that_cannot_be_are_unknown_and_break_nothing(bench: Bench) -> None:
    bench.send(call(usage=Usage(2**70, output=-1), time_to_first_token=float("nan"),
                    end=BEGIN + 2**70),
               call(usage=Usage(5, output=2**62), request_model="\0\ud800" * 500))
    bench.wait()
    assert bench.counters()["input", ""] == 5
    assert bench.counters()["usage_missing", ""] == 1
    assert ("first_token", "sum") not in bench.counters()


def test_tools_and_searches_are_counted_beside_calls(bench: Bench) -> None:
    common = {"trace_id": TRACE, "service_name": "shop", "start": BEGIN, "end": BEGIN + SECOND}
    bench.send(
        ToolCall(span_id=os.urandom(8), tool="weather", **common),  # type: ignore[arg-type]
        Retrieval(span_id=os.urandom(8), documents=0, **common),  # type: ignore[arg-type]
        Retrieval(span_id=os.urandom(8), **common | {  # type: ignore[arg-type]
            "start": BEGIN + 2 * SECOND, "end": BEGIN + 3 * SECOND}))
    bench.wait()
    assert bench.counters("tool") == {("ended", "success"): 1}
    assert bench.counters("retrieval") == {
        ("ended", "success"): 2, ("result", "empty"): 1, ("result", "unknown"): 1,
        ("searched", "1.0"): 2, ("searched", "sum"): 2 * SECOND, ("retrieved", "0.0"): 1}


def test_a_sender_whose_clock_is_off_is_counted_by_arrival_and_noted(bench: Bench) -> None:
    off = bench.now - 601 * SECOND
    bench.send(call(start=off - SECOND, end=off), call(start=bench.now - SECOND, end=bench.now))
    bench.wait()
    assert bench.ledger.condition().skewed == 1
    assert bench.rows("SELECT DISTINCT hour FROM rollups") == [(bench.began // (3600 * SECOND),)]


def test_users_and_conversations_are_never_in_the_file(bench: Bench) -> None:
    bench.send(call(user="alice@example.com", conversation="thread-1"))
    bench.wait()
    content = bench.content()
    assert b"alice" not in content
    assert b"thread-1" not in content
    assert bench.rows('SELECT "user", conversation FROM counted') == [
        (bench.file.keys.veil("alice@example.com"), bench.file.keys.veil("thread-1"))]


def test_a_name_that_is_forgotten_while_its_facts_are_pending_is_in_no_row(bench: Bench) -> None:
    trace_id = os.urandom(16)
    bench.send(call(user="alice", conversation="thread-1"), call(trace_id, user="bob"))
    forget(bench.file, "alice")
    forget(bench.file, "thread-1")
    bench.send(call(user="alice"))  # of a trace that she was in before
    bench.wait()
    bench.send(call(os.urandom(16), user="alice"))
    bench.wait()
    bob, alice = bench.file.keys.veil("bob"), bench.file.keys.veil("alice")
    assert bench.rows('SELECT "user", conversation FROM counted ORDER BY seq') == [
        (None, None), (bob, None), (None, None), (alice, None)]
    assert sorted(bench.rows('SELECT "user", sum(ended) FROM rollups GROUP BY 1')) == sorted([
        ("", 2), (bob, 1), (alice, 1)])
    assert verify(bench.file).differences == []
    bench.turn()
    assert bench.rows("SELECT name FROM forgotten") == []


def test_a_commit_that_fails_says_so_and_leaves_nothing_behind(bench: Bench) -> None:
    many = [call(name="x" * 1000) for _ in range(200)]
    with bench.full("facts"):
        done = bench.ledger.commit(many, links(many), bench.now)
        bench.turn()
    assert "full" in str(done.exception(0))
    bench.wait()
    assert bench.counters() == {}
    bench.send(*many)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 200


def test_a_body_that_cannot_be_written_keeps_no_other_from_it(bench: Bench) -> None:
    bodies = [[call()], [call(name=b"no text")], [call()]]
    waiting = [bench.ledger.commit(body, {}, bench.now) for body in bodies]
    bench.turn()
    assert [done.exception(0) is None for done in waiting] == [True, False, True]
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2
    assert verify(bench.file).differences == []


def test_who_leaves_while_waiting_changes_nothing(bench: Bench) -> None:
    _left, stayed = (bench.ledger.commit([call()], {}, bench.now) for _ in range(2))
    bench.turn()
    stayed.result(0)
    bench.wait()
    assert bench.counters()["ended", "success/"] == 2


def test_a_trace_that_cannot_be_settled_holds_up_no_other(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:

    def broken(facts: object, parents: object) -> object:
        if facts[0].trace_id != TRACE:  # type: ignore[index]
            raise ZeroDivisionError
        return settle(facts, parents)  # type: ignore[arg-type]

    monkeypatch.setattr(settler, "settle", broken)
    bench.send(call(), call(bytes(16)))
    bench.wait()
    assert bench.counters()["ended", "success/"] == 1
    assert bench.ledger.condition().failed == 1
    assert bench.rows("SELECT state FROM facts ORDER BY seq") == [(1,), (2,)]


def test_of_a_trace_whose_second_call_cannot_be_priced_nothing_is_counted(tmp_path: Path) -> None:
    def pricing(asked: CallToPrice) -> PricedCall:
        if asked.call.model == "odd":
            raise ZeroDivisionError
        return PricedCall(PriceSource.HOSTED, 5)

    with ledger_in(tmp_path, pricing=pricing) as bench:
        bench.send(call(), call(request_model="odd", start=BEGIN + SECOND, end=BEGIN + 2 * SECOND),
                   call(bytes(16)))
        bench.wait()
        assert bench.counters()["ended", "success/"] == 1
        assert bench.counters()["cost", ""] == 5
        assert bench.ledger.condition().failed == 1
        assert bench.rows("SELECT state FROM facts ORDER BY seq") == [(2,), (2,), (1,)]
        assert verify(bench.file).differences == []


def test_facts_are_pending_until_they_are_counted(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def full(*rows: object) -> object:
        seen.append(bench.ledger.condition().pending)
        raise OSError("the disk is full")

    bench.send(call(), call(bytes(16)))
    monkeypatch.setattr(settler, "write_rows", full)
    with pytest.raises(OSError, match="full"):
        bench.wait()
    monkeypatch.undo()
    assert (seen, bench.ledger.condition().pending, bench.counters()) == ([2], 2, {})
    bench.wait()
    assert bench.ledger.condition().pending == 0
    assert bench.counters()["ended", "success/"] == 2


def test_when_too_much_is_pending_nothing_more_is_taken(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_work, "MOST_PENDING", 2)
    bench.send(call(), call())
    with pytest.raises(LedgerFullError):
        bench.ledger.commit([call()], {}, bench.now)
    bench.wait()
    bench.send(call())


def test_its_own_thread_commits_settles_and_ends(tmp_path: Path) -> None:
    Stores.make(tmp_path)
    ledger = LedgerWriter(opened(tmp_path), settle_seconds=0.2)
    ledger.loop.start()
    ones = [call(os.urandom(16)) for _ in range(50)]
    for done in [ledger.commit([one], links([one]), time.time_ns()) for one in ones]:
        done.result(10)
    wait_for(lambda: ledger.reading().counters)
    assert sum(value for (_, name, _), value in ledger.reading().counters.items()
               if name == "ended") == 50
    ledger.stop(10)
    with pytest.raises(LedgerFullError):
        ledger.commit([], {}, 0)
