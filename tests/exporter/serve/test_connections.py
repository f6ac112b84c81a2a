"""Clients that drip, do not read, say nothing or come in crowds: others are served meanwhile."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import resource
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import bcrypt
import pytest

from inferometer.app import SCRAPES
from inferometer.collector import Deadline, Scrape
from inferometer.guard import Guard
from inferometer.home.part import PAGES
from inferometer.serve.connection import Limits
from inferometer.serve.connections import Connections
from inferometer.serve.lanes import Lane
from inferometer.serve.metrics import MetricsPage
from inferometer.serve.routes import Response, Route, text_response
from inferometer.serve.server import Server
from inferometer.serve.web_config import WebConfig
from tests.exporter.process import ALONE, ANYWHERE, announced_port, ready, started
from tests.exporter.support import Engine, Exporter, fixture, in_thread, launched, wait_for
from tests.exporter.wire import Wire

pytestmark = pytest.mark.timeout(90)

QUICKLY = 1.0  # seconds in which a scrape is answered, whatever others do
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
MOST = Limits().connections
PATIENT = Limits(head_seconds=60, answer_seconds=60, idle_seconds=60)


class Client(Wire):
    """One connection of which one may ask."""

    def ask(self, request: bytes = HEALTHY) -> tuple[int, bytes]:
        self.sock.sendall(request)
        return self.read()

    def read(self) -> tuple[int, bytes]:
        """Status and body of one answer; ConnectionError if there is none."""
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += self.more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        while len(body) < int(length[1]):
            body += self.more()
        assert len(body) == int(length[1]), "more than one answer"
        return int(head.split()[1]), bytes(body)


PageOf = Callable[[Deadline], bytes]


def one_page(_: Deadline) -> bytes:
    return b"page\n"


class Metrics(MetricsPage):
    """/metrics with its deadlines, over a page of any bytes."""

    def __init__(self, page: PageOf) -> None:
        super().__init__(Scrape([], Guard()), list, lambda *_: None)
        self._page_of = page

    def _page(self, deadline: Deadline, chosen: object, content: str) -> bytes:
        return self._page_of(deadline)


def routes(page: PageOf = one_page) -> list[Route]:
    metrics = Metrics(page)
    return [
        Route("/metrics", metrics.respond, lane=Lane(SCRAPES, MOST), together=metrics.together),
        Route("/-/healthy", lambda _: text_response(HTTPStatus.OK, "healthy")),
        Route("/-/ready", lambda _: text_response(HTTPStatus.OK, "ready")),
        Route("/", lambda _: Response(HTTPStatus.OK, b"<p>home</p>"), lane=Lane(PAGES)),
    ]


@contextlib.contextmanager
def serving(limits: Limits = PATIENT, page: PageOf = one_page,
            web: WebConfig | None = None) -> Iterator[int]:
    """A server with these limits in this process; its port."""
    with in_thread(Server("127.0.0.1", 0, routes(page), web, limits)) as port:
        yield port


def crowd(stack: contextlib.ExitStack, port: int, size: int, sent: bytes = b"") -> list[Client]:
    clients = [stack.enter_context(Client(port)) for _ in range(size)]
    for client in clients:
        if sent:
            client.sock.sendall(sent)
    return clients


def test_a_request_may_come_in_any_pieces() -> None:
    with serving() as port, Client(port) as client:
        for cut in range(1, len(HEALTHY)):
            client.sock.sendall(HEALTHY[:cut])
            time.sleep(0.005)
            assert client.ask(HEALTHY[cut:]) == (200, b"healthy\n")


def test_requests_sent_at_once_are_answered_in_turn() -> None:
    with serving() as port, Client(port) as client:
        client.sock.sendall(HEALTHY * 50 + SCRAPE.replace(b"Host", b"Connection: close\r\nHost"))
        received = b""
        while data := client.sock.recv(65536):
            received += data
    assert received.count(b"\r\n\r\nhealthy\n") == 50
    assert received.endswith(b"\r\n\r\npage\n")


def test_a_body_in_many_pieces_is_passed_over() -> None:
    with serving() as port, Client(port) as client:
        client.sock.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 60000\r\n\r\n")
        for _ in range(60):
            client.sock.sendall(HEALTHY[:10] * 100)
            time.sleep(0.005)
        assert client.read()[0] == 405
        assert client.ask() == (200, b"healthy\n")


@pytest.mark.parametrize("piece", [
    b"", b"X", b"GET /metrics HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n",
])
@pytest.mark.parametrize("before", [b"", HEALTHY], ids=["new", "known"])
def test_a_request_has_a_deadline_as_a_whole_however_it_drips(before: bytes,
                                                              piece: bytes) -> None:
    if before and not piece:
        return  # that is one at rest
    with serving(replace(PATIENT, head_seconds=1)) as port, Client(port) as client:
        if before:
            client.ask(before)
        client.sock.sendall(piece)
        began = time.monotonic()
        while not client.ended(0.2):
            with contextlib.suppress(OSError):
                client.sock.sendall(b"x" if piece else b"")
        assert 0.9 < time.monotonic() - began < 4


def test_a_connection_may_rest_between_two_requests_but_not_for_ever() -> None:
    with serving(replace(PATIENT, head_seconds=1, idle_seconds=4)) as port, Client(port) as client:
        client.ask()
        time.sleep(2.5)
        client.ask()
        began = time.monotonic()
        assert client.ended(10)
        assert time.monotonic() - began > 3.9


def test_an_answer_that_is_not_read_is_given_up() -> None:
    page = b"x" * 2**24
    limits = replace(PATIENT, answer_seconds=1)
    with serving(limits, lambda _: page) as port, Client(port) as deaf, Client(port) as client:
        deaf.sock.sendall(SCRAPE)
        assert client.ask() == (200, b"healthy\n")
        time.sleep(3)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := deaf.sock.recv(2**20):
                received += len(data)
        assert 0 < received < len(page)


def test_an_answer_that_is_read_slowly_arrives_whole() -> None:
    page = bytes(range(256)) * 2**14
    with serving(page=lambda _: page) as port, Client(port) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        client.sock.sendall(SCRAPE)
        time.sleep(0.5)
        assert client.read() == (200, page)
        assert client.ask() == (200, b"healthy\n")


def test_silent_connections_make_room_for_new_ones_and_served_ones_stay() -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(replace(PATIENT, connections=10)))
        served = crowd(stack, port, 4)
        for client in served:
            client.ask()
        mute = crowd(stack, port, 30)
        new = crowd(stack, port, 3)
        time.sleep(0.3)  # until all are accepted
        for client in (*served, *new):
            assert client.ask() == (200, b"healthy\n")
        assert [client.ended(0.2) for client in mute] == [True] * 27 + [False] * 3


def test_the_connection_that_rests_longest_makes_room_for_a_new_one() -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(replace(PATIENT, connections=5)))
        resting = crowd(stack, port, 5)
        for client in (*resting, resting[0]):
            client.ask()
            time.sleep(0.05)  # it rests a moment after it was heard
        stack.enter_context(Client(port)).ask()
        assert [client.ended(0.2) for client in resting] == [False, True, False, False, False]


def test_a_client_that_is_being_answered_is_never_closed_to_make_room() -> None:
    gate = threading.Event()
    with contextlib.ExitStack() as stack:
        limits = replace(PATIENT, connections=SCRAPES)
        port = stack.enter_context(serving(limits, lambda _: b"late\n" if gate.wait(30) else b""))
        scraping = crowd(stack, port, SCRAPES, SCRAPE)
        time.sleep(0.3)
        (waiting,) = crowd(stack, port, 1, HEALTHY)  # in the backlog, until there is room
        time.sleep(0.5)
        gate.set()
        assert [client.read() for client in scraping] == [(200, b"late\n")] * SCRAPES
        assert waiting.read() == (200, b"healthy\n")


def test_answers_that_nobody_reads_are_bounded_together() -> None:
    page = b"x" * 2**24
    limits = replace(PATIENT, unsent_bytes=2**26)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(limits, lambda _: bytes(page)))
        deaf = crowd(stack, port, 20, SCRAPE)
        wait_for(lambda: all(map(_has_news, deaf)), 60)  # an answer begun, or a connection closed
        with Client(port, 60) as client:
            assert client.ask(SCRAPE) == (200, page)
        hung_up = sum(_cut_off(client) for client in deaf)
        assert 10 <= hung_up < 20


def _has_news(client: Client) -> bool:
    return bool(select.select([client.sock], [], [], 0)[0])


def _cut_off(client: Client) -> bool:
    try:
        client.read()
    except ConnectionError:
        return True
    return False


def test_scrapes_that_hang_hold_up_no_health_check_and_those_that_wait_share_a_page() -> None:
    gate = threading.Event()
    begun: list[float] = []

    def page(deadline: Deadline) -> bytes:
        begun.append(deadline.left())
        gate.wait(30)
        return b"page\n"

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(page=page))
        stack.callback(gate.set)
        scraping = crowd(stack, port, SCRAPES + 3, SCRAPE)
        wait_for(lambda: len(begun) == SCRAPES)
        hasty = crowd(stack, port, 1, SCRAPE.replace(
            b"Host", b"X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\nHost"))
        for _ in range(20):
            with Client(port) as client:
                began = time.monotonic()
                assert client.ask() == (200, b"healthy\n")
                assert time.monotonic() - began < QUICKLY
        time.sleep(1)
        assert len(begun) == SCRAPES
        gate.set()
        assert [client.read() for client in scraping] == [(200, b"page\n")] * (SCRAPES + 3)
        assert hasty[0].read() == (503, b"too many scrapes\n")  # its time was over by its turn
        assert SCRAPES < len(begun) <= SCRAPES + 3  # seats may become free one by one
        assert all(left < 8.6 for left in begun[SCRAPES:])  # they waited on their own time


def test_guessing_at_passwords_holds_up_nobody_who_knows_one(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    password = bcrypt.hashpw(b"right", bcrypt.gensalt(11)).decode()
    file.write_text(f"basic_auth_users: {{alice: {password}}}\n")

    def asking(password: bytes) -> bytes:
        token = base64.b64encode(b"alice:" + password)
        return HEALTHY.replace(b"Host", b"Authorization: Basic " + token + b"\r\nHost")

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(web=WebConfig.load(file)))
        client = stack.enter_context(Client(port))
        assert client.ask(asking(b"right"))[0] == 200
        for number, guesser in enumerate(crowd(stack, port, 50)):
            guesser.sock.sendall(asking(b"wrong%d" % number))
        for _ in range(5):
            began = time.monotonic()
            assert client.ask(asking(b"right"))[0] == 200
            assert time.monotonic() - began < QUICKLY


def test_a_page_that_fails_costs_its_own_answer_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Deadline) -> bytes:
        raise ValueError("a fault of ours")

    with serving(page=fail) as port:
        for _ in range(2 * PATIENT.threads):
            with Client(port) as client:
                assert client.ask(SCRAPE) == (500, b"failed\n")
                assert client.ended()
        with Client(port) as client:
            assert client.ask() == (200, b"healthy\n")
    assert {record.getMessage() for record in caplog.records} == {"request failed"}
    assert all(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("sent", [b"", b"GET", HEALTHY, SCRAPE, SCRAPE * 20, b"\x16\x03\x01"])
def test_a_client_that_resets_its_connection_costs_nothing(sent: bytes) -> None:
    gone = struct.pack("ii", 1, 0)  # a reset instead of a proper end
    with serving(page=lambda _: b"x" * 2**20) as port:
        for _ in range(100):
            with Client(port) as client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
                client.sock.sendall(sent)
        with Client(port) as client:
            assert client.ask() == (200, b"healthy\n")


def serving_threads() -> int:
    return sum(thread.name.startswith("serve-") for thread in threading.enumerate())


def test_it_runs_in_the_same_few_threads_and_leaves_nothing_behind() -> None:
    wait_for(lambda: serving_threads() == 0)
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(serving())
            for client in crowd(stack, port, 100):
                assert client.ask(SCRAPE) == (200, b"page\n")
            assert serving_threads() == PATIENT.threads
        wait_for(lambda: serving_threads() == 0)
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


class Listener(socket.socket):
    """One whose client is accepted only once all threads have ended."""

    stop: Callable[[], None]

    def accept(self) -> tuple[socket.socket, object]:
        self.stop()
        wait_for(lambda: serving_threads() == 0)
        return super().accept()


def test_a_client_that_comes_while_it_stops_is_let_go() -> None:
    wait_for(lambda: serving_threads() == 0)
    with Listener() as listener, Server("127.0.0.1", 0, routes(), None, PATIENT) as service:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        connections = Connections(listener, service, PATIENT)
        listener.stop = connections.stop
        with Client(listener.getsockname()[1]) as client:
            connections.serve()
            assert client.ended()
        connections.stop()  # as a second signal would
        connections.close()


class Watched:
    """A real exporter, whose scrapes are timed while it is under attack."""

    def __init__(self, running: Exporter, kept: Client) -> None:
        self.running = running
        self.pid = running.process.pid
        self._kept = kept

    def scrape(self, within: float = QUICKLY) -> None:
        """Once on a new connection, and once on the one that has been there from the beginning."""
        with Client(self.running.port) as client:
            for asking in (client, self._kept):
                began = time.monotonic()
                status, body = asking.ask(SCRAPE)
                assert time.monotonic() - began < within
                assert status == 200
                assert b"inferometer_build_info" in body

    def status(self, field: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def seconds(self) -> float:
        """CPU time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        config = folder / "inferometer.yml"
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{targets: [url: '{engine.url}']}}\n")
        with started(*ANYWHERE, "--config", config) as running, Client(running.port) as kept:
            ready(running)
            yield Watched(running, kept)


