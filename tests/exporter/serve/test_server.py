from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import bcrypt
import pytest
from prometheus_client.openmetrics import parser as openmetrics

from inferometer.exposition import OPENMETRICS, TEXT
from inferometer.serve.metrics import timeout_of
from inferometer.serve.server import takes_gzip
from tests.exporter.process import ALONE, ANYWHERE, ready, started
from tests.exporter.support import (
    Engine,
    Exporter,
    Page,
    Response,
    exporter,
    fixture,
    get,
    send,
    wait_for,
)

pytestmark = pytest.mark.timeout(60)
PROMETHEUS_2_42 = ("application/openmetrics-text;version=1.0.0,"
                   "application/openmetrics-text;version=0.0.1;q=0.75,"
                   "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PROMETHEUS_3 = ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                "application/openmetrics-text;version=0.0.1;q=0.5,"
                "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
PROTOBUF_FIRST = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                  "encoding=delimited;q=0.7," + PROMETHEUS_3)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(fixture("vllm/0.32.0/busy.prom")) as engine:
        yield engine


@pytest.fixture(scope="module")
def server(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One exporter with a real engine's page, for all that does not change it."""
    config = tmp_path_factory.mktemp("server") / "inferometer.yml"
    config.write_text(f"gpu: {{enabled: false}}\nengines: {{targets: [url: '{engine.url}']}}\n")
    with exporter(config=config) as running:
        yield running


def alone(tmp_path: Path, extra: str = "") -> Path:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE + extra)
    return config


