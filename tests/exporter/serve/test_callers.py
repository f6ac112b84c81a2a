"""Crowds that ask, guess and wait: no scrape of who was let in fails, and health is told soon."""

from __future__ import annotations

import base64
import contextlib
import http.client
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import bcrypt
import pytest

from inferometer.app import SCRAPES
from inferometer.collector import Deadline
from inferometer.serve.connection import network_of
from inferometer.serve.lanes import MOST_WAITING, Lane
from inferometer.serve.routes import Received, Response, Route, text_response
from inferometer.serve.server import RETRY_SECONDS, Server
from inferometer.serve.web_config import WebConfig
from tests.exporter.crowd import (
    CROWDS,
    RIGHT,
    SCRAPE_SECONDS,
    Behaviour,
    answered,
    crowd,
    hold,
)
from tests.exporter.process import ALONE, ANYWHERE, messages, started
from tests.exporter.serve.test_connections import (
    HEALTHY,
    PATIENT,
    QUICKLY,
    SCRAPE,
    Client,
    Trusting,
    certificate,
    routes,
    serving,
)
from tests.exporter.serve.test_connections import (
    crowd as clients_of,
)
from tests.exporter.support import Engine, Exporter, fixture, in_thread, wait_for

pytestmark = pytest.mark.timeout(120)
__all__ = ["certificate"]  # a fixture
LEAST_COST, USUAL_COST, DEAR = 4, 10, 12  # of bcrypt; the last takes a quarter of a second


def users(folder: Path, cost: int = LEAST_COST, **passwords: str) -> Path:
    """A web configuration with these users; alice's is right unless said."""
    file = folder / "web.yml"
    hashes = {name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
              for name, password in ({"alice": "right"} | passwords).items()}
    file.write_text(f"basic_auth_users: {hashes}\n")
    return file


def asking(request: bytes, credentials: str = "alice:right") -> bytes:
    token = base64.b64encode(credentials.encode())
    return request.replace(b"Host", b"Authorization: Basic " + token + b"\r\nHost")


@contextlib.contextmanager
def hanging(web: WebConfig | None = None) -> Iterator[tuple[int, threading.Event, list[int]]]:
    """A server whose page comes once the gate is open; its port, the gate, and pages begun."""
    gate = threading.Event()
    begun: list[int] = []

    def page(_: Deadline) -> bytes:
        begun.append(1)
        gate.wait(30)
        return b"page\n"

    with serving(PATIENT, page, web) as port:
        try:
            yield port, gate, begun
        finally:
            gate.set()


def blocked(gate: threading.Event) -> Callable[[Received], Response]:
    def work(_: Received) -> Response:
        gate.wait(30)
        return text_response(http.HTTPStatus.OK, "done")

    return work


def in_turn(stack: contextlib.ExitStack, port: int, size: int, sent: bytes) -> list[Client]:
    """Clients that come one after the other."""
    clients = []
    for _ in range(size):
        clients += clients_of(stack, port, 1, sent)
        time.sleep(0.05)
    return clients


def test_beyond_what_may_wait_a_lane_refuses_at_once_and_says_when_to_come_again() -> None:
    gate = threading.Event()
    route = Route("/a", blocked(gate), lane=Lane(1, 3))
    with in_thread(Server("127.0.0.1", 0, [route, *routes()])) as port, \
            contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        waiting = clients_of(stack, port, 4, b"GET /a HTTP/1.1\r\n\r\n")
        time.sleep(0.2)
        for _ in range(50):
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/a")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (503, b"too many requests wait\n")
                assert answer.headers["Retry-After"] == str(RETRY_SECONDS)
                connection.request("GET", "/-/healthy")  # it may go on to ask
                assert connection.getresponse().status == 200
            assert time.monotonic() - began < QUICKLY
        gate.set()
        assert [client.read() for client in waiting] == [(200, b"done\n")] * 4


def test_connections_that_wait_in_a_lane_are_closed_for_new_ones_the_oldest_first() -> None:
    gate = threading.Event()
    route = Route("/a", blocked(gate), lane=Lane(1))
    limits = replace(PATIENT, connections=10)
    with in_thread(Server("127.0.0.1", 0, [route, *routes()], None, limits)) as port, \
            contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        waiting = in_turn(stack, port, 10, b"GET /a HTTP/1.1\r\n\r\n")
        for _ in range(3):
            with Client(port) as client:
                began = time.monotonic()
                assert client.ask() == (200, b"healthy\n")
                assert time.monotonic() - began < QUICKLY
            time.sleep(0.05)
        assert waiting[1].read() == (503, b"too many requests wait\n")
        assert waiting[1].ended()
        gate.set()
        assert waiting[0].read() == waiting[9].read() == (200, b"done\n")