HOSTILE = {
    "say nothing": b"",
    "begin a head": b"GET /metrics HTTP/1.1\r\nX-Slow: ",
    "begin a body": b"POST /metrics HTTP/1.1\r\nContent-Length: 60000\r\n\r\n",
    "speak TLS": b"\x16\x03\x01\x02\x00\x01",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_thousand_connections_cost_other_scrapes_nothing(tmp_path: Path, sent: bytes) -> None:
    with watched(tmp_path) as bed, contextlib.ExitStack() as stack:
        bed.scrape()
        threads, descriptors = bed.status("Threads"), bed.descriptors()
        hostile: list[Client] = []
        for _ in range(10):
            hostile += crowd(stack, bed.running.port, 100, sent)
            bed.scrape()
        for _ in range(10):
            for client in hostile:
                with contextlib.suppress(OSError):
                    client.sock.send(b"x")
            bed.scrape()
            time.sleep(0.1)
        assert bed.descriptors() <= descriptors + MOST
        assert bed.status("Threads") <= threads + 2
        assert bed.status("VmHWM") < 100 * 1024
        stack.close()
        wait_for(lambda: bed.descriptors() <= descriptors + 2)
        bed.scrape()
        spent = bed.seconds()
        time.sleep(1)
        assert bed.seconds() - spent < 0.2
        (warning,) = [line for line in bed.running.logged() if line["level"] != "info"]
        assert warning["message"].startswith("too many connections: ")


def test_clients_that_do_not_read_cost_bounded_memory(tmp_path: Path) -> None:
    with watched(tmp_path) as bed, contextlib.ExitStack() as stack:
        for _ in range(300):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", bed.running.port))
            sock.sendall(SCRAPE * 20)
        for _ in range(5):
            bed.scrape(within=5)  # in its turn after 300 others
        assert bed.status("VmHWM") < 100 * 1024
        stack.close()
        bed.scrape()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "server.key", "-out", folder / "server.crt"],
        check=True, capture_output=True, timeout=20)
    (folder / "web.yml").write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    return folder