def raw(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection((host, port), timeout=10) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(65536):
                received += chunk
        return received


@pytest.mark.parametrize(("accept", "kind"), [
    (PROMETHEUS_2_42, OPENMETRICS),
    (PROMETHEUS_3, OPENMETRICS),
    (PROTOBUF_FIRST, OPENMETRICS),
    (None, TEXT),
    ("", TEXT),
    ("*/*", TEXT),
    ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
    ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1", TEXT),
    ("application/openmetrics-text;q=0.1,text/plain;q=0", OPENMETRICS),
    ("application/openmetrics-text;q=0,text/plain;q=0.1", TEXT),
    ("application/openmetrics-text", OPENMETRICS),
    ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", OPENMETRICS),
    ("application/openmetrics-text; version=0.0.1", OPENMETRICS),
    ("application/openmetrics-text; version=2.0.0", TEXT),
    ("application/openmetrics-text;q=much,text/plain;q=0.1", TEXT),
    ("image/png", TEXT),
])
def test_the_accept_header_chooses_the_format(server: Exporter, accept: str | None,
                                              kind: str) -> None:
    response = get(server.port, headers={} if accept is None else {"Accept": accept})
    assert (response.status, response.headers["Content-Type"]) == (200, kind)
    assert response.text.endswith("# EOF\n") == (kind == OPENMETRICS)


def test_the_accept_header_may_come_in_several_lines(server: Exporter) -> None:
    reply = raw(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Accept: text/plain;q=0.1\r\nAccept: application/openmetrics-text\r\n\r\n")
    assert OPENMETRICS.encode() in reply


def test_a_strict_openmetrics_parser_takes_the_whole_page(server: Exporter) -> None:
    text = get(server.port, headers={"Accept": PROMETHEUS_3}).text
    names = {sample.name
             for family in openmetrics.text_string_to_metric_families(  # type: ignore[no-untyped-call]
                 text)
             for sample in family.samples}
    assert {"llm_server_up", "llm_server_requests_total", "inferometer_build_info",
            "process_cpu_seconds_total", "python_info"} <= names


def test_both_formats_have_the_same_series(server: Exporter) -> None:
    plain = {(s.name, *s.labels.items()) for s in server.scrape().series}
    strict = {(s.name, *s.labels.items())
              for family in openmetrics.text_string_to_metric_families(  # type: ignore[no-untyped-call]
                  get(server.port, headers={"Accept": PROMETHEUS_3}).text)
              for s in family.samples}
    assert plain == strict


@pytest.mark.parametrize(("header", "takes"), [
    ("gzip", True),
    ("deflate, GZIP;q=0.5", True),
    ("gzip;q=1.000", True),
    ("*", True),
    (None, False),
    ("", False),
    ("identity", False),
    ("br, deflate", False),
    ("gzip;q=0", False),
    ("gzip; q=0.000", False),
    ("*;q=0", False),
    ("*, gzip;q=0", False),
    ("*;q=0, gzip", True),
])
def test_the_page_is_compressed_only_when_asked(server: Exporter, header: str | None,
                                                takes: bool) -> None:
    assert takes_gzip(header) == takes
    response = get(server.port, headers={} if header is None else {"Accept-Encoding": header})
    assert (response.headers.get("Content-Encoding") == "gzip") == takes
    body = gzip.decompress(response.body) if takes else response.body
    assert Page(body.decode()).value("llm_server_up") == 1.0


def test_a_short_answer_is_not_compressed(server: Exporter) -> None:
    response = get(server.port, "/-/healthy", headers={"Accept-Encoding": "gzip"})
    assert (response.text, response.headers.get("Content-Encoding")) == ("healthy\n", None)


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(server: Exporter, path: str) -> None:
    request_headers = {"Accept": PROMETHEUS_3, "Accept-Encoding": "gzip"}
    full = get(server.port, path, headers=request_headers)
    head = get(server.port, path, "HEAD", headers=request_headers)
    changing = ("Date", "Content-Length")
    assert (head.status, head.body) == (full.status, b"")
    assert head.headers.keys() == full.headers.keys()
    assert ({k: v for k, v in head.headers.items() if k not in changing}
            == {k: v for k, v in full.headers.items() if k not in changing})
    assert int(head.headers["Content-Length"]) > 0


def test_one_connection_serves_many_requests_whatever_they_are(server: Exporter) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for method, path, body, status in (
            ("GET", "/metrics", None, 200),
            ("GET", "/nothing", None, 404),
            ("HEAD", "/metrics", None, 200),
            ("POST", "/metrics", b"x" * 5000, 405),
            ("POST", "/nothing", b"GET / HTTP/1.1\r\n\r\n", 404),
            ("DELETE", "/metrics", None, 405),
            ("GET", "/metrics?collect[]=nothing", None, 400),
            ("GET", "/-/healthy", None, 200),
        ):
            connection.request(method, path, body=body)
            response = connection.getresponse()
            response.read()
            assert (method, path, response.status) == (method, path, status)
            assert connection.sock is first, f"closed after {method} {path}"


@pytest.mark.parametrize("headers", [
    b"Content-Length: 10000000\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: -1\r\n", b"Content-Length: many\r\n",
])
def test_after_a_body_that_is_not_read_the_connection_is_closed(server: Exporter,
                                                                headers: bytes) -> None:
    reply = raw(server.port, b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + headers
                + b"\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert reply.count(b"HTTP/1.1 ") == 1  # what was sent as a body is not taken for a request
    assert b"\r\nConnection: close\r\n" in reply


def test_http_1_0_gets_the_page_and_the_end_of_the_connection(server: Exporter) -> None:
    head, _, body = raw(server.port, b"GET /metrics HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert f"Content-Length: {len(body)}".encode() in head
    assert Page(body.decode()).value("llm_server_up") == 1.0


def test_300_connections_at_once_are_all_answered(server: Exporter) -> None:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 15))
                 for _ in range(300)]
        for sock in socks:
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert [sock.recv(15) for sock in socks] == [b"HTTP/1.1 200 OK"] * 300


def test_128_connections_wait_for_a_process_that_is_held_up(tmp_path: Path) -> None:
    with (started(*ANYWHERE, "--config", alone(tmp_path)) as running,
          contextlib.ExitStack() as stack):
        running.process.send_signal(signal.SIGSTOP)
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 5))
                 for _ in range(128)]
        running.process.send_signal(signal.SIGCONT)
        for sock in socks:
            sock.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert [sock.recv(15) for sock in socks] == [b"HTTP/1.1 200 OK"] * 128


