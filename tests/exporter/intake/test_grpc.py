"""What the intake takes over gRPC: every sender's manner, and no more than over HTTP."""

from __future__ import annotations

import contextlib
import gzip
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from inferometer.intake.application import Sent, Taken
from inferometer.intake.body import BodyRefusedError, Sizes
from inferometer.intake.listener import ConnectionBounds
from tests.exporter.intake.doors import Client
from tests.exporter.intake.grpc_doors import (
    PATHS,
    Http2Client,
    OpenedGrpc,
    called,
    channel,
    message,
    opened_grpc,
)
from tests.exporter.intake.test_http import BODY, LENGTH, head
from tests.exporter.support import wait_for

RETRY_INFO = b"\n\x02\x08\x02"  # a retry_delay of 2 seconds
OK, INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = (
    0, 3, 7, 12, 13, 14, 16)


@pytest.fixture(scope="module")
def common() -> Iterator[OpenedGrpc]:
    with opened_grpc(sizes=Sizes(body_bytes=2**22)) as door:
        yield door


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize("body", [b"", BODY, os.urandom(3 * 2**20)], ids=["0", "2", "3 MiB"])
@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_a_message_of_any_size_comes_as_it_was_sent(
        common: OpenedGrpc, signal: str, body: bytes, compression: grpc.Compression) -> None:
    with channel(common.port) as made:
        answer = called(made, body, signal, compression=compression)
    assert (answer.code, answer.message) == (OK, b"")
    assert (common.sent[-1].signal, common.bodies[-1]) == (signal, body)
    wait_for(partial(common.has, 0))


@pytest.mark.parametrize(("pieces", "headers", "code"), [
    ((message(BODY),), (), OK),
    ((b"\0", b"\0\0", b"\0\2", b"\n", b"\0"), (), OK),
    ((message(gzip.compress(BODY) * 2, packed=True),), (("grpc-encoding", "gzip"),), OK),
    ((message(BODY),), (("grpc-encoding", "gzip"),), OK),
    ((message(BODY),), (("grpc-encoding", "identity"),), OK),
    ((message(BODY, length=3),), (), INVALID_ARGUMENT),
    ((b"\0\0",), (), INVALID_ARGUMENT),
    ((message(BODY) * 2,), (), INVALID_ARGUMENT),
    ((message(b"no gzip", packed=True),), (("grpc-encoding", "gzip"),), INVALID_ARGUMENT),
    ((message(BODY, packed=True),), (), UNIMPLEMENTED),
    ((message(BODY),), (("grpc-encoding", "br"),), UNIMPLEMENTED),
    ((b"\2\0\0\0\0",), (), UNIMPLEMENTED),
], ids=range(12))
def test_a_message_is_read_as_the_protocol_has_it(
        common: OpenedGrpc, pieces: tuple[bytes, ...], headers: tuple[tuple[str, str], ...],
        code: int) -> None:
    before = len(common.bodies)
    with Http2Client(common.port) as client:
        stream = client.begin(*headers)
        with contextlib.suppress(OSError):
            for piece in pieces:
                client.send(stream, piece)
            client.http2.end_stream(stream)
            client.flush()
        assert client.answer(stream).code == code
    assert len(common.bodies) - before == (code == OK)


def test_another_method_or_another_content_is_not_served(common: OpenedGrpc) -> None:
    with channel(common.port) as made:
        assert called(made, BODY, path="/a.Service/Export").code == UNIMPLEMENTED
    with Http2Client(common.port) as client:
        stream = client.begin(kind="application/json")
        assert client.answer(stream).metadata[":status"] == "415"


def test_who_speaks_http_1_learns_what_is_spoken_here(common: OpenedGrpc) -> None:
    with Client(common.port) as client:
        reply = client.send(head(LENGTH), BODY).reply()
        assert (reply.status, client.ended()) == (400, True)
    assert b"gRPC" in reply.body


def test_what_was_left_out_is_said_in_the_answer() -> None:
    with opened_grpc(accept=lambda _: Taken(3, "bad_id 3")) as door, channel(door.port) as made:
        spans = ExportTraceServiceResponse.FromString(called(made, BODY).message)
        records = ExportLogsServiceResponse.FromString(called(made, BODY, "logs").message)
    assert spans.partial_success.rejected_spans == 3
    assert records.partial_success.rejected_log_records == 3
    assert spans.partial_success.error_message == "bad_id 3"