class Trusting(Client):
    """A client over TLS."""

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(port)
        context = ssl.create_default_context(cafile=str(folder / "server.crt"))
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")


def hello(folder: Path) -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(folder / "server.crt"))
    shaking = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("part", [0, 1, 60, None], ids=["nothing", "a byte", "a part", "hello"])
def test_a_handshake_that_is_never_finished_holds_up_no_other(certificate: Path,
                                                              part: int | None) -> None:
    limits = replace(PATIENT, head_seconds=3)
    web = WebConfig.load(certificate / "web.yml")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(limits, lambda _: b"x" * 2**20, web))
        hostile = crowd(stack, port, 200, hello(certificate)[:part])
        kept = stack.enter_context(Trusting(port, certificate))
        for _ in range(10):
            began = time.monotonic()
            assert kept.ask(SCRAPE) == (200, b"x" * 2**20)
            with Trusting(port, certificate) as client:
                assert client.ask() == (200, b"healthy\n")
            assert time.monotonic() - began < QUICKLY
        for silent in hostile:
            with contextlib.suppress(ConnectionError):
                while silent.sock.recv(65536):
                    pass
        assert kept.ask() == (200, b"healthy\n")


@pytest.mark.parametrize("part", [1, 60, None])
def test_a_client_that_leaves_in_the_middle_of_a_handshake_costs_nothing(certificate: Path,
                                                                         part: int | None) -> None:
    web = WebConfig.load(certificate / "web.yml")
    with serving(web=web) as port:
        for _ in range(100):
            with Client(port) as client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
                client.sock.sendall(hello(certificate)[:part])
        with Trusting(port, certificate) as client:
            assert client.ask() == (200, b"healthy\n")


