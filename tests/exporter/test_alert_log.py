"""Alertmanager's notifications, as they are posted and as they are logged."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import socket
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import alert_log
from inferometer.logs import JsonFormatter
from inferometer.serve import routes
from inferometer.serve.connection import Limits
from inferometer.serve.lanes import Lane
from inferometer.serve.request import LARGEST_BODY
from inferometer.serve.routes import Received, Route, text_response
from inferometer.serve.server import Server
from tests.exporter.process import ALONE, ANYWHERE, messages, started
from tests.exporter.support import Exporter, Response, get, in_thread, wait_for

pytestmark = pytest.mark.timeout(60)

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "GpuIdle", "severity": "info", "subject": "gpu_use", "node": "n1"},
    "annotations": {"summary": "GPUs are idle.", "description": "Busy 12 %.", "runbook_url": "x"},
    "startsAt": "2026-11-22T00:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "a3b1",
}
NOTIFICATION: dict[str, Any] = {
    "version": "4", "groupKey": '{}:{alertname="GpuIdle"}', "truncatedAlerts": 0,
    "status": "firing", "receiver": "log", "groupLabels": {}, "commonLabels": {},
    "commonAnnotations": {}, "externalURL": "http://alertmanager", "alerts": [ALERT],
}
KIND = {"Content-Type": "application/json"}


def post(port: int, body: bytes | str | Mapping[str, Any], path: str = "/v1/alerts",
         headers: Mapping[str, str] = KIND) -> Response:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    with contextlib.closing(connection):
        connection.request("POST", path, data, dict(headers))
        response = connection.getresponse()
        return Response(response.status, dict(response.headers), response.read())


def alerts(running: Exporter, count: int) -> list[dict[str, Any]]:
    """The log's lines on alerts, once there are so many, without time and level."""
    wait_for(lambda: len(messages(running, "alert")) >= count)
    return [{key: value for key, value in line.items() if key not in ("time", "level", "message")}
            for line in messages(running, "alert")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    config = tmp_path_factory.mktemp("alerts") / "inferometer.yml"
    config.write_text(ALONE + "web: {enable_alert_log: true}\n")
    # Nothing but errors is to be logged, and alerts are logged all the same.
    with started(*ANYWHERE, "--config", config, "--log-level", "error") as running:
        yield running


def test_each_alert_is_one_line_and_the_first_says_what_is_said_of_all(server: Exporter) -> None:
    before = len(messages(server, "alert"))
    resolved = {**ALERT, "status": "resolved", "endsAt": "2026-11-22T01:00:00Z"}
    answer = post(server.port, {**NOTIFICATION, "alerts": [ALERT, resolved]})
    assert (answer.status, answer.text) == (200, "logged\n")
    first, second = alerts(server, before + 2)[before:]
    assert first["request_id"] == second["request_id"]
    assert first == {
        "request_id": first["request_id"],
        "status": "firing", "labels": ALERT["labels"], "summary": "GPUs are idle.",
        "description": "Busy 12 %.", "starts_at": "2026-11-22T00:00:00Z", "fingerprint": "a3b1",
        "receiver": "log", "group_key": '{}:{alertname="GpuIdle"}',
    }
    del first["receiver"], first["group_key"]
    assert second == {**first, "status": "resolved", "ends_at": "2026-11-22T01:00:00Z"}


def test_what_alertmanager_left_out_is_said(server: Exporter) -> None:
    post(server.port, {**NOTIFICATION, "truncatedAlerts": 7})
    wait_for(lambda: messages(server, "alerts left out by Alertmanager"))
    assert messages(server, "alerts left out by Alertmanager")[0]["count"] == 7


@pytest.mark.parametrize("text", [
    'x\n{"message": "alert"}', "x\r\n", "\x1b[2J", "\x9b2J", "a\u2028b\u2029c\x85d", "\u202egnp",
    "\ud800", "\0", '"}', "\\", "日本 é",
])
def test_no_text_makes_another_line_or_moves_a_terminal(server: Exporter, text: str) -> None:
    before = len(server.lines)
    alert = {**ALERT, "labels": {"alertname": text, text: "x"}, "annotations": {"summary": text}}
    assert post(server.port, {**NOTIFICATION, "alerts": [alert]}).status == 200
    wait_for(lambda: len(server.lines) > before)
    (line,) = server.lines[before:]
    assert line.removesuffix("\n").isprintable()
    logged = json.loads(line)
    assert logged["summary"] == logged["labels"]["alertname"] == text
    assert logged["labels"][text] == "x"


@pytest.mark.parametrize(("body", "why"), [
    (b"", "the body is not JSON: Expecting value, line 1 column 1"),
    (b"\xff\xfe\xfd", "the body is not UTF-8"),
    (b"{", "the body is not JSON: Expecting property name enclosed in double quotes, "
           "line 1 column 2"),
    (b"[" * 100_000, "the body is nested too deeply"),
    (b'{"version": ' + b"9" * 10_000 + b"}",
     "the body is not JSON: it has a number that cannot be read"),
    (b"[]", "the body must be an object, not a list"),
    (b"{}", 'version is missing; it must be "4"; alerts is missing; it must be a list'),
    (b'{"version": 4, "alerts": []}', 'version must be "4", not 4'),
    (b'{"version": "4"}', "alerts is missing; it must be a list"),
    (b'{"version": "4", "alerts": null}', "alerts must be a list, not null"),
    (b'{"version": "4", "alerts": [1]}', "alerts[0] must be an object, not 1"),
    ({**NOTIFICATION, "alerts": [ALERT, {**ALERT, "status": "odd"}]},
     'alerts[1].status must be "firing" or "resolved", not "odd"'),
    ({**NOTIFICATION, "alerts": [{"status": "firing"}]},
     "alerts[0].labels is missing; it must be an object"),
    ({**NOTIFICATION, "alerts": [{**ALERT, "labels": {"alertname": 1}}]},
     "alerts[0].labels.alertname must be text, not 1"),
    ({**NOTIFICATION, "alerts": [{**ALERT, "labels": {"a\nb": None}}]},
     r"alerts[0].labels.a\nb must be text, not null"),
    ({**NOTIFICATION, "alerts": [{**ALERT, "annotations": []}]},
     "alerts[0].annotations must be an object, not a list"),
    ({**NOTIFICATION, "alerts": [{**ALERT, "annotations": {"summary": []}}]},
     "alerts[0].annotations.summary must be text, not a list"),
    ({**NOTIFICATION, "alerts": [{**ALERT, "startsAt": 5}]},
     "alerts[0].startsAt must be text, not 5"),
    ({**NOTIFICATION, "receiver": {}, "alerts": [{**ALERT, "status": ""}]},
     'receiver must be text, not an object; alerts[0].status must be "firing" or "resolved", '
     'not ""'),
    ({**NOTIFICATION, "alerts": [1] * 23},
     "; ".join(f"alerts[{i}] must be an object, not 1" for i in range(20))
     + "; the body has 3 more mistakes"),
])
def test_a_mistake_is_said_in_one_line_and_nothing_is_logged(
        server: Exporter, body: bytes | Mapping[str, Any], why: str) -> None:
    before = len(server.lines)
    answer = post(server.port, body)
    assert (answer.status, answer.text) == (400, f"{why}\n")
    assert server.process.poll() is None
    assert len(server.lines) == before


@settings(max_examples=300, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=100), st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(
        st.sampled_from(["version", "alerts", "labels", "status", "annotations", "summary", "x"]),
        inner, max_size=4)),
    max_leaves=20).map(lambda value: json.dumps(
        {"version": "4", "alerts": [value, {"status": "firing", "labels": value}]}).encode())))