def test_who_waits_for_a_turn_for_too_long_is_told() -> None:
    gate = threading.Event()
    route = Route("/a", blocked(gate), lane=Lane(1))
    limits = replace(PATIENT, turn_seconds=1)
    with in_thread(Server("127.0.0.1", 0, [route], None, limits)) as port, \
            contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        first, second = in_turn(stack, port, 2, b"GET /a HTTP/1.1\r\n\r\n")
        assert second.read() == (503, b"too many requests wait\n")
        gate.set()
        assert first.read() == (200, b"done\n")


def test_all_scrapes_that_wait_are_answered_though_there_are_many() -> None:
    with hanging() as (port, gate, begun), contextlib.ExitStack() as stack:
        scraping = clients_of(stack, port, 300, SCRAPE)
        wait_for(lambda: len(begun) == SCRAPES)
        with Client(port) as client:
            assert client.ask() == (200, b"healthy\n")
        gate.set()
        assert {client.read() for client in scraping} == {(200, b"page\n")}
        assert len(begun) <= 4 * SCRAPES


def test_a_scrape_in_a_hurry_spoils_no_page_of_who_has_time() -> None:
    times: list[float] = []
    gate = threading.Event()

    def page(deadline: Deadline) -> bytes:
        times.append(deadline.left())
        gate.wait(30)
        return b"%d\n" % (deadline.left() > 5)

    hasty = SCRAPE.replace(b"Host", b"X-Prometheus-Scrape-Timeout-Seconds: 2\r\nHost")
    with serving(PATIENT, page) as port, contextlib.ExitStack() as stack:
        clients_of(stack, port, SCRAPES, SCRAPE)
        wait_for(lambda: len(times) == SCRAPES)
        in_a_hurry = clients_of(stack, port, 5, hasty)
        patient = clients_of(stack, port, 5, SCRAPE)
        time.sleep(0.3)
        gate.set()
        assert {client.read()[0] for client in in_a_hurry} == {200}
        assert {client.read() for client in patient} == {(200, b"1\n")}


@pytest.mark.parametrize(("address", "network"), [
    ("127.0.0.1", "127.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"),
    ("2001:db8::ffff:2", "2001:db8::/64"), ("fe80::1%eth0", "fe80::/64"), ("odd", "odd"),
])
def test_callers_are_told_apart_by_what_one_of_them_may_have(address: str, network: str) -> None:
    assert network_of(address) == network


def test_who_asks_without_a_query_goes_before_all_variants_of_one() -> None:
    gate = threading.Event()
    asked: list[str] = []

    def work(received: Received) -> Response:
        asked.append(received.request.target)
        gate.wait(30)
        return text_response(http.HTTPStatus.OK, "done")

    route = Route("/a", work, lane=Lane(1), together=lambda received: str(received.query))
    with in_thread(Server("127.0.0.1", 0, [route])) as port, contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        targets = [b"/a?first", *(b"/a?%d" % number for number in range(9)), b"/a"]
        clients = [in_turn(stack, port, 1, b"GET %s HTTP/1.1\r\n\r\n" % target)[0]
                   for target in targets]
        gate.set()
        assert {client.read() for client in clients} == {(200, b"done\n")}
    assert asked[:3] == ["/a?first", "/a", "/a?0"]


def test_a_password_seen_for_the_first_time_holds_up_no_other_while_its_page_hangs(
        tmp_path: Path) -> None:
    web = WebConfig.load(users(tmp_path))
    with hanging(web) as (port, gate, begun), contextlib.ExitStack() as stack:
        scraping = clients_of(stack, port, 1, asking(SCRAPE))
        wait_for(lambda: begun)
        with Client(port) as client:
            assert client.ask(asking(HEALTHY, "alice:wrong"))[0] == 401
            assert client.ask(asking(HEALTHY))[0] == 200
        gate.set()
        assert scraping[0].read() == (200, b"page\n")


def guessing(number: int) -> bytes:
    return asking(HEALTHY, f"alice:wrong-{number}")


def test_who_needs_no_look_at_a_hash_is_answered_while_others_guess(tmp_path: Path) -> None:
    web = WebConfig.load(users(tmp_path, DEAR))
    with serving(web=web) as port, contextlib.ExitStack() as stack:
        friend = stack.enter_context(Client(port))
        assert friend.ask(asking(HEALTHY))[0] == 200
        assert friend.ask(asking(HEALTHY, "alice:wrong"))[0] == 401
        for number, client in enumerate(clients_of(stack, port, 30)):
            client.sock.sendall(guessing(number))
        time.sleep(0.2)
        for request, status in ((HEALTHY, 401), (asking(HEALTHY, "alice:wrong"), 401),
                                (asking(SCRAPE), 200), (asking(HEALTHY), 200)):
            with Client(port) as client:
                began = time.monotonic()
                assert client.ask(request)[0] == status
                assert time.monotonic() - began < QUICKLY / 2


