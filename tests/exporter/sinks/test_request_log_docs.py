"""docs/request-log.md has the table of fields, a line as it is written, and a recipe that runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inferometer.config import RequestLogSection
from inferometer.sinks.request_line import FIELDS, line_of
from tests.exporter.sinks.test_request_line import BEGIN, CALL, SECOND, SETTLED

TEXT = (Path(__file__).parents[3] / "docs/request-log.md").read_text(encoding="utf-8")
NOON = 1_796_040_000 * SECOND  # of the example
TABLE = "\n".join([
    "| field | type | name of | what |", "| --- | --- | --- | --- |",
    *(f"| `{field.name}` | {field.type} | {field.origin} | {field.about} |" for field in FIELDS)])


def between(begin: str, end: str) -> str:
    return TEXT.partition(begin)[2].partition(end)[0].strip("\n")


def test_the_table_is_that_of_the_fields() -> None:
    assert between("<!-- fields -->", "<!-- /fields -->") == TABLE, f"write there:\n{TABLE}"


def test_the_example_is_a_line_as_it_is_written() -> None:
    shift = NOON - BEGIN
    call = type(CALL)(**{name: getattr(CALL, name) for name in CALL.__dataclass_fields__} | {
        "start": CALL.start + shift, "end": CALL.end + shift})
    line = line_of(SETTLED._replace(call=call, arrived=SETTLED.arrived + shift))
    assert json.loads(between("<!-- example -->\n```json", "```")) == json.loads(line)


def test_the_defaults_are_those_of_the_configuration() -> None:
    defaults = RequestLogSection()
    for name in ("max_bytes", "files"):
        assert f"| `request_log.{name}` | {getattr(defaults, name)} |" in TEXT


def test_the_recipe_puts_one_id_on_log_and_spans(capsys: pytest.CaptureFixture[str]) -> None:
    structlog = pytest.importorskip("structlog")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    names: dict[str, Any] = {}
    exec(between("<!-- recipe -->\n```python", "```"), names)
    provider = trace.TracerProvider()
    provider.add_span_processor(names["RequestIds"]())
    try:
        assert names["begin_request"]("req-7") == "req-7"
        with provider.get_tracer("test").start_as_current_span("chat") as span:
            structlog.get_logger().info("it is asked", path="/chat")
        assert span.attributes["http.request.id"] == "req-7"
        line = json.loads(capsys.readouterr().out)
        assert line["http.request.id"] == "req-7"
        assert line["trace.id"] == f"{span.get_span_context().trace_id:032x}"
        assert re.fullmatch("[0-9a-f]{32}", names["begin_request"]("two words"))
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