@pytest.mark.parametrize(("status", "code", "retried"), [
    (HTTPStatus.BAD_REQUEST, INVALID_ARGUMENT, False),
    (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID_ARGUMENT, False),
    (HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, True),
])
def test_a_refusal_says_why_and_whether_to_come_again(status: HTTPStatus, code: int,
                                                      retried: bool) -> None:
    def accept(sent: Sent) -> Taken:
        raise BodyRefusedError(status, "100 % full: später")

    with opened_grpc(accept=accept) as door, channel(door.port) as made:
        answer = called(made, BODY)
    details = answer.metadata["grpc-status-details-bin"]
    assert (answer.code, answer.details) == (code, "100 % full: später")
    assert isinstance(details, bytes)
    assert details.startswith(b"\x08%c\x12" % code)
    assert (b"type.googleapis.com/google.rpc.RetryInfo\x12\x04" + RETRY_INFO in details) == retried
    assert (answer.metadata.get("google.rpc.retryinfo-bin") == RETRY_INFO) == retried


def test_who_is_put_off_is_told_by_how_much_the_ledger_is_behind() -> None:
    def accept(sent: Sent) -> Taken:
        raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "behind", 6.5)

    with opened_grpc(accept=accept) as door, channel(door.port) as made:
        answer = called(made, BODY)
    assert answer.metadata["google.rpc.retryinfo-bin"] == b"\n\x02\x08\x07"


def test_a_fault_of_ours_is_answered_and_ends_no_other_call() -> None:
    def accept(sent: Sent) -> Taken:
        if sent.signal == "logs":
            raise KeyError("a fault")
        return Taken()

    with opened_grpc(accept=accept) as door, channel(door.port) as made:
        assert called(made, BODY, "logs").code == INTERNAL
        assert called(made, BODY).code == OK
        assert door.results() == {"failed": 1, "taken": 1}


def test_a_message_that_is_declared_too_large_is_refused_before_it_is_sent(
        common: OpenedGrpc) -> None:
    with Http2Client(common.port) as client:
        stream = client.begin()
        client.send(stream, message(b"", length=2**22 + 1))
        answer = client.answer(stream)
    assert answer.code == INVALID_ARGUMENT
    assert "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" in answer.details


def test_a_gzip_bomb_is_refused_with_little_of_it_unpacked(common: OpenedGrpc) -> None:
    with channel(common.port) as made:
        assert called(made, bytes(2**26), compression=grpc.Compression.Gzip
                      ).code == INVALID_ARGUMENT
    wait_for(partial(common.has, 0))


def test_calls_of_one_connection_are_read_side_by_side(common: OpenedGrpc) -> None:
    with Http2Client(common.port) as client:
        first, second = client.begin(), client.begin(path=PATHS["logs"])
        client.send(first, message(BODY)[:6])
        client.send(second, message(BODY), end=True)
        assert client.answer(second).code == OK
        client.send(first, message(BODY)[6:], end=True)
        assert client.answer(first).code == OK


def test_a_message_has_a_deadline_however_it_drips() -> None:
    sizes = Sizes(gap_seconds=0.5, body_seconds=1.0)
    with opened_grpc(sizes=sizes) as door, Http2Client(door.port) as client:
        silent, halting, dripping = client.begin(), client.begin(), client.begin()
        client.send(halting, message(bytes(100))[:10])
        client.send(dripping, message(bytes(100))[:5])
        began = time.monotonic()
        while dripping not in client.finished and time.monotonic() < began + 10:
            client.send(dripping, b"x").receive_within(0.1)  # slower than it may, within the gap
        assert [client.answer(one).code for one in (silent, halting, dripping)] == [UNAVAILABLE] * 3
        assert door.results() == {"put_off": 3}
        assert door.has(0)


def test_bodies_in_memory_are_bounded_over_all_connections() -> None:
    sizes = Sizes(held_bytes=3 * 2**20)
    with opened_grpc(sizes=sizes) as door, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Http2Client(door.port)) for _ in range(4)]
        streams = [client.begin() for client in clients]
        most = message(bytes(2**20))[:-1]
        for count, (client, stream) in enumerate(zip(clients[:3], streams, strict=False), 1):
            client.send(stream, most)
            wait_for(partial(door.has, count * (2**20 - 1)))
        with contextlib.suppress(OSError):
            clients[3].send(streams[3], most)
        assert clients[3].answer(streams[3]).code == UNAVAILABLE
        assert clients[0].send(streams[0], b"x", end=True).answer(streams[0]).code == OK
        for client in clients:
            client.sock.close()
        wait_for(partial(door.has, 0))
        wait_for(lambda: door.results() == {"put_off": 1, "taken": 1, "lost": 2})


def test_a_full_house_closes_whoever_has_waited_longest() -> None:
    with opened_grpc(ConnectionBounds(connections=4)) as door, contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(6):
            crowd.append(stack.enter_context(Http2Client(door.port)))
            crowd[-1].begin()
            time.sleep(0.05)  # so that it is known who came first
        assert [client.ended(0.3) for client in crowd] == [True, True, *[False] * 4]