def test_the_right_password_of_a_newcomer_goes_before_those_that_wait(tmp_path: Path) -> None:
    web = WebConfig.load(users(tmp_path, USUAL_COST))
    with serving(web=web) as port, contextlib.ExitStack() as stack:
        for number, client in enumerate(clients_of(stack, port, 3 * MOST_WAITING)):
            client.sock.sendall(guessing(number))
        time.sleep(0.3)
        with Client(port) as client:
            began = time.monotonic()
            assert client.ask(asking(SCRAPE))[0] == 200
            assert time.monotonic() - began < 3 * QUICKLY


@contextlib.contextmanager
def guarded(folder: Path, cost: int) -> Iterator[Exporter]:
    """A real exporter that wants alice's password."""
    users(folder, cost)
    config = folder / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        yield running


def reload(running: Exporter) -> None:
    before = len(messages(running, "configuration reloaded"))
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(messages(running, "configuration reloaded")) > before)


def seconds_for(port: int, request: bytes, status: int = 200) -> float:
    with Client(port) as client:
        began = time.monotonic()
        assert client.ask(request)[0] == status
        return time.monotonic() - began


def test_who_was_let_in_stays_so_over_a_reload_while_name_and_hash_are_the_same(
        tmp_path: Path) -> None:
    with guarded(tmp_path, DEAR) as running:
        slow = seconds_for(running.port, asking(HEALTHY))
        assert seconds_for(running.port, asking(HEALTHY)) < slow / 3
        with (tmp_path / "web.yml").open("a") as file:
            file.write("http_server_config: {headers: {X-Frame-Options: deny}}\n")
        reload(running)
        assert seconds_for(running.port, asking(HEALTHY)) < slow / 3
        users(tmp_path, DEAR, alice="other")
        reload(running)
        assert seconds_for(running.port, asking(HEALTHY), 401) > slow / 3
        assert seconds_for(running.port, asking(HEALTHY), 401) < slow / 3  # it is known to be wrong
        users(tmp_path, DEAR)
        reload(running)
        assert seconds_for(running.port, asking(HEALTHY)) > slow / 3


# Terms of connections.


def tls(folder: Path, **more: str) -> str:
    """The text of a web configuration with TLS and more keys of it."""
    pair = {"cert_file": str(folder / "server.crt"), "key_file": str(folder / "server.key")}
    return f"tls_server_config: {pair | more}\n"


def demanding(folder: Path) -> str:
    return tls(folder, client_ca_file=str(folder / "server.crt"),
               client_auth_type="RequireAndVerifyClientCert")


CHANGES: dict[str, tuple[Callable[[Path], str], Callable[[Path], str]]] = {
    "TLS": (lambda _: "", tls), "no TLS": (tls, lambda _: ""),
    "client certificates": (tls, demanding),
    "a version": (tls, lambda folder: tls(folder, min_version="TLS13")),
}


@contextlib.contextmanager
def under(text: str, folder: Path) -> Iterator[Exporter]:
    """A real exporter with this web configuration."""
    (folder / "web.yml").write_text(text)
    config = folder / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        yield running


def connected(stack: contextlib.ExitStack, running: Exporter, certificates: Path | None) -> Client:
    """A client, over TLS with these certificates."""
    client = Trusting(running.port, certificates) if certificates else Client(running.port)
    return stack.enter_context(client)


def answers(client: Client, request: bytes) -> bool:
    """Whether there is any answer to it."""
    try:
        client.ask(request)
    except (ConnectionError, ssl.SSLError):
        return False
    return True


@pytest.mark.parametrize("change", CHANGES)
def test_a_connection_made_under_other_terms_gets_no_answer_after_a_reload(
        tmp_path: Path, certificate: Path, change: str) -> None:
    before, after = (make(certificate) for make in CHANGES[change])
    with under(before, tmp_path) as running, contextlib.ExitStack() as stack:
        secure = certificate if before else None
        idle, half, asked = (connected(stack, running, secure) for _ in range(3))
        for client in (idle, asked):
            assert client.ask()[0] == 200
        half.sock.sendall(SCRAPE[:20])
        time.sleep(0.1)
        (tmp_path / "web.yml").write_text(after)
        reload(running)
        assert idle.ended(1)
        assert not answers(half, SCRAPE[20:])
        assert not answers(asked, SCRAPE)


def test_a_connection_goes_on_where_a_reload_asks_for_the_same(tmp_path: Path,
                                                               certificate: Path) -> None:
    with under(demanding(certificate).replace("RequireAnd", "").replace("Cert'", "CertIfGiven'"),
               tmp_path) as running, contextlib.ExitStack() as stack:
        client = connected(stack, running, certificate)
        assert client.ask()[0] == 200
        with (tmp_path / "web.yml").open("a") as file:
            file.write("http_server_config: {headers: {X-Frame-Options: deny}}\n")
        reload(running)
        assert client.ask()[0] == 200
        users(tmp_path)
        (tmp_path / "web.yml").write_text(
            (tmp_path / "web.yml").read_text() + demanding(certificate).replace(
                "RequireAnd", "").replace("Cert'", "CertIfGiven'"))
        reload(running)
        assert client.ask()[0] == 401  # users are checked each time