@pytest.mark.parametrize(("request_", "status"), [
    (b"GET\r\n\r\n", 400),
    (b"GET /metrics HTTP/9.9\r\n\r\n", 505),
    (b"GET /metrics HTTP/one\r\n\r\n", 400),
    (b"GET http://[/metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 70000 + b"\r\n\r\n", 431),
    (b"BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"", None),
])
def test_a_bad_request_costs_its_own_connection_only(server: Exporter, request_: bytes,
                                                     status: int | None) -> None:
    reply = raw(server.port, request_)
    answered = re.match(rb"HTTP/1.1 (\d+) ", reply) or re.search(rb"Error code: (\d+)", reply)
    assert (int(answered[1]) if answered else None) == status
    assert get(server.port, "/-/healthy").status == 200
    assert server.process.poll() is None


def nosniff(reply: bytes) -> bool:
    return reply.count(b"\r\nX-Content-Type-Options: nosniff\r\n") == 1


@pytest.mark.parametrize("request_", [
    b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"GET http://[/metrics HTTP/1.0\r\n\r\n",
    b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
    *(b"%s HTTP/1.0\r\n\r\n" % line for line in (
        b"GET /metrics", b"GET /", b"GET /-/healthy", b"GET /-/ready", b"GET /nothing",
        b"POST /metrics", b"HEAD /metrics", b"BREW /", b"GET /metrics?collect[]=nothing")),
])
def test_no_answer_lets_a_browser_guess_its_type(server: Exporter, request_: bytes) -> None:
    assert nosniff(raw(server.port, request_))


@pytest.mark.parametrize("path", [
    "/metric", "/metrics/", "/Metrics", "/metrics/x", "/-/", "/-/reload", "/-/quit", "/favicon.ico",
    "/../etc/passwd", "/-/healthy/",
])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(server: Exporter, method: str, path: str) -> None:
    assert get(server.port, path, method).status == 404


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("POST", "/metrics", "GET, HEAD"),
    ("PUT", "/metrics", "GET, HEAD"),
    ("DELETE", "/-/healthy", "GET, HEAD"),
    ("PATCH", "/-/ready", "GET, HEAD"),
    ("OPTIONS", "/", "GET, HEAD"),
])
def test_a_wrong_method_is_refused_with_the_right_ones(server: Exporter, method: str, path: str,
                                                       allow: str) -> None:
    response = get(server.port, path, method)
    assert (response.status, response.headers["Allow"]) == (405, allow)


def test_where_reload_is_on_it_takes_post_and_put_only(tmp_path: Path) -> None:
    config = alone(tmp_path, "web: {enable_reload: true}\n")
    with started(*ANYWHERE, "--config", config) as running:
        response = get(running.port, "/-/reload")
        assert (response.status, response.headers["Allow"]) == (405, "POST, PUT")
        assert get(running.port, "/-/reload", "HEAD").status == 405
        for method in ("POST", "PUT"):
            assert get(running.port, "/-/reload", method).text == "reloaded\n"
            refused = get(running.port, "/-/reload", method, {"Origin": "https://evil.example"})
            assert refused.status == 403
        assert running.scrape().value("inferometer_config_reloads_total", result="success") == 2.0


def test_the_bare_address_links_to_what_there_is(server: Exporter) -> None:
    response = get(server.port, "/")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    links = re.findall(r'<a href="([^"#]+)"', response.text)
    assert {"metrics", "-/healthy", "-/ready"} <= set(links)
    assert {get(server.port, f"/{link.removeprefix('./')}").status for link in links} == {200}


def test_collect_chooses_collectors_and_exclude_leaves_them_out(server: Exporter) -> None:
    def collectors(query: str) -> set[str]:
        page = server.scrape(f"/metrics?{query}")
        return {s.labels["collector"] for s in page.find("inferometer_collector_success")
                if s.labels["collector"] in ("engines", "cost")}

    assert collectors("") == {"engines", "cost"}
    assert collectors("collect[]=cost") == {"cost"}
    assert collectors("collect%5B%5D=cost&collect[]=engines") == {"engines", "cost"}
    assert collectors("exclude[]=cost") == {"engines"}
    assert collectors("exclude[]=cost&exclude[]=engines") == set()
    assert collectors("other=1") == {"engines", "cost"}
    assert server.scrape("/metrics?collect[]=cost").find("llm_server_up") == []


@pytest.mark.parametrize("query", [
    "collect[]=nothing", "collect[]=cost&collect[]=nothing", "exclude[]=nothing", "collect[]=",
    "collect[]=gpu",  # switched off here
])
def test_an_unknown_collector_is_a_bad_request_that_names_the_known(server: Exporter,
                                                                    query: str) -> None:
    response = get(server.port, f"/metrics?{query}")
    assert response.status == 400
    assert response.text.startswith("unknown collector ")
    assert "; there are engines, cost" in response.text


