"""`inferometer explain --otlp`: files of every form, and what is wrong with them in a line."""

from __future__ import annotations

import gzip
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inferometer import cli
from inferometer.cli import explain, explain_otlp
from inferometer.spans.explain.capture import encoding_of
from tests.exporter.process import command
from tests.exporter.spans.bodies import FIXTURES

pytestmark = pytest.mark.timeout(60)
BODY = FIXTURES / "official-genai-openai-1.3b0-default" / "029-traces.pb"
BOTH = FIXTURES / "official-genai-openai+langchain-1.3b0-both" / "061-traces.pb"
JSON = FIXTURES / "vercel-ai-6.0.326" / "130-traces.sent.json"
COUNTING = "Calls that count"

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["explain", "--otlp", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err
    return asked


def answer(ask: Ask, *arguments: object) -> dict[str, Any]:
    code, printed, complaint = ask("--json", *arguments)
    assert (code, complaint) == (0, "")
    return json.loads(printed)  # type: ignore[no-any-return]


def test_every_example_in_the_help_is_understood() -> None:
    examples = re.findall(r"^  (?:.* \| )?inferometer (explain[^|<\n]*)",
                          command("explain", "--help").stdout, re.MULTILINE)
    assert len(examples) == 7
    for example in examples:
        options = cli.make_parser().parse_args(shlex.split(example))
        assert options.verb is explain.VERB
        assert options.otlp is ("--otlp" in example)


def test_a_body_is_explained_for_a_person(ask: Ask) -> None:
    code, printed, complaint = ask(BOTH)
    assert (code, complaint) == (0, "")
    for words in ("OpenTelemetry GenAI", "gen_ai.usage.input_tokens", "What counts in all",
                  "server.port", "What is missing, and whose it is"):
        assert words in printed


def test_one_body_counts_the_same_in_every_form_of_its_file(ask: Ask, tmp_path: Path) -> None:
    plain = answer(ask, JSON)
    packed, spaced = tmp_path / "packed", tmp_path / "spaced"
    packed.write_bytes(gzip.compress(JSON.read_bytes()))
    spaced.write_bytes(b"\n\n  " + JSON.read_bytes() + b"\n")
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes((json.dumps(json.loads(JSON.read_bytes())).encode() + b"\n") * 2)
    for file in (packed, spaced, lines):
        assert answer(ask, file)[COUNTING] == plain[COUNTING], file
    assert any(row["name"] == "sent again" for row in answer(ask, lines)["bodies"])
    pb = tmp_path / "pb.gz"
    pb.write_bytes(gzip.compress(BOTH.read_bytes()))
    assert answer(ask, pb)[COUNTING] == answer(ask, BOTH)[COUNTING]


def test_a_file_of_many_bodies_may_be_larger_than_one_body_and_is_one_line(
        ask: Ask, tmp_path: Path) -> None:
    body = json.dumps(json.loads(JSON.read_bytes())).encode()
    file, config = tmp_path / "spans.json", tmp_path / "gateway.yml"
    most = 2**17
    config.write_text(f"role: gateway\nintake: {{max_body_bytes: {most}}}\n")
    lines = 2 * most // len(body) + 1
    file.write_bytes((body + b"\n") * max(lines, explain_otlp.MOST_ROWS + 1))
    assert len(body) <= most < file.stat().st_size
    code, printed, complaint = ask("--config", config, file)
    assert (code, complaint) == (0, "")
    assert re.search(rf"body +{file}: \d+ bodies of traces in JSON, \d+ spans", printed)
    assert re.search(r"^  steps +\d+: calls", printed, re.MULTILINE)


def test_a_body_that_no_gateway_would_take_is_refused_here_too(ask: Ask, tmp_path: Path) -> None:
    file, config = tmp_path / "spans.json", tmp_path / "gateway.yml"
    config.write_text(f"role: gateway\nintake: {{max_body_bytes: {2**16}}}\n")
    file.write_bytes(json.dumps(json.loads(JSON.read_bytes())).encode() + b" " * 2**16)
    code, printed, complaint = ask("--config", config, file)
    assert (code, printed) == (1, "")
    assert complaint.startswith(f"inferometer: {file}: a body of ")
    assert f"of which a gateway takes {2**16}" in complaint


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(
        ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_otlp, "FILE_BYTES", 1000)
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b" " * 1001))
    code, printed, complaint = ask(file)
    assert (code, printed) == (1, "")
    assert "a file may have 1000 bytes unpacked" in complaint