def test_any_body_is_logged_or_refused_in_one_line(body: bytes) -> None:
    wrong = alert_log.write(body)
    assert len(wrong.splitlines()) <= 1
    assert wrong.isprintable()


def logged(body: bytes) -> list[str]:
    """The lines that a body makes, as they are written."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(  # type: ignore[method-assign]
        JsonFormatter().format(record) + "\n")
    alert_log.log.addHandler(handler)
    try:
        assert alert_log.write(body) == ""
    finally:
        alert_log.log.removeHandler(handler)
    return lines


def counted(lines: list[str], message: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines) if line["message"] == message]


ODD = st.text(max_size=9, alphabet=st.sampled_from(
    "a\x00\x7f\x85\u2028\u202e\U000e0001\ud800\n\"\\é日 @:?/#"))
LONG = st.builds(lambda text, times: text * times, ODD, st.sampled_from([1, 1, 1, 300]))
ALERTS = st.builds(
    lambda fields, labels, annotations: {**fields, "labels": labels, "annotations": annotations},
    st.fixed_dictionaries({"status": st.sampled_from(alert_log.STATUSES)}, optional={
        "startsAt": LONG, "endsAt": LONG, "fingerprint": LONG}),
    st.dictionaries(ODD, LONG, max_size=3),
    st.dictionaries(st.sampled_from(["summary", "description", "x"]), LONG, max_size=2))
TINY = st.builds(lambda times: [{"status": "firing", "labels": {}}] * times,
                 st.sampled_from([0, 1, 2, 40, 1500]))


@settings(max_examples=80, deadline=None, database=None)
@given(st.one_of(st.lists(ALERTS, max_size=4), TINY), st.booleans(), st.fixed_dictionaries(
    {}, optional={"receiver": LONG, "groupKey": LONG, "truncatedAlerts": st.integers(-1, 10**6)}))
def test_any_notification_makes_at_most_twice_its_bytes_of_log_and_all_alerts_are_counted(
        notified: list[object], spelt: bool, more: dict[str, object]) -> None:
    text = json.dumps({"version": "4", **more, "alerts": notified}, ensure_ascii=spelt,
                      separators=(",", ":"))
    body = text.encode(errors="replace")
    lines = logged(body)
    assert len("".join(lines).encode()) <= alert_log.MOST_BYTES_PER_BYTE * len(body)
    assert all(line.removesuffix("\n").isprintable() for line in lines)
    rest = sum(line["count"] for line in counted(lines, "alerts left out"))
    assert len(counted(lines, "alert")) + rest == len(notified)


def test_what_all_alerts_have_in_common_is_logged_once() -> None:
    key = "k" * 400_000
    lines = logged(json.dumps({**NOTIFICATION, "groupKey": key, "alerts": [ALERT] * 900}).encode())
    first, *others = counted(lines, "alert")
    assert first["receiver"] == "log"
    assert len(first["group_key"]) == alert_log.LONGEST_TEXT
    assert first["group_key"].endswith("k…")
    assert len(others) == 899
    assert not [line for line in others if {"receiver", "group_key"} & {*line}]


def test_alerts_of_one_notification_are_bounded_and_the_rest_is_counted() -> None:
    many = alert_log.MOST_ALERTS + 7
    lines = logged(json.dumps({**NOTIFICATION, "alerts": [ALERT] * many}).encode())
    assert len(counted(lines, "alert")) == alert_log.MOST_ALERTS
    assert [line["count"] for line in counted(lines, "alerts left out")] == [7]


def test_texts_and_labels_of_an_alert_are_bounded() -> None:
    labels = {"n" * 9999: "v"} | {f"l{number}": "v" * 9999 for number in range(200)}
    annotations = {"summary": "s" * 9999, "description": "d" * 9999}
    alert = {**ALERT, "labels": labels, "annotations": annotations, "fingerprint": "f" * 9999}
    (line,) = counted(logged(json.dumps({**NOTIFICATION, "alerts": [alert]}).encode()), "alert")
    assert len(line["labels"]) == alert_log.MOST_LABELS
    assert line["labels_left_out"] == 201 - alert_log.MOST_LABELS
    assert max(map(len, line["labels"])) == alert_log.LONGEST_NAME
    assert {len(text) for text in (*line["labels"].values(), line["summary"], line["description"],
                                   line["fingerprint"])} == {1, alert_log.LONGEST_TEXT}


def test_an_alert_that_is_too_large_is_left_out_and_those_beside_it_are_not() -> None:
    odd = {**ALERT, "labels": {f"l{number}": "\x7f" * 1900 for number in range(90)}}
    body = json.dumps({**NOTIFICATION, "alerts": [odd, ALERT]}, ensure_ascii=False).encode()
    lines = logged(body)
    assert [line["fingerprint"] for line in counted(lines, "alert")] == ["a3b1"]
    assert [line["count"] for line in counted(lines, "alerts left out")] == [1]


def test_a_body_too_large_is_refused_unread(server: Exporter) -> None:
    padded = {**NOTIFICATION, "padding": "x" * (LARGEST_BODY - 2000)}
    assert post(server.port, padded).status == 200
    answer = raw(server.port, f"Content-Length: {LARGEST_BODY + 1}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"send up to 1048576 bytes, with their length\n")


@pytest.mark.parametrize(("header", "status"), [
    ("Transfer-Encoding: chunked", 411), ("Content-Length: -1", 411), ("Content-Length: x", 411),
    ("Expect: 100-continue\r\nContent-Length: 2", 417),
])
def test_a_body_of_unknown_length_is_refused_unread(server: Exporter, header: str,
                                                    status: int) -> None:
    assert raw(server.port, header).startswith(b"HTTP/1.1 %d " % status)


def raw(port: int, header: str) -> bytes:
    """The answer to a request with this header, of which nothing follows."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(f"POST /v1/alerts HTTP/1.1\r\n{header}\r\n"
                     "Content-Type: application/json\r\n\r\n".encode())
        received = b""
        while data := sock.recv(65536):
            received += data
        return received