def test_an_idle_connection_is_closed_and_its_channel_connects_again() -> None:
    with opened_grpc(ConnectionBounds(idle_seconds=1)) as door, channel(door.port) as made:
        assert called(made, BODY).code == OK
        wait_for(lambda: not door.server.house.guests)
        assert called(made, BODY).code == OK


def test_who_sends_nothing_or_half_a_head_is_closed_after_a_while() -> None:
    with opened_grpc(ConnectionBounds(head_seconds=0.5)) as door, Client(door.port) as silent, \
            Http2Client(door.port) as idle, Http2Client(door.port) as slow:
        slow.sock.sendall(b"\0\1\0\1\4\0\0\0\1" + bytes(10))  # of 256 bytes of headers
        assert silent.ended()
        assert slow.ended()
        assert not idle.ended(0.5)


def test_a_crowd_of_idle_channels_holds_up_no_call() -> None:
    with opened_grpc() as door, contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(Http2Client(door.port))
        began = time.monotonic()
        with channel(door.port) as made:
            assert called(made, BODY).code == OK
        assert time.monotonic() - began < 20
        assert len(door.server.house.guests) == 201


def test_a_call_that_its_client_leaves_gives_back_what_it_held() -> None:
    with opened_grpc() as door, Http2Client(door.port) as client:
        stream = client.begin()
        client.send(stream, message(bytes(2**18))[:-1])
        wait_for(partial(door.has, 2**18 - 1))
        client.http2.reset_stream(stream)
        client.flush()
        wait_for(partial(door.has, 0))
        assert door.results() == {"lost": 1}


def test_an_upload_under_way_is_answered_when_it_stops() -> None:
    with opened_grpc() as door, Http2Client(door.port) as client, Http2Client(door.port) as idle:
        stream = client.begin()
        client.send(stream, message(BODY)[:6])
        time.sleep(0.2)  # until the call is under way
        door.server.stop()
        assert idle.ended()
        assert client.send(stream, message(BODY)[6:], end=True).answer(stream).code == OK
        assert client.ended()


def pings(client: Http2Client) -> None:
    for _ in range(64):
        client.http2.ping(b"12345678")


def settings(client: Http2Client) -> None:
    for _ in range(64):
        client.http2.update_settings({4: 65535})


def resets(client: Http2Client) -> None:
    for _ in range(16):
        client.http2.reset_stream(client.begin())


def empties(client: Http2Client) -> None:
    stream = client.begin()
    for _ in range(64):
        client.http2.send_data(stream, b"")


def refused(client: Http2Client) -> None:
    for _ in range(16):
        client.begin(("grpc-encoding", "br"))


@pytest.mark.parametrize("flood", [pings, settings, resets, empties, refused],
                         ids=lambda flood: flood.__name__)
def test_frames_without_calls_end_the_connection(flood: Callable[[Http2Client], None]) -> None:
    with opened_grpc() as door, Http2Client(door.port) as client:
        with contextlib.suppress(OSError):
            for _ in range(64):
                flood(client)
                client.flush()
        assert client.ended()
        with channel(door.port) as made:
            assert called(made, BODY).code == OK


def test_headers_are_bounded_also_when_they_unpack_to_many(common: OpenedGrpc) -> None:
    for extra in ([("x", "y" * 40_000)], [("x", "y" * 3000)] * 200):
        with Http2Client(common.port) as client:
            with contextlib.suppress(OSError):
                client.begin(*extra)
            assert client.ended()


def test_a_client_that_has_no_room_for_an_answer_costs_its_call_alone(common: OpenedGrpc) -> None:
    with Http2Client(common.port) as client:
        client.http2.update_settings({4: 0})
        client.flush()
        stream = client.begin()
        client.send(stream, message(BODY), end=True)
        assert client.answer(stream).code != OK
    with channel(common.port) as made:
        assert called(made, BODY).code == OK


@pytest.mark.parametrize(("header", "code"), [
    ("Bearer secret-2", OK), ("bearer secret", OK), ("Bearer secret-3", UNAUTHENTICATED),
    ("", UNAUTHENTICATED), ("Basic c2VjcmV0", UNAUTHENTICATED),
])
def test_a_token_of_any_of_the_files_lets_in(tmp_path: Path, header: str, code: int) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    files[0].write_text("secret\n")
    files[1].write_text("secret-2")
    with opened_grpc(tokens=tuple(map(str, files))) as door, channel(door.port) as made:
        headers = [("authorization", header)] if header else []
        assert called(made, BODY, headers=headers).code == code
        assert len(door.bodies) == (code == OK)