def test_renewed_authorities_end_what_was_connected_under_others(tmp_path: Path,
                                                                 certificate: Path) -> None:
    authorities = tmp_path / "ca.crt"
    authorities.write_bytes((certificate / "server.crt").read_bytes())
    text = tls(certificate, client_ca_file=str(authorities),
               client_auth_type="VerifyClientCertIfGiven")
    with under(text, tmp_path) as running, contextlib.ExitStack() as stack:
        client = connected(stack, running, certificate)
        assert client.ask()[0] == 200
        authorities.write_bytes(authorities.read_bytes() * 2)
        assert not answers(client, HEALTHY)
        assert connected(stack, running, certificate).ask()[0] == 200


def test_who_waits_for_a_turn_when_the_terms_change_gets_no_answer(tmp_path: Path,
                                                                   certificate: Path) -> None:
    gate = threading.Event()
    server = Server("127.0.0.1", 0, routes(lambda _: b"page\n" if gate.wait(30) else b""), None,
                    PATIENT)
    with in_thread(server) as port, contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        scraping = clients_of(stack, port, SCRAPES, SCRAPE)
        time.sleep(0.2)
        (waiting,) = clients_of(stack, port, 1, SCRAPE)
        time.sleep(0.2)
        server.web = WebConfig.load(certificate / "web.yml")
        gate.set()
        assert waiting.ended()
        for client in scraping:  # what was under way is answered, and that is all
            assert client.read() == (200, b"page\n")
            assert client.ended()


# The same with many, at a real exporter beside an engine that hangs.


@contextlib.contextmanager
def beside_a_hung_engine(folder: Path, web: str = "") -> Iterator[Exporter]:
    released = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        released.wait(90)

    with Engine(hang) as hung, Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        config = folder / "inferometer.yml"
        targets = f"[{{url: '{hung.url}'}}, {{url: '{engine.url}'}}]"
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{timeout_seconds: 2, targets: {targets}}}\n{web}")
        with started(*ANYWHERE, "--config", config) as running:
            try:
                yield running
            finally:
                released.set()


@pytest.mark.heavy
@pytest.mark.parametrize("name", CROWDS)
def test_600_clients_fail_no_scrape_and_health_is_told_within_a_second(tmp_path: Path,
                                                                       name: str) -> None:
    guess = CROWDS[name].guess
    if guess:
        users(tmp_path, USUAL_COST)
    web = "web: {config_file: web.yml}\n" if guess else ""
    with beside_a_hung_engine(tmp_path, web) as running:
        hold(running.port, guess, seconds=1)
        with crowd(running.port, 600, CROWDS[name]):
            assert hold(running.port, guess, seconds=6) >= 2
            if guess:
                reload(running)
                assert hold(running.port, guess, seconds=2) >= 1


@pytest.mark.heavy
@pytest.mark.parametrize("act", ["ask", "reconnect", "half"])
def test_600_clients_over_tls_fail_no_scrape_and_health_is_told_within_a_second(
        tmp_path: Path, certificate: Path, act: str) -> None:
    file = users(tmp_path, USUAL_COST)
    file.write_text(file.read_text() + tls(certificate))
    with beside_a_hung_engine(tmp_path, "web: {config_file: web.yml}\n") as running:
        hold(running.port, "own", seconds=1, secure=True)
        with crowd(running.port, 600, Behaviour(act, "/", "other", tls=True)):
            assert hold(running.port, "own", seconds=6, secure=True) >= 2


@pytest.mark.heavy
def test_a_first_scrape_is_let_in_though_600_clients_guess(tmp_path: Path) -> None:
    users(tmp_path, USUAL_COST)
    with beside_a_hung_engine(tmp_path, "web: {config_file: web.yml}\n") as running, \
            crowd(running.port, 600, Behaviour("ask", "/metrics", "other")) as clients:
        wait_for(lambda: clients.counts().get("503", 0) > 600)
        took, _ = answered(running.port, "/metrics", RIGHT, secure=False)
        assert took < SCRAPE_SECONDS
        assert hold(running.port, "other", seconds=2) >= 1


def test_a_crowd_of_clients_tells_what_it_was_answered() -> None:
    """Else the tests above could not fail."""
    with serving() as port, crowd(port, 5, Behaviour("pipeline", "/nothing")) as clients:
        wait_for(lambda: clients.counts().get("404", 0) > 100)
        assert {*clients.counts()} <= {"404", "0"}
