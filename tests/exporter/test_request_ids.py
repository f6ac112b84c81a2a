"""What the log says while a request is answered has the request's id, and so has the answer."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest

from inferometer.intake.application import Sent, Taken
from inferometer.intake.workers import Worker
from inferometer.logs import JsonFormatter
from inferometer.request_ids import RequestId, begin, current, on_behalf_of
from inferometer.serve.routes import Received, Response, Route
from inferometer.serve.server import Server
from tests.exporter.intake.doors import Client, opened
from tests.exporter.intake.grpc_doors import (
    Http2Client,
    called,
    channel,
    message,
    opened_grpc,
)
from tests.exporter.support import in_thread

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
MADE = re.compile("[0-9a-f]{32}")
log = logging.getLogger(__name__)


@contextmanager
def logged() -> Iterator[Sequence[Mapping[str, Any]]]:
    """The lines of the log, as they are written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)  # whatever another test has left
    lines: list[Mapping[str, Any]] = []
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        lines += [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("asked", "parent", "expected"), [
    ("req-7", None, "req-7"),
    ("Root=1-67891233-abcdef012345678912345678", PARENT,
     "Root=1-67891233-abcdef012345678912345678"),
    (b"a" * 128, None, "a" * 128),
    (None, PARENT, TRACE),
    ("a" * 129, PARENT, TRACE),
    ("two words", PARENT, TRACE),
    ("\x1b[2J", PARENT.encode(), TRACE),
    ("", f"cc-{TRACE}-b7ad6b7169203331-01-more", TRACE),
])
def test_an_id_is_the_one_that_came_if_it_is_safe_else_the_traces(
        asked: str | bytes | None, parent: str | bytes | None, expected: str) -> None:
    assert RequestId(asked, parent).text == expected


@pytest.mark.parametrize("parent", [
    None, "", "words", f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT.upper(), f"{PARENT}more"])
def test_else_one_is_made_and_stays_the_same(parent: str | None) -> None:
    request = RequestId("é", parent)
    assert MADE.fullmatch(request.text)
    assert request.text == request.text
    assert RequestId().text != RequestId().text


def test_an_answer_has_it_if_one_came_or_a_line_was_written() -> None:
    assert RequestId(None, PARENT).headers == {}
    assert RequestId("req-7").headers == {"X-Request-Id": "req-7"}
    request = RequestId(None, PARENT)
    with on_behalf_of(request), logged() as lines:
        log.warning("something happens")
    assert lines[0]["request_id"] == TRACE
    assert request.headers == {"X-Request-Id": TRACE}


def test_what_is_logged_on_behalf_of_no_request_has_no_id() -> None:
    with logged() as lines:
        with on_behalf_of(RequestId("req-7")):
            log.warning("during")
            log.warning("of another", extra={"request_id": "req-8"})
        log.warning("after")
    assert [line.get("request_id") for line in lines] == ["req-7", "req-8", None]


def test_tasks_and_what_a_worker_does_for_them_keep_theirs_apart() -> None:
    worker = Worker("test")
    worker.start()

    async def task(name: str) -> str:
        begin(RequestId(name))
        await asyncio.sleep(0)
        job = worker.begin(lambda: getattr(current(), "text", ""))
        return await asyncio.wrap_future(job)

    async def tasks() -> Sequence[str]:
        return await asyncio.gather(*(task(f"req-{number}") for number in range(5)))

    try:
        assert asyncio.run(tasks()) == [f"req-{number}" for number in range(5)]
        assert worker.begin(current).result(10) is None
    finally:
        worker.stop()


def fail(_: object) -> Response:
    raise ValueError("a fault of ours")


def warn(received: Received) -> Response:
    log.warning("it is asked", extra={"target": received.request.target})
    return Response(HTTPStatus.OK, b"")


@pytest.mark.parametrize(("path", "status"), [("/fail", 500), ("/warn", 200)])
def test_the_page_answers_with_the_id_that_its_lines_have(path: str, status: int) -> None:
    server = Server("127.0.0.1", 0, [Route("/fail", fail), Route("/warn", warn)])
    with logged() as lines, in_thread(server) as port:
        with Client(port) as client:
            asked = client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: req-7\r\n"
                                "\r\n".encode()).reply()
        with Client(port) as client:
            silent = client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).reply()
    assert (asked.status, asked.headers["x-request-id"]) == (status, "req-7")
    assert MADE.fullmatch(silent.headers["x-request-id"])
    assert [line["request_id"] for line in lines] == ["req-7", silent.headers["x-request-id"]]


def breaks(_: Sent) -> Taken:
    raise ValueError("a fault of ours")


def test_the_door_of_http_answers_with_the_id_that_its_lines_have() -> None:
    head = ("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            "Content-Length: 2\r\n{}\r\n")
    with logged() as lines, opened(before=breaks) as door, Client(door.port) as client:
        replies = [client.send(head.format(header).encode(), b"\n\0").reply() for header in (
            "x-request-id: req-7\r\n", f"traceparent: {PARENT}\r\n", "")]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert ids[:2] == ["req-7", TRACE]
    assert MADE.fullmatch(ids[2])
    assert [line["request_id"] for line in lines] == ids


def test_a_body_that_is_taken_is_answered_with_the_id_that_it_came_with_alone() -> None:
    head = ("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            "Content-Length: 2\r\n{}\r\n")
    with opened() as door, Client(door.port) as client:
        asked, silent = (client.send(head.format(header).encode(), b"\n\0").reply()
                         for header in ("X-Request-Id: req-7\r\n", f"traceparent: {PARENT}\r\n"))
    assert asked.headers["x-request-id"] == "req-7"
    assert "x-request-id" not in silent.headers


def test_the_door_of_grpc_answers_with_the_id_that_its_lines_have() -> None:
    with logged() as lines, opened_grpc(accept=breaks) as door, channel(door.port) as made:
        answer = called(made, b"\n\0", headers=[("x-request-id", "req-7")])
        other = called(made, b"\n\0", headers=[("traceparent", PARENT)])
    assert (answer.code, other.code) == (13, 13)
    assert answer.metadata["x-request-id"] == "req-7"
    assert [line["request_id"] for line in lines] == ["req-7", TRACE]


def test_a_call_of_grpc_that_is_taken_has_the_id_that_it_came_with() -> None:
    with opened_grpc() as door, Http2Client(door.port) as client:
        stream = client.begin(("x-request-id", "req-7"))
        client.send(stream, message(b"\n\0"), end=True)
        assert client.answer(stream).metadata["x-request-id"] == "req-7"
