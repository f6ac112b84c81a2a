"""An error is said in plain words, wherever it shows; the errors here are real ones."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import sqlite3
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inferometer.cli import main
from inferometer.documents.readers import read_yaml
from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError
from inferometer.logs import JsonFormatter, TextFormatter
from inferometer.outside import masked
from inferometer.reasons import LONGEST_REASON, reason_of
from tests.exporter.engines.raw import serving_raw
from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import Engine, free_port, get, wait_for

pytestmark = pytest.mark.timeout(60)
# Words of Python, its libraries and theirs that are no help to who reads them.
PYTHON = re.compile(r"Traceback|Errno|errno|_ssl|\[SSL|gaierror|\b\w+(Error|Exception)\b|urlopen"
                    r"|<\w+ object|NoneType|\bcodec\b|RpcError|StatusCode|<stream end>|<block")


def plain(text: str) -> str:
    """The text, which has none of these words."""
    assert not PYTHON.search(text), PYTHON.search(text)
    return text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for another name, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj",
         "/CN=elsewhere", "-addext", "subjectAltName=DNS:elsewhere"],
        check=True, capture_output=True, timeout=30)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@contextlib.contextmanager
def serving_tls(file: Path, demand: bool = False) -> Iterator[str]:
    """The URL of a server that shakes hands and hangs up; it may demand a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if demand:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(file)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    sock = listener.accept()[0]
                    sock.settimeout(5)
                    with contextlib.suppress(OSError), context.wrap_socket(
                            sock, server_side=True) as wrapped:
                        wrapped.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def why(url: str, access: Access | None = None) -> str:
    with pytest.raises(PageError) as caught:
        fetch(url, access or Access(), 5)
    return plain(str(caught.value))


def test_a_connection_that_is_not_had_is_explained_in_plain_words() -> None:
    assert why(f"http://127.0.0.1:{free_port()}/metrics") == "connection refused"
    assert re.fullmatch("no host has this name|the name cannot be resolved now: no name server "
                        "answers", why("http://nowhere.invalid/metrics"))
    assert why(f"http://{'a' * 70}.example/metrics") == "the name of the host is none"
    with serving_raw(reset) as url:
        assert why(url) in ("the connection was reset", "closed without an answer")


