"""Hours of GPUs: by queries that promtool evaluates, from a server, from a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from inferometer import catalogue as c
from inferometer.cost.bill_table import BillError
from inferometer.cost.gpu_hours import (
    COVERAGE_QUERY,
    QUERY,
    ask_prometheus,
    read_gpu_hours,
)
from inferometer.cost.tracked import GpuHoursOfDay
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, series

FEBRUARY = date(2026, 2, 1)
LATER = datetime(2026, 4, 1, tzinfo=UTC)


def gpu(uuid: str, name: str, values: str, scrape: Mapping[str, str] = SCRAPE) -> Series:
    return series(c.GPU_INFO, values, scrape=scrape, gpu="0", uuid=uuid, name=name,
                  driver_version="1", pci_bus_id=uuid)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gpu_counts_once_for_as_long_as_it_is_listed(version: str, tmp_path: Path) -> None:
    other = SCRAPE | {"instance": "10.0.0.9:9835"}
    inputs = [
        *(gpu("a", "H100", "1x1440", scrape=scrape) for scrape in (SCRAPE, other)),
        gpu("b", "H100", "1x719"), gpu("c", "L4", "_x719 1x360"),
        series(c.BUILD_INFO, "1x719", version="1")]
    answers = ask(version, tmp_path, [], inputs, [QUERY, COVERAGE_QUERY], "1d")
    hours = {labels["name"]: value for labels, value in answers[QUERY]}
    assert hours == {"H100": pytest.approx(36, abs=0.2), "L4": pytest.approx(6.1, abs=0.2)}
    ((_, covered),) = answers[COVERAGE_QUERY]
    assert covered == pytest.approx(0.5, abs=0.01)


@contextmanager
def server(answer: Any, code: int = 200) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A server that answers each query so, and what it was asked."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append({**form, "token": [self.headers.get("Authorization", "")]})
            body = answer(form["query"][0]) if callable(answer) else answer
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


def result(*samples: tuple[dict[str, str], str]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": labels, "value": [0, value]} for labels, value in samples]}}


def test_each_day_is_asked_at_its_end_and_hours_are_those_of_the_day() -> None:
    def answer(query: str) -> Any:
        return result(({}, "1")) if query == COVERAGE_QUERY else result(
            ({"name": "H100"}, "24"), ({"name": "L4"}, "NaN"))

    with server(answer) as (url, asked):
        hours = ask_prometheus(url, FEBRUARY, LATER, "secret")
    assert hours.covered == 1
    assert len(hours.rows) == 28
    assert hours.rows[0] == GpuHoursOfDay("H100", Decimal(24), day=FEBRUARY)
    assert {one["token"][0] for one in asked} == {"Bearer secret"}
    assert float(asked[0]["time"][0]) == datetime(2026, 2, 2, tzinfo=UTC).timestamp()


def test_days_that_are_to_come_are_not_asked_and_not_covered() -> None:
    with server(result(({}, "1"))) as (url, asked):
        hours = ask_prometheus(url, FEBRUARY, datetime(2026, 2, 15, tzinfo=UTC))
    assert (hours.covered, len(asked)) == (0.5, 28)


@pytest.mark.parametrize(("answer", "code", "why"), [
    (b"<html>", 200, "does not answer as Prometheus does"),
    ({"data": []}, 200, "does not answer as Prometheus does"),
    (result(({}, "much")), 200, "does not answer as Prometheus does"),
    (b"no such user", 401, "answers 401: no such user"),
])
def test_what_is_no_answer_is_one_line_without_the_password(answer: Any, code: int, why: str
                                                             ) -> None:
    with server(answer, code) as (url, _), pytest.raises(BillError) as caught:
        ask_prometheus(url, FEBRUARY, LATER)
    assert why in str(caught.value)


@pytest.mark.parametrize("url", ["http://u:secret@127.0.0.1:1", "file:///etc/passwd"])
def test_who_does_not_answer_is_named_without_the_password(url: str) -> None:
    with pytest.raises(BillError) as caught:
        ask_prometheus(url, FEBRUARY, LATER)
    assert "secret" not in str(caught.value)


def test_a_file_has_hours_and_prices_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    path.write_text("GPU,Hours,usd_per_hour,node\nH100,\"1,440.5\",2.5,a\nL4,3,,b\n")
    assert read_gpu_hours(path).rows == [
        GpuHoursOfDay("H100", Decimal("1440.5"), Decimal("2.5")), GpuHoursOfDay("L4", Decimal(3))]


@pytest.mark.parametrize(("text", "why"), [
    ("gpu,count\n", "has no column hours"), ("gpu,hours\na,many\n", ":2: 'many' is no amount"),
    ("gpu,hours\na,-1\n", ":2: has less than no hours")])
def test_a_file_that_tells_no_hours_is_refused_in_one_line(text: str, why: str, tmp_path: Path
                                                           ) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(text)
    with pytest.raises(BillError) as caught:
        read_gpu_hours(path)
    assert why in str(caught.value)
