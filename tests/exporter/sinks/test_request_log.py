"""Each call that counts has one line, whatever fails on the way."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from inferometer.facts import AgentRun, ErrorType, Outcome, ToolCall, Usage
from inferometer.ledger.high_water import renew
from inferometer.ledger.people import forget
from inferometer.ledger.request_queue import NOTED_TOGETHER
from inferometer.sinks.request_log import RequestLogCondition
from tests.exporter.ledger.making import SECOND, call, ledger_in
from tests.exporter.ledger.shared import gateways
from tests.exporter.sinks.logging_calls import (
    FILE,
    calls_in,
    ids_of,
    lines_of,
    log_of,
    logging_ledger,
)

ROOT = Path(__file__).parents[3]
on_each_store = pytest.mark.usefixtures("each_store")


def trace(number: int) -> bytes:
    return number.to_bytes(16, "big")


@on_each_store
def test_a_call_has_a_line_once_it_is_counted(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call(request_id="req-7", user="ann", response_model="m-2"), ToolCall(
            trace_id=trace(9), span_id=bytes(8), service_name="shop", tool="search"))
        log.turn()
        assert not (tmp_path / FILE).exists()
        bench.wait()
        log.turn()
        (line,) = lines_of(tmp_path / FILE)
        assert line["http"]["request"]["id"] == "req-7"
        assert line["gen_ai"]["request"]["model"] == "m"
        assert line["gen_ai"]["response"]["model"] == "m-2"
        assert line["gen_ai"]["usage"] == {"input_tokens": 100, "cache_read": {
            "input_tokens": 40}, "output_tokens": 20}
        assert line["event"]["duration"] == SECOND // 2
        assert line["service"]["name"] == "shop"
        assert line["user"]["hash"] == bench.file.keys.veil("ann")
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert log.condition() == RequestLogCondition(1, 0, 0)
        log.turn()
        assert len(lines_of(tmp_path / FILE)) == 1


@on_each_store
def test_several_spans_of_one_call_are_one_line_with_what_any_of_them_says(tmp_path: Path) -> None:
    outer = call(trace(1), bytes([1] * 8), scope="langchain", usage=Usage(), request_id="req-1",
                 end=1_700_000_002 * SECOND)
    inner = call(trace(1), bytes([2] * 8), parent_id=outer.span_id, response_id="resp-1",
                 refused=True, streamed=True)
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(outer, inner)
        bench.wait()
        log.turn()
        (line,) = lines_of(tmp_path / FILE)
        assert line["span"]["id"] == outer.span_id.hex()
        assert line["http"]["request"]["id"] == "req-1"
        assert line["gen_ai"]["response"]["id"] == "resp-1"
        assert line["gen_ai"]["usage"]["input_tokens"] == 100
        assert line["llm"]["refusal"] is line["llm"]["streamed"] is True


def test_a_call_that_was_passed_on_has_a_line_for_each_service_and_tokens_in_one(
        tmp_path: Path) -> None:
    asked = call(trace(1), bytes([1] * 8), service_name="shop", response_id="one",
                 end=1_700_000_002 * SECOND)
    passed = call(trace(1), bytes([2] * 8), parent_id=asked.span_id, service_name="proxy",
                  scope="proxy", response_id="one")
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(asked, passed)
        bench.wait()
        log.turn()
        lines = {line["service"]["name"]: line for line in lines_of(tmp_path / FILE)}
        assert {name: line["llm"]["billed"] for name, line in lines.items()} == {
            "shop": True, "proxy": False}
        assert "usage" not in lines["proxy"]["gen_ai"]
        assert sum(line["gen_ai"].get("usage", {}).get("input_tokens", 0)
                   for line in lines.values()) == bench.counters()["input", ""] == 100


def test_tokens_of_a_run_whose_calls_nobody_sent_have_a_line_without_a_call(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(AgentRun(trace_id=trace(1), span_id=bytes([1] * 8), service_name="shop",
                            agent="a", usage=Usage(7, None, None, 3, None), provider="openai",
                            model="m"))
        bench.wait()
        log.turn()
        (line,) = lines_of(tmp_path / FILE)
        assert line["llm"]["calls"] == 0
        assert line["gen_ai"]["request"]["model"] == "m"
        assert line["gen_ai"]["usage"]["input_tokens"] == 7


def test_a_failure_is_told_by_the_words_of_the_contract(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call(outcome=Outcome.REJECTED, error_type=ErrorType.RATE_LIMIT, usage=Usage()))
        bench.wait()
        log.turn()
        (line,) = lines_of(tmp_path / FILE)
        assert (line["event"]["outcome"], line["llm"]["outcome"], line["error"]["type"]) == (
            "failure", "rejected", "rate_limit")


@on_each_store
def test_what_comes_late_has_a_line_and_no_call_has_two(tmp_path: Path) -> None:
    first, second = call(trace(1)), call(trace(1))
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(first)
        bench.wait()
        log.turn()
        bench.send(first, second)
        bench.wait()
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert len(calls_in(bench)) == 2


@on_each_store
def test_many_calls_that_settle_at_once_are_written_in_batches(tmp_path: Path) -> None:
    many = 2 * NOTED_TOGETHER + 7
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(*(call(trace(number)) for number in range(many)))
        bench.wait()
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert log.condition() == RequestLogCondition(many, 0, 0)
        assert bench.rows("SELECT count(*) FROM request_log") == [(0,)]


def test_calls_of_before_there_was_a_log_have_no_line(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call())
        bench.wait()
        assert bench.rows("SELECT count(*) FROM request_log") == [(0,)]


class _Killed(BaseException):
    """The end of the process, as far as a turn sees."""


class _DyingLog:
    """The output or the source of a log, which does not come back from one of its methods."""

    def __init__(self, real: object, method: str, done: bool) -> None:
        self._real, self._method, self._done = real, method, done

    def __getattr__(self, name: str) -> object:
        real = getattr(self._real, name)
        if name != self._method:
            return real

        def die(*values: object) -> None:
            if self._done:
                real(*values)
            raise _Killed

        return die


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("method", ["write", "note_written"])
def test_who_is_killed_at_any_step_writes_each_line_once(tmp_path: Path, method: str, done: bool
                                                         ) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        for number in range(3):
            bench.send(call(trace(number)))
            bench.wait()
            dying = log_of(bench, tmp_path / FILE)
            if method == "write":
                dying._output = _DyingLog(dying._output, method, done)  # type: ignore[assignment]
            else:
                opened = dying._open_source
                dying._open_source = lambda opened=opened: (  # type: ignore[misc,assignment]
                    _DyingLog(opened(), method, done))
            with pytest.raises(_Killed):
                dying.turn()
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert len(calls_in(bench)) == 3


def test_what_was_moved_away_before_its_place_was_kept_has_the_same_id_twice(tmp_path: Path
                                                                             ) -> None:
    """At least once: who ships the lines takes the id as that of a document."""
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call())
        bench.wait()
        source = log._open_source()
        log._open_source = lambda: _DyingLog(  # type: ignore[assignment,return-value]
            source, "note_written", done=False)
        with pytest.raises(_Killed):
            log.turn()
        (tmp_path / FILE).rename(tmp_path / "moved")
        log_of(bench, tmp_path / FILE).turn()
        assert lines_of(tmp_path / FILE) == lines_of(tmp_path / "moved")


def test_a_missing_folder_delays_nothing_is_told_once_and_is_caught_up_with(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with logging_ledger(tmp_path) as (bench, _):
        path = tmp_path / "logs" / FILE
        log = log_of(bench, path)
        log.turn()  # nothing waits: nothing is amiss
        for number in range(3):
            bench.send(call(trace(number)))
            bench.wait()
            with caplog.at_level(logging.ERROR):
                assert not log.loop._failures.contain(log.turn)
        assert log.condition() == RequestLogCondition(0, 3, 3)
        (record,) = caplog.records
        assert vars(record)["why"] == f"{path}: No such file or directory"
        path.parent.mkdir()
        log.turn()
        assert ids_of(path) == calls_in(bench)
        assert log.condition() == RequestLogCondition(3, 0, 3)
        log._close_source()


def test_on_a_full_disk_calls_are_counted_and_their_lines_follow(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace may be made here")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-m", "tests.exporter.sinks.full_disk", tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "3000 calls are counted", "No space left on device", "some lines, each complete",
        "each call has one line"], done.stderr


@on_each_store
def test_forgetting_goes_for_calls_that_wait(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call(user="ann", conversation="talk"))
        bench.wait()
        forget(bench.file, "ann")
        log.turn()
        (line,) = lines_of(tmp_path / FILE)
        assert "user" not in line
        assert line["gen_ai"]["conversation"]["id"] == bench.file.keys.veil("talk")


def test_calls_that_retention_has_deleted_keep_no_others_from_their_lines(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call(trace(1)))
        bench.wait()
        for table in ("facts", "counted"):
            bench.file.connection.execute(f"DELETE FROM {table}")
        bench.send(call(trace(2)))
        bench.wait()
        log.turn()
        assert [line["trace"]["id"] for line in lines_of(tmp_path / FILE)] == [trace(2).hex()]
        assert log.condition() == RequestLogCondition(1, 0, 0)


@on_each_store
def test_what_nobody_writes_is_deleted_with_its_calls(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, _):
        bench.send(call())
        bench.wait()
        bench.ledger.configure(1, 400)
        bench.passed += 3 * 86400
        for _ in range(10):
            bench.ledger._purge()
        assert bench.rows("SELECT count(*) FROM request_log") == [(0,)]


@on_each_store
def test_a_restart_of_the_gateway_goes_on_where_the_log_was(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        for number in range(4):
            bench.send(call(trace(number)))
            bench.wait()
            if number == 1:
                log.turn()
            bench.restart()
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert len(calls_in(bench)) == 4


def test_a_value_that_is_folded_on_metrics_is_told_in_lines(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        name = "s" * 300  # longer than a label may be
        bench.send(call(trace(1), service_name=name), call(trace(2), provider="", request_model=""))
        bench.wait()
        log.turn()
        lines = {line["trace"]["id"]: line for line in lines_of(tmp_path / FILE)}
        assert lines[trace(1).hex()]["service"]["name"] == name
        assert "provider" not in lines[trace(2).hex()]["gen_ai"]


@pytest.mark.usefixtures("in_postgres")
def test_each_gateway_of_a_database_writes_the_calls_that_it_settled(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b", logs_requests=True) as benches:
        logs = [log_of(bench, tmp_path / f"{bench._gateway}.ndjson") for bench in benches]
        benches[0].send(*(call(trace(number)) for number in range(60)))
        for bench in benches:
            bench.wait()
        for log in logs:
            log.turn()
            log._close_source()
        ids = [ids_of(tmp_path / f"{bench._gateway}.ndjson") for bench in benches]
        assert all(ids)
        assert ids[0] + ids[1] == calls_in(benches[0])
        assert sum(map(len, ids)) == 60


def test_a_ledger_that_was_put_back_goes_on_under_its_new_id(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call())
        bench.wait()
        renew(bench.file, tmp_path / "ledger.db")
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)


def test_a_ledger_whose_file_was_removed_and_put_back_goes_on(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call(trace(1)))
        bench.wait()
        log.turn()
        (tmp_path / "ledger.db").unlink()
        bench.send(call(trace(2)))
        bench.wait()
        log.turn()
        assert ids_of(tmp_path / FILE) == calls_in(bench)
        assert len(calls_in(bench)) == 2


def test_a_log_that_is_stopped_begins_nothing_more(tmp_path: Path) -> None:
    with logging_ledger(tmp_path) as (bench, log):
        bench.send(call())
        bench.wait()
        log.stop()
        log.turn()
        assert not (tmp_path / FILE).exists()
        assert log.condition().waiting == 1