def test_collect_and_exclude_together_are_a_bad_request(server: Exporter) -> None:
    response = get(server.port, "/metrics?collect[]=cost&exclude[]=engines")
    assert (response.status, response.text) == (
        400, "collect[] and exclude[] cannot be used together\n")


@pytest.mark.parametrize(("header", "seconds"), [
    ("10", 9.5), ("30.000000", 29.5), ("1", 0.8), ("0.3", 0.24), ("1e9", 119.5),
    (None, 9.5), ("0", 9.5), ("-1", 9.5), ("NaN", 9.5), ("inf", 9.5), ("soon", 9.5), ("", 9.5),
])
def test_the_timeout_header_leaves_time_for_the_way_back(header: str | None,
                                                         seconds: float) -> None:
    assert timeout_of(header) == pytest.approx(seconds)


@contextlib.contextmanager
def slow_engine(tmp_path: Path) -> Iterator[tuple[Exporter, Callable[[], None]]]:
    """An exporter with an engine that answers only once it is released."""
    released = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        released.wait(30)
        send(handler, fixture("vllm/0.32.0/idle.prom"))

    with Engine(answer) as engine:
        config = tmp_path / "inferometer.yml"
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{targets: [url: '{engine.url}'], timeout_seconds: 30}}\n")
        with exporter(config=config) as running:
            try:
                yield running, released.set
            finally:
                released.set()


@pytest.mark.parametrize("seconds", [0.3, 2])
def test_a_scrape_is_answered_within_its_timeout_though_an_engine_is_not(
        tmp_path: Path, seconds: float) -> None:
    with slow_engine(tmp_path) as (running, _):
        began = time.monotonic()
        page = running.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": str(seconds)})
        took = time.monotonic() - began
        assert took < max(seconds, 1.0)  # on a busy machine a third of a second is soon gone
        assert page.value("llm_server_up") == 0.0
        assert page.value("inferometer_collector_success", collector="engines") == 1.0


def test_a_timeout_that_makes_no_sense_is_taken_for_the_default(tmp_path: Path) -> None:
    with slow_engine(tmp_path) as (running, answer_now), ThreadPoolExecutor(6) as pool:
        pages = [pool.submit(running.scrape, **{"X-Prometheus-Scrape-Timeout-Seconds": header})
                 for header in ("0", "-1", "NaN", "inf", "soon", "")]
        time.sleep(1.0)
        assert not any(page.done() for page in pages)
        answer_now()
        assert [page.result().value("llm_server_up") for page in pages] == [1.0] * 6


def test_it_is_not_ready_before_the_first_look_has_ended(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        config = tmp_path / "inferometer.yml"
        config.write_text("gpu: {enabled: false}\nengines: {discover_ports: "
                          f"{[sock.getsockname()[1] for sock in silent]}}}\n")
        running = stack.enter_context(started(*ANYWHERE, "--config", config))
        response = get(running.port, "/-/ready")
        assert (response.status, response.text) == (503, "not ready\n")
        assert get(running.port, "/-/healthy").status == 200
        assert get(running.port, "/metrics").status == 200
        wait_for(lambda: get(running.port, "/-/ready").status == 200)


def test_what_was_ready_stays_ready(tmp_path: Path) -> None:
    config = alone(tmp_path)
    with started(*ANYWHERE, "--config", config) as running, \
            socket.create_server(("127.0.0.1", 0)) as silent:
        ready(running)
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{discover_ports: [{silent.getsockname()[1]}]}}\n")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: running.scrape().value("inferometer_config_reloads_total",
                                                result="success") == 1.0)
        assert get(running.port, "/-/ready").status == 200


def test_it_listens_on_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    with started("--config", alone(tmp_path)) as running:
        output = "".join([*running.printed, *running.lines])  # that it listens, or why it cannot
        assert "127.0.0.1:9839" in output


def test_loopback_is_not_reached_from_elsewhere(server: Exporter) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address, server.port), timeout=5)


def test_a_taken_port_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with started("--listen", address, "--config", alone(tmp_path)) as running:
            assert running.process.wait(10) == 1
            assert "".join(running.lines) == (
                f"inferometer: cannot listen on {address}: Address already in use\n")
            assert running.printed == []