def test_a_certificate_that_is_not_trusted_is_explained_in_plain_words(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving_tls(certificate) as url:
        assert why(url) == ("the certificate is signed by itself, and no authority that is "
                            "trusted")
        assert why(url, Access(tls=trusting)) == (
            "the certificate is for another address than the one that was asked")
        assert why(url.replace("127.0.0.1", "localhost"), Access(tls=trusting)) == (
            "the certificate is for another name than the one that was asked")


def test_two_who_do_not_agree_on_tls_are_told_so(certificate: Path) -> None:
    with serving_raw(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        assert why(url.replace("http:", "https:")) == (
            "what answers does not speak TLS: is it http:// and not https://?")
    with serving_raw(lambda sock: None) as url:
        assert why(url.replace("http:", "https:")) in (
            "the connection was closed in the midst of TLS", "the connection was reset")
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with serving_tls(certificate, demand=True) as url:
        assert why(url, Access(tls=careless)) in (  # its alert may be lost as it hangs up
            "a client's certificate is asked for", "the connection was reset",
            "the connection was closed in the midst of TLS")


def failing(job: Callable[[], object]) -> Exception:
    try:
        job()
    except Exception as error:  # whatever it is, its words are what is tested
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(("job", "words"), [
    (lambda: Path("/nowhere").read_bytes(), "No such file or directory"),
    (lambda: Path("/").read_bytes(), "Is a directory"),
    (lambda: socket.create_connection(("127.0.0.1", 1), 1), "connection refused"),
    (lambda: zlib.decompress(b"x"), "what came cannot be unpacked"),
    (lambda: b"\xff".decode(), "it is not UTF-8"),
    (lambda: os.environ["NO_SUCH"], "unforeseen key error: 'NO_SUCH'"),
    (lambda: 1 // 0, "unforeseen zero division error: integer division or modulo by zero"),
    (lambda: sqlite3.connect("/nowhere/x.db"), "it cannot be opened"),
    (lambda: sqlite3.connect("/etc/passwd").execute("SELECT 1 FROM x"), "it is damaged"),
    (lambda: sqlite3.connect(":memory:").executescript(
        "PRAGMA max_page_count=1; CREATE TABLE x (y); CREATE TABLE z (y)"), "the disk is full"),
    (lambda: [].pop(), "unforeseen index error: pop from empty list"),
])
def test_every_kind_of_error_has_words(job: Callable[[], object], words: str) -> None:
    assert plain(reason_of(failing(job))) == words


def test_a_reason_is_one_line_and_bounded() -> None:
    reason = reason_of(ValueError("one\ntwo " + "x" * 10**6))
    assert reason.startswith("unforeseen value error: one two x")
    assert len(reason) == LONGEST_REASON


@pytest.mark.parametrize(("text", "words"), [
    ("a: b: c", "a colon stands where none may be; put text with a colon in quotes"),
    ("a: [1, 2", "a bracket is not closed by ]"),
    ("a: 'x", "quotes are not closed"),
    ("a:\n  - b\n c: 1", "this line is indented otherwise than those it belongs to, or lacks its "
                         "dash or colon"),
    ("a: @x", "put text that begins with @ in quotes"),
    ("a: &x\n b: *y", "*y stands for nothing in this file; put text that begins with * in quotes"),
    ("? a\n: - b\n  c", "a key has no colon behind it"),
    ("a: }", "a value is missing before }"),
])
def test_what_is_no_yaml_is_explained_without_a_parsers_words(text: str, words: str) -> None:
    error = read_yaml(text, "x.yml").document.error()
    assert error
    assert plain(str(error)).endswith(f": is not YAML: {words}")


def logged(form: logging.Formatter, error: Exception) -> str:
    return form.format(logging.makeLogRecord({
        "msg": "it failed", "levelname": "ERROR", "exc_info": (type(error), error,
                                                               error.__traceback__)}))


@pytest.mark.parametrize("form", [JsonFormatter(), TextFormatter()])
def test_a_line_about_what_is_unforeseen_says_where_it_came_up(form: logging.Formatter) -> None:
    # A number is no text: the mistake is on purpose.
    line = plain(logged(form, failing(lambda: masked(5))))  # type: ignore[arg-type]
    assert "unforeseen" in line
    assert re.search(r"outside\.py:\d+ < .*test_reasons\.py:\d+", line)


def test_the_traceback_is_for_debug_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    error = failing(lambda: 1 // 0)
    assert "exception" not in json.loads(logged(JsonFormatter(), error))
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    # What a level enables is remembered; logging has no other way to forget it.
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
    assert "Traceback" in json.loads(logged(JsonFormatter(), error))["exception"]


def test_log_page_explain_and_stderr_say_all_of_it_in_plain_words(
        certificate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.ExitStack() as stack:
        urls = {
            "refused": f"http://127.0.0.1:{free_port()}", "nameless": "http://nowhere.invalid",
            "untrusted": stack.enter_context(serving_tls(certificate)),
            "plain": stack.enter_context(Engine("x 1\n")).url.replace("http:", "https:"),
            "resetting": stack.enter_context(serving_raw(reset)),
            "foreign": stack.enter_context(serving_raw(lambda sock: sock.sendall(b"SSH-2.0\r\n"))),
        }
        config = tmp_path / "inferometer.yml"
        config.write_text(json.dumps({
            "gpu": {"kubelet_socket": str(tmp_path / "kubelet.sock")},
            "engines": {"targets": [{"name": name, "url": url} for name, url in urls.items()]}}))
        with started(*ANYWHERE, "--config", config) as running:
            for _ in range(2):
                ready(running).scrape()
            page = get(running.port, "/").text
            wait_for(lambda: sum("does not answer" in line for line in running.lines) >= len(urls))
            assert running.stop() == 0
            lines = "".join([*running.printed, *running.lines])
        for url in urls.values():
            assert main(["explain", url]) == 1
    for text in (lines, re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL),
                 "".join(capsys.readouterr())):
        plain(text)
        for words in ("connection refused", "signed by itself", "does not speak TLS"):
            assert words in text
    assert "the kubelet cannot be reached: No such file or directory" in lines
