"""`inferometer ledger`, on a ledger with calls of two services and two users."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.facts import AgentRun, ToolCall, Usage
from inferometer.pricing import NANO, CallToPrice, PricedCall, PriceSource
from tests.exporter.ledger.making import BEGIN, SECOND, TRACE, Bench, call, ledger_in

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        agent = AgentRun(trace_id=TRACE, span_id=os.urandom(8), agent="helper", name="helper",
                         service_name="shop", start=BEGIN, end=BEGIN + 9 * SECOND)
        bench.send(
            agent, call(parent_id=agent.span_id, user="alice", conversation="t1"),
            ToolCall(trace_id=TRACE, span_id=os.urandom(8), parent_id=agent.span_id, tool="search",
                     name="search", service_name="shop", start=BEGIN + SECOND,
                     end=BEGIN + 2 * SECOND, content={"arguments": '{"q": "shoes"}'}),
            call(bytes(16), user="bob", service_name="other", request_model="big"),
            call(bytes(15) + b"\1", user="bob", service_name="other", request_model="big"))
        bench.wait()
        bench.send(call(bytes(15) + b"\2"))
        yield bench


@pytest.fixture
def ask(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*arguments: object) -> tuple[int, str, str]:
        # First: of a flag that is given twice the last one holds.
        code = cli.main(["ledger", "--ledger", str(bench.folder / "ledger.db"), "--key-file",
                         str(bench.folder / "ledger.key"), *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err
    return asked


def test_top_shows_who_used_most_and_what_is_not_settled_yet(ask: Ask) -> None:
    code, printed, complaint = ask("top")
    assert (code, complaint) == (0, "")
    head, first, second, foot = printed.splitlines()
    assert head.split() == ["model", "requests", "success", "input", "cached", "output",
                            "within", "limits", "mean", "duration", "seconds"]
    assert first.split() == ["big", "2", "2", "200", "80", "40", "2", "0.500"]
    assert second.split() == ["m", "1", "1", "100", "40", "20", "1", "0.500"]
    assert foot.endswith("; 1 facts not settled yet.")


def test_top_is_for_programs_too(ask: Ask) -> None:
    answer = json.loads(ask("top", "--by", "service", "--format", "json")[1])
    assert (answer["by"], answer["pending"]) == ("service", 1)
    assert [(row["service"], row["requests"], row["tool_calls"], row["agent_runs"])
            for row in answer["rows"]] == [("other", 2, 0, 0), ("shop", 1, 1, 1)]
    rows = [*csv.DictReader(io.StringIO(ask("top", "--by", "tool", "--format", "csv")[1]))]
    assert [(row["tool"], row["tool_calls"]) for row in rows] == [("search", "1")]


def priced(asked: CallToPrice) -> PricedCall:
    """A dollar for each call to the model m; what others cost nobody knows."""
    has_price = asked.call.model == "m"
    return PricedCall(PriceSource.HOSTED, NANO) if has_price else PricedCall(PriceSource.UNKNOWN)


def test_a_cost_that_is_not_known_is_no_0_and_what_a_sum_lacks_is_shown(
        tmp_path: Path, ask: Ask) -> None:
    folder = tmp_path / "priced"
    folder.mkdir()
    with ledger_in(folder, pricing=priced) as bench:
        tokenless = call(bytes(14) + b"ab", service_name="chat", usage=Usage())
        bench.send(call(), call(bytes(15) + b"a", request_model="big"), tokenless,
                   call(bytes(15) + b"b", service_name="batch", request_model="big"),
                   ToolCall(trace_id=TRACE, span_id=os.urandom(8), tool="search", name="search",
                            service_name="tools", start=BEGIN, end=BEGIN + SECOND))
        bench.wait()
        own = "--ledger", folder / "ledger.db", "--key-file", folder / "ledger.key"
        rows = json.loads(ask("top", "--by", "service", "--format", "json", *own)[1])["rows"]
        assert {row["service"]: (row["cost_usd"], row["calls_without_cost"]) for row in rows} == {
            "shop": (1, 1), "batch": (None, 1), "chat": (None, 1), "tools": (None, 0)}
        head, *lines = ask("top", "--by", "service", *own)[1].splitlines()
        assert "cost usd  calls without cost" in head
        assert [line.split()[0] for line in lines if "1.000" in line] == ["shop"]
        assert all(" 0.000" not in line for line in lines)


def test_top_by_user_shows_hashes_and_no_more_rows_than_asked_for(ask: Ask, bench: Bench) -> None:
    answer = json.loads(ask("top", "--by", "user", "--limit", 1, "--format", "json")[1])
    assert [(row["user"], row["requests"]) for row in answer["rows"]] == [
        (bench.file.keys.veil("bob"), 2)]


def test_top_looks_back_as_far_as_it_is_asked(ask: Ask, bench: Bench) -> None:
    bench.file.connection.execute("UPDATE rollups SET hour = hour - 30 WHERE user <> ''")
    assert len(json.loads(ask("top", "--format", "json")[1])["rows"]) == 0
    assert len(json.loads(ask("top", "--last", "2d", "--format", "json")[1])["rows"]) == 2


def test_trace_is_a_tree_with_times_tokens_and_arguments(ask: Ask) -> None:
    code, printed, _ = ask("trace", TRACE.hex())
    assert code == 0
    lines = printed.splitlines()
    assert lines[1].startswith("helper")
    assert lines[2].startswith("· chat m")
    assert "counted  success    0.500" in lines[2]
    assert lines[3].startswith("· search")
    assert lines[4].endswith('arguments: {"q": "shoes"}')
    answer = json.loads(ask("trace", TRACE.hex().upper(), "--format", "json")[1])
    assert [(step["depth"], step["kind"], step["input"]) for step in answer["steps"]] == [
        (0, "AgentRun", None), (1, "ModelCall", 100), (1, "ToolCall", None)]


def test_a_trace_that_is_unknown_or_none_is_told(ask: Ask) -> None:
    assert ask("trace", "ab" * 16)[0] == 1
    code, _, complaint = ask("trace", "abc")
    assert (code, "'abc' is no trace id" in complaint) == (2, True)


def test_who_tells_what_is_kept_of_a_user(ask: Ask, bench: Bench) -> None:
    code, printed, _ = ask("who", "alice")
    assert code == 0
    facts = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert facts["hash"] == bench.file.keys.veil("alice")
    assert (facts["calls"], facts["tokens"], facts["models"]) == ("1", "120", "m")
    code, _, complaint = ask("who", "nobody")
    assert (code, "nothing is kept of 'nobody'" in complaint) == (1, True)


def test_forget_removes_a_user_and_no_count(ask: Ask, bench: Bench) -> None:
    before = json.loads(ask("top", "--format", "json")[1])["rows"]
    code, printed, _ = ask("forget", "bob")
    assert code == 0
    assert "removed from 4 rows" in printed
    assert "1 facts are not settled yet" in printed
    assert ask("who", "bob")[0] == 1
    assert ask("forget", "bob")[0] == 1
    assert json.loads(ask("top", "--format", "json")[1])["rows"] == before
    assert ask("verify")[0] == 0
    assert bench.rows("SELECT seq FROM contents") != []  # of another's trace
    assert ask("forget", "t1")[0] == 0
    assert bench.rows("SELECT conversation FROM counted WHERE conversation IS NOT NULL") == []
    assert ask("who", "alice")[0] == 0
    ask("forget", "alice")
    assert bench.rows("SELECT seq FROM contents") == []  # the tool's too, which had no user
    assert ask("verify")[0] == 0


def test_verify_exits_with_1_where_a_row_was_changed(ask: Ask, bench: Bench) -> None:
    code, printed, _ = ask("verify")
    assert (code, printed.endswith("no differences.\n")) == (0, True)
    bench.file.connection.execute("UPDATE counted SET input = 7 WHERE input = 100")
    code, printed, _ = ask("verify")
    assert code == 1
    assert "counters" in printed
    assert len(json.loads(ask("verify", "--format", "json")[1])["differences"]) > 0


def test_a_backup_is_a_ledger_and_overwrites_nothing(ask: Ask, bench: Bench,
                                                     tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert ask("backup", copy)[0] == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert ask("backup", copy)[::2] == (1, f"inferometer: {copy} exists already\n")
    assert ask("verify", "--ledger", copy)[0] == 0
    assert ask("backup", tmp_path / "none" / "copy.db")[0] == 1


@pytest.mark.parametrize(("arguments", "why"), [
    (["trace"], "trace: needs ID"), (["top", "x"], "top: takes no 'x'"),
    (["who"], "who: needs USER"),
])
def test_an_action_says_what_it_needs(ask: Ask, arguments: list[str], why: str) -> None:
    code, _, complaint = ask(*arguments)
    assert (code, why in complaint) == (2, True)


def test_a_ledger_that_is_not_there_is_told_and_not_made(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "top", "--ledger", str(tmp_path / "none.db")]) == 1
    assert "none.db is no file: a gateway makes it" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_the_configuration_of_a_gateway_says_where_its_ledger_is(
        bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    config = bench.folder / "gateway.yml"
    config.write_text("role: gateway\nledger: {path: ledger.db, key_file: ledger.key}\n")
    assert cli.main(["ledger", "top", "--config", str(config)]) == 0
    assert "big" in capsys.readouterr().out


def test_check_says_what_is_damaged_and_what_is_unused(ask: Ask, bench: Bench) -> None:
    code, printed, _ = ask("check")
    assert code == 0
    assert ": no faults; " in printed
    assert json.loads(ask("check", "--format", "json")[1])["faults"] == []
    copy = bench.folder / "copy.db"
    bench.file.copy_to(copy)
    content = bytearray(copy.read_bytes())
    (root,), = bench.rows("SELECT rootpage FROM sqlite_master WHERE name = 'counted'")
    assert isinstance(root, int)
    content[(root - 1) * 4096 + 3:(root - 1) * 4096 + 5] = b"\xff\xff"  # how many rows it has
    copy.write_bytes(content)
    code, printed, _ = ask("check", "--ledger", copy)
    assert code == 1
    assert "no faults" not in printed


def test_vacuum_gives_back_what_deleted_rows_have_left(ask: Ask, bench: Bench) -> None:
    for statement in ("CREATE TABLE old (a)", "INSERT INTO old VALUES (zeroblob(3000000))",
                      "DROP TABLE old"):
        bench.rows(statement)
    code, printed, _ = ask("vacuum")  # beside its gateway
    assert (code, "beside its gateway" in printed) == (0, True)
    bench.close()
    code, printed, _ = ask("vacuum", "--format", "json")
    after = json.loads(printed)
    assert (code, after["rewritten"]) == (0, True)
    assert after["after"] < 1_000_000
    assert ask("verify")[0] == ask("check")[0] == 0