@pytest.mark.parametrize("address", ["no.such.host.invalid:80", f"{'a' * 70}.b:80"])
def test_an_address_that_is_nowhere_ends_the_start_with_one_line(tmp_path: Path,
                                                                 address: str) -> None:
    with started("--listen", address, "--config", alone(tmp_path)) as running:
        assert running.process.wait(15) == 1
        assert len(running.lines) == 1
        assert running.lines[0].startswith(f"inferometer: cannot listen on {address}: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_and_soon_though_a_scrape_is_under_way(tmp_path: Path,
                                                            number: signal.Signals) -> None:
    with slow_engine(tmp_path) as (running, _):
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as scrape:
            scrape.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            running.process.send_signal(number)
            assert running.process.wait(2) == 0
        assert all(isinstance(line["message"], str) for line in running.logged())


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("listen", "hosts"), [
    ("[::1]:0", ["::1"]), (":0", ["::1", "127.0.0.1"]), ("[::]:0", ["::1", "127.0.0.1"]),
])
def test_it_listens_on_ipv6_too(tmp_path: Path, listen: str, hosts: list[str]) -> None:
    with started("--listen", listen, "--config", alone(tmp_path)) as running:
        assert f"http://[{'::1' if len(hosts) == 1 else '::'}]:" in running.printed[1]
        for host in hosts:
            reply = raw(running.port, b"GET /-/healthy HTTP/1.0\r\n\r\n", host)
            assert reply.endswith(b"\r\n\r\nhealthy\n")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
            check=True, capture_output=True, timeout=20)
    return folder


@pytest.fixture(scope="module")
def guarded(certificates: Path) -> Iterator[Exporter]:
    """An exporter that wants a certificate and a password."""
    password = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
    (certificates / "web.yml").write_text(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
        "  client_ca_file: client.crt\n  client_auth_type: RequireAndVerifyClientCert\n"
        f"basic_auth_users: {{alice: {password}}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n")
    config = certificates / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        yield running


def ask(running: Exporter, certificates: Path, authorization: str = "",
        client: str = "client", path: str = "/metrics") -> Response:
    context = ssl.create_default_context(cafile=str(certificates / "server.crt"))
    if client:
        context.load_cert_chain(certificates / f"{client}.crt", certificates / f"{client}.key")
    connection = http.client.HTTPSConnection("localhost", running.port, timeout=10,
                                             context=context)
    with contextlib.closing(connection):
        token = base64.b64encode(authorization.encode()).decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {token}"}
                           if authorization else {})
        response = connection.getresponse()
        return Response(response.status, dict(response.headers), response.read())


def test_the_right_certificate_and_password_get_the_page(guarded: Exporter,
                                                         certificates: Path) -> None:
    response = ask(guarded, certificates, "alice:wonderland")
    assert response.status == 200
    assert "inferometer_build_info" in response.text
    assert response.headers["X-Frame-Options"] == "deny"
    assert f"https://127.0.0.1:{guarded.port}/metrics" in "".join(guarded.printed)


@pytest.mark.parametrize("authorization", ["", "alice:looking-glass", "bob:wonderland", "alice"])
@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/", "/nothing"])
def test_nothing_is_served_without_the_password(guarded: Exporter, certificates: Path,
                                                authorization: str, path: str) -> None:
    response = ask(guarded, certificates, authorization, path=path)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Basic")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text == "unauthorized\n"


@pytest.mark.parametrize("client", ["", "server"])
def test_nothing_is_served_without_the_right_certificate(guarded: Exporter, certificates: Path,
                                                         client: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(guarded, certificates, "alice:wonderland", client)


def test_a_client_without_tls_gets_nothing_and_holds_up_nobody(guarded: Exporter,
                                                               certificates: Path) -> None:
    assert ask(guarded, certificates, "alice:wonderland").status == 200
    logged = list(guarded.lines)
    with contextlib.ExitStack() as stack:
        for words in (b"", b"\x16\x03", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", guarded.port), 5))
            sock.sendall(words)
        assert ask(guarded, certificates, "alice:wonderland").status == 200
        assert raw(guarded.port, b"GET /metrics HTTP/1.0\r\n\r\n")[:5] != b"HTTP/"
    assert guarded.lines == logged  # no event of ours