def test_standard_input_is_a_file_too(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BytesIO(BOTH.read_bytes())
    monkeypatch.setattr("sys.stdin", Piped())
    assert answer(ask, "-")[COUNTING] == answer(ask, BOTH)[COUNTING]


def test_a_trace_in_two_files_is_one_trace(ask: Ask, tmp_path: Path) -> None:
    body = json.loads(JSON.read_bytes())
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    spans = [(resource, scope, span) for resource in body["resourceSpans"]
             for scope in resource["scopeSpans"] for span in scope["spans"]]
    for file, part in ((first, spans[::2]), (second, spans[1::2])):
        file.write_text(json.dumps({"resourceSpans": [
            {**resource, "scopeSpans": [{**scope, "spans": [span]}]}
            for resource, scope, span in part]}))
    together, apart = answer(ask, JSON), answer(ask, first, second)
    assert {row["span"] for row in apart[COUNTING]} == {row["span"] for row in together[COUNTING]}
    assert apart["What counts in all"] == together["What counts in all"]


def test_protobuf_whose_first_bytes_are_a_line_feed_and_a_brace_is_no_json() -> None:
    inner = b"\x12" + bytes((0x7B - 2,)) + bytes((0x12, 0x7B - 4)) + bytes((
        0x1A, 0x7B - 6)) + b"x" * (0x7B - 6)
    body = b"\n{" + inner
    assert len(inner) == 0x7B
    assert encoding_of(body) == "protobuf"
    assert encoding_of(b"\n{}") == "json"


@pytest.mark.parametrize(("content", "code", "words"), [
    (b"", 1, "an empty file"),
    (b" \n", 1, "an empty file"),
    (b"hello\n", 1, "no OTLP in protobuf: wire type 4 is unknown"),
    (BODY.read_bytes()[:-10], 1, "no OTLP in protobuf: a field is longer than the message"),
    (gzip.compress(BODY.read_bytes())[:-50], 1, "the body is no gzip"),
    (b"\x1f\x8bhello", 1, "the body is no gzip"),
    (JSON.read_bytes()[:-10], 1, "no OTLP in JSON: "),
    (b'{"a": 1}', 1, "JSON, and no OTLP: it has no resourceSpans and no resourceLogs"),
    (b"[" * 100_000, 1, "no OTLP in JSON: "),
    (b'{"resource_spans": []}', 1, "OTLP's JSON has resourceSpans"),
    (b'{"resourceSpans": {}}', 1, "no OTLP in JSON: "),
    (b"\n\x02\x12\x00" * 1001, 1, "more than 1000 resources in one body"),
])
def test_what_is_no_body_is_a_line_with_its_file(
        ask: Ask, tmp_path: Path, content: bytes, code: int, words: str) -> None:
    file = tmp_path / "body"
    file.write_bytes(content)
    ended, printed, complaint = ask(file)
    assert (ended, printed) == (code, "")
    assert complaint.startswith(f"inferometer: {file}: ")
    assert words in complaint
    assert len(complaint.splitlines()) == 1


def test_a_broken_file_does_not_hide_the_others(ask: Ask, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"hello")
    code, printed, complaint = ask(broken, BOTH)
    assert code == 1
    assert COUNTING in printed
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("name", ["nowhere.pb", "."])
def test_a_file_that_cannot_be_read_is_named(ask: Ask, name: str) -> None:
    code, printed, complaint = ask(name)
    assert (code, printed) == (2, "")
    assert f"'{name}' cannot be read: " in complaint
    assert len(complaint.splitlines()) == 1


def test_bodies_without_a_step_fail_and_are_still_explained(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "http.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{
        "scope": {"name": "my.http"}, "spans": [{
            "traceId": "01" * 16, "spanId": "02" * 8, "name": "GET /",
            "attributes": [{"key": "http.url", "value": {"stringValue": "/"}}]}]}]}]}))
    code, printed, complaint = ask(file)
    assert (code, complaint) == (1, "")
    assert "no table knows it" in printed
    assert re.search(r"^  my.http +http.url +no table knows the scope", printed, re.MULTILINE)


def test_names_from_outside_cannot_command_a_terminal_and_are_cut(
        ask: Ask, tmp_path: Path) -> None:
    bad = "\x1b[2J" + "x" * 5000
    file = tmp_path / "hostile.json"
    pairs = [{"key": key, "value": {"stringValue": bad}}
             for key in ("gen_ai.request.model", "gen_ai.provider.name", "server.address", bad)]
    pairs.append({"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}})
    file.write_text(json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": bad}}]},
        "scopeSpans": [{"scope": {"name": bad, "version": bad}, "spans": [{
            "traceId": f"{number:032x}", "spanId": "02" * 8, "name": bad, "attributes": pairs}
            for number in range(1, 200)]}]}]}))
    code, printed, _ = ask(file)
    assert code == 0
    assert all(line.isprintable() and len(line) < 1500 for line in printed.splitlines())
    assert len(printed.splitlines()) < 300
    assert "… and 159 more; --json has them all" in printed


