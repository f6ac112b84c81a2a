"""What the intake takes over HTTP, byte by byte: every sender's manner, and no smuggler's."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from inferometer.intake.application import Taken
from inferometer.intake.body import Sizes
from inferometer.intake.listener import ConnectionBounds
from tests.exporter.intake.doors import Client, Opened, Reply, opened
from tests.exporter.support import wait_for

BODY = b"\n\x00"


def head(*lines: str, path: str = "/v1/traces", method: str = "POST",
         encoding: str = "application/x-protobuf") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", f"Content-Type: {encoding}",
                        *lines, "", ""]).encode()


def chunked(body: bytes, size: int = 10**6) -> bytes:
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def common() -> Iterator[Opened]:
    with opened(sizes=Sizes(body_bytes=2**20)) as door:
        yield door


def asked(door: Opened, *pieces: bytes) -> tuple[Reply, list[bytes]]:
    """The answer, and what was kept."""
    door.bodies.clear()
    with Client(door.port) as client:
        return client.send(*pieces).reply(), list(door.bodies)


LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(("pieces", "body"), [
    ((head(LENGTH), BODY), BODY),
    ((head(CHUNKED), chunked(BODY)), BODY),
    ((head(CHUNKED), chunked(b"abcdef" * 100, 1)), b"abcdef" * 100),
    ((head(CHUNKED, "Content-Encoding: gzip"), chunked(gzip.compress(BODY))), BODY),
    ((head(CHUNKED, "Content-Encoding: gzip"),
      chunked(gzip.compress(BODY) + gzip.compress(b"more"))), BODY + b"more"),
    ((head(LENGTH, "Content-Encoding: identity"), BODY), BODY),
    ((head(LENGTH, encoding="application/json; charset=utf-8"), BODY), BODY),
    ((head("Content-Length: 0"),), b""),
    ((head(CHUNKED), b"2;name=value\r\n", BODY, b"\r\n0\r\nTrailer: yes\r\n\r\n"), BODY),
], ids=["length", "chunked", "many chunks", "gzip", "gzip members", "identity", "json", "empty",
        "extension and trailer"])
def test_every_manner_of_a_friendly_sender_is_taken(common: Opened, pieces: tuple[bytes, ...],
                                                    body: bytes) -> None:
    reply, bodies = asked(common, *pieces)
    assert (reply.status, bodies) == (200, [body])


@pytest.mark.parametrize(("pieces", "status"), [
    ((head(LENGTH, CHUNKED), chunked(BODY)), 400),
    ((head("Transfer-Encoding: gzip, chunked"), chunked(BODY)), 400),
    ((head("Transfer-Encoding: gzip"), BODY), 400),
    ((head("Content-Length: +2"), BODY), 400),
    ((head("Content-Length: 2", "Content-Length: 3"), BODY), 400),
    ((head("Content-Length : 2"), BODY), 400),
    ((head(f"X: {'y' * 40_000}", LENGTH), BODY), 400),
    ((head(*[f"X{i}: y" for i in range(3000)], LENGTH), BODY), 400),
    ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4,), 400),
    ((head(LENGTH, encoding="text/plain"), BODY), 415),
    ((head(LENGTH, "Content-Encoding: br"), BODY), 415),
    ((head(LENGTH, "Content-Encoding: gzip"), BODY), 400),
    ((head(CHUNKED, "Content-Encoding: gzip"), chunked(gzip.compress(b"") * 129)), 400),
    ((head(LENGTH, path="/v1/nothing"), BODY), 404),
    ((head(method="GET"),), 405),
], ids=lambda value: str(value)[:60] if isinstance(value, int) else "")
def test_what_cannot_be_meant_well_is_refused_and_nothing_is_kept(
        common: Opened, pieces: tuple[bytes, ...], status: int) -> None:
    reply, bodies = asked(common, *pieces)
    assert (reply.status, bodies) == (status, [])


def test_a_sender_that_expects_to_go_on_is_let_on(common: Opened) -> None:
    with Client(common.port) as client:
        assert client.send(head(LENGTH, "Expect: 100-continue")).reply().status == 100
        assert client.send(BODY).reply().status == 200


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(common: Opened) -> None:
    reply, _ = asked(common, head(f"Content-Length: {2**26}", "Expect: 100-continue"))
    assert reply.status == 413
    assert b"OTEL_BSP_MAX_EXPORT_BATCH_SIZE" in reply.body


@pytest.mark.parametrize(("line", "piece"), [
    ("Content-Length: 4194304", bytes(65536)),
    (CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n"),
])
def test_who_sends_on_after_a_refusal_still_reads_it(common: Opened, line: str,
                                                     piece: bytes) -> None:
    with Client(common.port) as client:
        client.send(head(line))
        with contextlib.suppress(OSError):
            client.send(*[piece] * 64)
        assert client.reply().status == 413
        assert client.ended()


def test_a_gzip_bomb_is_refused_with_little_of_it_unpacked(common: Opened) -> None:
    bomb = gzip.compress(bytes(2**26))
    reply, _ = asked(common, head(CHUNKED, "Content-Encoding: gzip"), chunked(bomb))
    assert reply.status == 413


@pytest.mark.parametrize(("encoding", "parse"), [
    ("application/json", lambda body: json.loads(body)["message"].encode()),
    ("application/x-protobuf", lambda body: body[4:]),
])
def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
        common: Opened, encoding: str, parse: Callable[[bytes], bytes]) -> None:
    reply, _ = asked(common, head("Content-Length: 99999999", encoding=encoding))
    assert reply.headers["content-type"] == encoding
    assert b"a body may have" in parse(reply.body)


@pytest.mark.parametrize(("encoding", "body"), [
    ("application/json", b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "bad_id 3"}}'),
    ("application/x-protobuf", b"\n\x0c\x08\x03\x12\x08bad_id 3"),
])
def test_what_was_left_out_of_a_body_is_said(encoding: str, body: bytes) -> None:
    with opened(answer=Taken(3, "bad_id 3")) as door, Client(door.port) as client:
        reply = client.send(head(LENGTH, encoding=encoding), BODY).reply()
    assert (reply.status, reply.body) == (200, body)


def test_requests_may_follow_one_another_and_be_sent_at_once(common: Opened) -> None:
    with Client(common.port) as client:
        request = head(LENGTH) + BODY
        client.send(request * 5)
        assert [client.reply().status for _ in range(5)] == [200] * 5
        assert client.send(request).reply().status == 200


def test_a_head_and_a_body_have_a_deadline_however_they_drip() -> None:
    bounds, sizes = ConnectionBounds(head_seconds=0.5), Sizes(gap_seconds=0.5, body_seconds=1.0)
    with opened(bounds, sizes) as door, Client(door.port) as silent, Client(door.port) as halting, \
            Client(door.port) as dripping:
        halting.send(head("Content-Length: 100"), b"x")
        dripping.send(head("Content-Length: 100"))
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 2.0:
                dripping.send(b"x")
                time.sleep(0.1)  # slower than it may be, faster than the gap
        assert silent.ended()
        assert halting.reply().status == dripping.reply().status == 503


def test_a_connection_outlives_its_deadlines_as_long_as_it_is_used() -> None:
    with opened(ConnectionBounds(head_seconds=0.6, idle_seconds=1)) as door, \
            Client(door.port) as client:
        request = head(LENGTH) + BODY
        for _ in range(10):
            assert client.send(request).reply().status == 200
            time.sleep(0.2)  # twice as long together as it may be idle
        assert client.ended()


def test_a_later_head_has_a_deadline_as_the_first_one() -> None:
    with opened(ConnectionBounds(head_seconds=0.5, idle_seconds=60)) as door, \
            Client(door.port) as dripping, Client(door.port) as waiting:
        for client in (dripping, waiting):
            assert client.send(head(LENGTH) + BODY).reply().status == 200
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 1.5:
                dripping.send(b"\r\n")  # which may stand before a head
                time.sleep(0.1)  # faster than the deadline
        assert dripping.ended()
        assert waiting.send(head(LENGTH) + BODY).reply().status == 200


def test_bodies_in_memory_are_bounded_together_and_who_is_put_off_knows_when_to_come() -> None:
    sizes = Sizes(held_bytes=3 * 2**20)
    with opened(sizes=sizes) as door, contextlib.ExitStack() as stack:
        most = [stack.enter_context(Client(door.port)) for _ in range(4)]
        for count, client in enumerate(most[:3], 1):
            client.send(head(f"Content-Length: {2**20}"), bytes(2**20 - 1))
            sent = count * (2**20 - 1)
            wait_for(partial(door.has, sent))
        with contextlib.suppress(OSError):
            most[-1].send(head(f"Content-Length: {2**20}"), bytes(2**20 - 1))
        reply = most[-1].reply()
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        assert most[0].send(b"x").reply().status == 200
        for client in most:
            client.sock.close()
        wait_for(partial(door.has, 0))


def test_a_full_house_closes_whoever_has_waited_longest() -> None:
    with opened(ConnectionBounds(connections=4)) as door, contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(6):
            crowd.append(stack.enter_context(Client(door.port)))
            assert crowd[-1].send(head("Content-Length: 1"), b"").sock
            time.sleep(0.05)  # so that it is known who came first
        assert [client.ended(0.3) for client in crowd] == [True, True, *[False] * 4]


def test_who_begins_to_send_after_a_pause_has_not_waited_longest() -> None:
    with opened(ConnectionBounds(connections=3)) as door, contextlib.ExitStack() as stack:
        sender = stack.enter_context(Client(door.port))
        assert sender.send(head(LENGTH) + BODY).reply().status == 200
        time.sleep(0.1)  # so that it is known who came first
        idle = stack.enter_context(Client(door.port))
        time.sleep(0.2)  # the same
        sender.send(head("Content-Length: 2"), b"\n")
        time.sleep(0.2)  # the same
        for _ in range(2):
            stack.enter_context(Client(door.port))
        assert idle.ended()
        assert sender.send(b"\0").reply().status == 200


def test_endless_framing_ends_the_connection(common: Opened) -> None:
    with Client(common.port) as client, pytest.raises(ConnectionError):
        client.send(head(CHUNKED), *[b"1;" + b"e" * 65536] * 10_000)


def test_an_upload_under_way_is_answered_when_it_stops() -> None:
    with opened() as door, Client(door.port) as client, Client(door.port):
        client.send(head("Content-Length: 10"), b"12345")
        time.sleep(0.2)  # until the request is under way
        door.server.should_exit = True
        time.sleep(0.3)  # until it stops
        assert client.send(b"67890").reply().status == 200


@pytest.mark.parametrize(("header", "status"), [
    ("Bearer secret-2", 200), ("bearer secret", 200), ("Bearer secret-3", 401), ("", 401),
    ("Basic c2VjcmV0", 401), ("Bearer", 401),
])
def test_a_token_of_any_of_the_files_lets_in(tmp_path: Path, header: str, status: int) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    files[0].write_text("secret\n")
    files[1].write_text("secret-2")
    lines = [f"Authorization: {header}"] if header else []
    with opened(tokens=tuple(map(str, files))) as door, Client(door.port) as client:
        reply = client.send(head(LENGTH, *lines), BODY).reply()
        assert (reply.status, len(door.bodies)) == (status, int(status == 200))


def test_a_token_is_exchanged_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    with opened(tokens=(str(file),)) as door, Client(door.port) as client:
        request = head(LENGTH, "Authorization: Bearer new") + BODY
        assert client.send(request).reply().status == 401
        file.write_text("new!"[:3])
        file.write_text("new")
        with Client(door.port) as other:
            assert other.send(request).reply().status == 200