@pytest.mark.parametrize("late", [False, True], ids=["from the beginning", "later"])
def test_where_descriptors_are_few_there_is_still_one_for_a_scrape(tmp_path: Path,
                                                                   late: bool) -> None:
    """From the beginning connections get half of 64; later they find all of 64 taken."""
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(launched(*ANYWHERE, "--config", str(config)))
        pid = running.process.pid
        if not late:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        running.port = wait_for(lambda: announced_port(running), 20)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        bed = Watched(running, stack.enter_context(Client(running.port)))
        bed.scrape()
        hostile: list[Client] = []
        for _ in range(5):
            hostile += crowd(stack, running.port, 40)
            bed.scrape()
        assert bed.descriptors() <= (64 if late else 60)
        spent = bed.seconds()
        time.sleep(1)
        assert bed.seconds() - spent < 0.2
        stack.callback(bed.scrape)
        for client in hostile:
            client.sock.close()
    (warning,) = [line for line in running.logged() if line["level"] != "info"]
    assert warning["message"].startswith("too many connections: ")


def test_it_outlives_a_time_without_any_descriptor_and_does_not_spin(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    with started(*ANYWHERE, "--config", config) as running, contextlib.ExitStack() as stack:
        pid, (soft, hard) = running.process.pid, resource.prlimit(0, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, hard))
        waiting = crowd(stack, running.port, 20, HEALTHY)
        bed = Watched(running, waiting[0])
        spent = bed.seconds()
        time.sleep(2)
        assert bed.seconds() - spent < 0.4
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert [client.read() for client in waiting] == [(200, b"healthy\n")] * 20
        bed.scrape()