def test_calls_are_priced_by_the_configuration(ask: Ask, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yml"
    config.write_text("prices: [{model: '*', input: 1000, output: 0}]\n")
    rows = answer(ask, "--config", config, BOTH)[COUNTING]
    billed = [row for row in rows if row["input"] not in ("-", "elsewhere")]
    assert billed
    assert all(float(row["USD"]) == float(row["input"]) / 1000 for row in billed)


def test_a_second_page_without_the_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(BODY), str(BODY)]) == 2
    complaint = capsys.readouterr().err
    assert "is a second page; several files go with --otlp alone" in complaint


def proxied(trace: str, span: str, service: str, parent: str = "") -> dict[str, Any]:
    """A call as one service saw it."""
    pairs = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "chatcmpl-1",
             "gen_ai.request.model": "m", "gen_ai.response.finish_reasons": "stop"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in pairs.items()]
    attributes += [{"key": f"gen_ai.usage.{name}_tokens", "value": {"intValue": count}}
                   for name, count in (("input", 100), ("output", 20))]
    return {"resource": {"attributes": [{"key": "service.name",
                                         "value": {"stringValue": service}}]},
            "scopeSpans": [{"scope": {"name": f"of.{service}"}, "spans": [{
                "traceId": trace, "spanId": span, "parentSpanId": parent, "name": "chat m",
                "startTimeUnixNano": "1790000000000000000",
                "endTimeUnixNano": "1790000001000000000", "attributes": attributes}]}]}


@pytest.mark.parametrize(("second", "parent", "why"), [
    ("01" * 16, "0a" * 8, "within 0a0a0a0a, as the service that it was passed on to saw it"),
    ("02" * 16, "", ""),
])
def test_a_proxys_call_has_its_reason_and_its_tokens_once(
        ask: Ask, tmp_path: Path, second: str, parent: str, why: str) -> None:
    file = tmp_path / "proxy.json"
    file.write_text(json.dumps({"resourceSpans": [
        proxied("01" * 16, "0a" * 8, "shop"), proxied(second, "0b" * 8, "proxy", parent)]}))
    explained = answer(ask, file)
    sums = {row["name"]: row["value"] for row in explained["What counts in all"]}
    assert sums["requests"] == "2 (2 success)"
    assert (sums["input tokens"], sums["output tokens"]) == ("100", "20")
    assert sums["passed on"].startswith("1 call: of another service's call")
    assert any(row["why"].startswith(why)
               for row in explained["Spans that are one call or step, and why"]) or not why


def test_tries_and_a_wrapper_of_several_calls_have_their_reasons(
        ask: Ask, tmp_path: Path) -> None:
    def span(number: int, parent: int, begin: int, seconds: int, error: str = "") -> dict[str, Any]:
        start = (1790000000 + begin) * 10**9
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
                      **({"error.type": error} if error else {"gen_ai.response.id": f"r{number}"})}
        return {"traceId": f"{parent or number:02x}" * 16, "spanId": f"{number:02x}" * 8,
                "parentSpanId": f"{parent:02x}" * 8 if parent else "", "name": "chat",
                "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + seconds * 10**9),
                "attributes": [{"key": key, "value": {"stringValue": value}}
                               for key, value in attributes.items()]}
    file = tmp_path / "tries.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{
        "scope": {"name": "my.sdk"}, "spans": [
            span(1, 0, 0, 9), span(2, 1, 1, 1, "429"), span(3, 1, 3, 1),
            span(4, 0, 0, 9), span(5, 4, 1, 1), span(6, 4, 3, 1)]}]}]}))
    explained = answer(ask, file)
    reasons = {row["span"]: (row["counts as"], row["is"], row["why"])
               for row in explained["Spans that are one call or step, and why"]}
    tries = "one of 2 tries within 01010101: all but the last failed, one after another"
    assert reasons["02020202"] == reasons["03030303"] == ("01010101", "call", tries)
    assert reasons["04040404"][:2] == ("nothing", "wrapper")
    assert reasons["04040404"][2].startswith("no call: it has 2 spans of calls below it")
    assert next(row["value"] for row in explained["What counts in all"]
                if row["name"] == "requests") == "3 (3 success)"