@pytest.mark.parametrize("kind", [{}, {"Content-Type": "text/plain"},
                                  {"Content-Type": "application/x-www-form-urlencoded"}])
def test_a_page_in_a_browser_cannot_post_without_asking(server: Exporter,
                                                        kind: Mapping[str, str]) -> None:
    assert post(server.port, NOTIFICATION, headers=kind).status == 415
    assert get(server.port, "/v1/alerts", "OPTIONS").status == 405


def test_it_takes_post_only(server: Exporter) -> None:
    answer = get(server.port, "/v1/alerts")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_one_connection_posts_again_and_again(server: Exporter) -> None:
    before = len(messages(server, "alert"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for number in range(20):
            body = json.dumps({**NOTIFICATION, "receiver": f"log-{number}"})
            connection.request("POST", "/v1/alerts", body, KIND)
            assert connection.getresponse().read() == b"logged\n"
            assert connection.sock is first
    receivers = [line["receiver"] for line in alerts(server, before + 20)[before:]]
    assert receivers == [f"log-{number}" for number in range(20)]


def test_it_is_not_there_unless_switched_on(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    with started(*ANYWHERE, "--config", config) as running:
        assert post(running.port, NOTIFICATION).status == 404
        assert not messages(running, "alert")


def test_it_is_behind_the_same_password_as_the_rest(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alertmanager: '{hashed}'}}\n")
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE + "web: {enable_alert_log: true, config_file: web.yml}\n")
    token = base64.b64encode(b"alertmanager:open sesame").decode()
    with started(*ANYWHERE, "--config", config) as running:
        assert post(running.port, NOTIFICATION).status == 401
        answer = post(running.port, NOTIFICATION,
                      headers={**KIND, "Authorization": f"Basic {token}"})
        assert (answer.status, len(alerts(running, 1))) == (200, 1)


@contextlib.contextmanager
def serving(limits: Limits, taken: list[bytes]) -> Iterator[int]:
    """A server in this process that keeps what is posted; its port."""
    def respond(received: Received) -> routes.Response:
        time.sleep(0.05)  # so that posts wait for one another
        taken.append(received.body)
        return text_response(HTTPStatus.OK, "")

    route = Route(alert_log.PATH, respond, ("POST",), Lane(1), LARGEST_BODY)
    with in_thread(Server("127.0.0.1", 0, [route], None, limits)) as port:
        yield port


def taken_at_last(port: int, body: bytes) -> bool:
    try:
        return post(port, body).status == 200
    except OSError:  # it was closed to make room
        return False


def ended(sock: socket.socket) -> bool:
    """Whether it is closed, with an answer that there is too much to read or without one."""
    sock.settimeout(0.2)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_bodies_that_do_not_end_make_room_for_those_that_do() -> None:
    taken: list[bytes] = []
    size = 200_000
    head = (f"POST /v1/alerts HTTP/1.1\r\nContent-Length: {size}\r\n"
            "Content-Type: application/json\r\n\r\n").encode()
    limits = Limits(head_seconds=60, body_bytes=3 * size)
    with serving(limits, taken) as port, contextlib.ExitStack() as stack:
        halves = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                  for _ in range(8)]
        for sock in halves:
            sock.sendall(head + b"x" * (size - 1))
        for number in range(1, 6):  # again until it is taken, as Alertmanager does
            wait_for(lambda: taken_at_last(port, b"y" * size))
            assert len(taken) == number
        wait_for(lambda: sum(ended(sock) for sock in halves) >= 5)
    assert taken == [b"y" * size] * 5
