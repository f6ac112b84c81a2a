"""`inferometer status`: an exporter's problems in a terminal, and an exit code for scripts."""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from inferometer import __version__
from inferometer.cli import main
from inferometer.cli.status_report import as_lines, read_report
from inferometer.documents.readers import read_json
from inferometer.serve.routes import JSON, Response, Route
from inferometer.serve.server import Server
from inferometer.serve.web_config import WebConfig
from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import Engine, fixture, free_port, get, in_thread, send

pytestmark = pytest.mark.timeout(60)
SECRET = "s3cr3t"
FINE: dict[str, Any] = {"version": "0.1.0", "demo": False, "status": "ok",
                        "watching": {"gpus": 6, "engines": 4}, "problems": []}
LOST = {"state": "problem", "subject": "GPU 3", "text": "Lost: GPU is lost",
        "since": "2026-11-29T18:00:00Z", "alert": "GpuLost",
        "runbook": "runbook#gpulost", "severity": "critical"}
SLOW = {"state": "over_limit", "subject": "chat", "text": "p95 of a request 12 s, limit 10 s",
        "since": "2026-11-29T20:00:00+00:00", "alert": "RequestsSlow", "severity": "warning",
        "runbook": "https://example.org/r.md#slow"}
INFO = {**SLOW, "severity": "info", "alert": "", "runbook": ""}
TROUBLED = {**FINE, "status": "problem", "problems": [LOST, SLOW]}
NOW = datetime(2026, 11, 30, 0, 3, tzinfo=UTC).timestamp()


@pytest.fixture
def exporter() -> Iterator[Engine]:
    with Engine() as serving:
        serving.paths["/status"] = json.dumps(FINE)
        yield serving


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["status", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def lines_of(answer: dict[str, Any]) -> list[str]:
    top = read_json(json.dumps(answer).encode())
    report = read_report(top)
    top.document.finish()
    return list(as_lines("http://a:9839", report, NOW))


def test_without_problems_it_is_a_line_and_0(
        exporter: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, exporter.url) == (
        0, f"{exporter.url}  Inferometer 0.1.0: no problems; watching 6 GPUs and 4 engines\n", "")


def test_problems_are_listed_with_how_long_they_last_and_where_to_look() -> None:
    assert lines_of(TROUBLED) == [
        "http://a:9839  Inferometer 0.1.0: 1 problem, 1 over its limit; watching 6 GPUs and 4 "
        "engines",
        "  critical  problem         GPU 3  Lost: GPU is lost",
        "    for 6 h 3 min  GpuLost  http://a:9839/runbook#gpulost",
        "  warning   over its limit  chat   p95 of a request 12 s, limit 10 s",
        "    for 4 h 3 min  RequestsSlow  https://example.org/r.md#slow"]


def test_what_is_for_information_is_listed_and_is_no_problem(
        exporter: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    exporter.paths["/status"] = json.dumps({**FINE, "problems": [INFO]})
    code, printed, _ = asked(capsys, exporter.url)
    first, second, *_ = printed.splitlines()
    assert code == 0
    assert ": no problems; watching" in first
    assert second.startswith("  info  over its limit  chat  p95 of a request")


@pytest.mark.parametrize(("answer", "code"), [
    (FINE, 0), (TROUBLED, 1), ({**TROUBLED, "status": "over_limit", "problems": [SLOW]}, 1),
    ({**FINE, "demo": True}, 0), ({**FINE, "watching": {}, "a newer key": [1]}, 0),
])
def test_the_exit_code_says_whether_there_are_problems(
        exporter: Engine, capsys: pytest.CaptureFixture[str], answer: dict[str, Any],
        code: int) -> None:
    exporter.paths["/status"] = json.dumps(answer)
    for url in (exporter.url, f"{exporter.url}/", f"{exporter.url}/status"):
        assert asked(capsys, url)[0] == code
    code_of_json, printed, _ = asked(capsys, "--json", exporter.url)
    assert (code_of_json, json.loads(printed)) == (code, answer)


def test_a_demo_is_called_one_and_nothing_watched_is_said_so() -> None:
    assert lines_of({**FINE, "demo": True, "watching": {}}) == [
        "http://a:9839  Inferometer 0.1.0, a demo: no problems; watching nothing"]


def changed(*path: Any, to: Any) -> dict[str, Any]:
    answer = copy.deepcopy(TROUBLED)
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return answer


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TROUBLED.items() if name != key}


@pytest.mark.parametrize(("answer", "why"), [
    ("no JSON", "the body is not JSON"), ([], "the body must be an object"),
    (without("status"), "status is missing"), (without("problems"), "problems is missing"),
    (without("watching"), "watching is missing"),
    (changed("status", to="fine"), 'status must be one of "ok", "over_limit", "problem", not'),
    (changed("watching", "gpus", to="6"), 'watching.gpus must be a whole number, not "6"'),
    (changed("problems", 0, "state", to="ok"), 'problems[0].state must be "problem" or'),
    (changed("problems", 0, "subject", to=3), "problems[0].subject must be text, not 3"),
    (changed("problems", 0, "since", to="noon"), "problems[0].since must be a time with its zone"),
    (changed("problems", 1, "since", to="2026-11-29T18:00:00"), "must be a time with its zone"),
])
def test_what_is_no_status_is_2_and_names_the_key(
        exporter: Engine, capsys: pytest.CaptureFixture[str], answer: Any, why: str) -> None:
    exporter.paths["/status"] = answer if isinstance(answer, str) else json.dumps(answer)
    code, printed, complaint = asked(capsys, exporter.url)
    assert (code, printed) == (2, "")
    assert complaint.startswith(f"inferometer: {exporter.url} answers with no status: ")
    assert why in complaint
    assert complaint.count("\n") == 1


def test_who_cannot_be_asked_is_2(exporter: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert asked(capsys, nobody) == (
        2, "", f"inferometer: {nobody} cannot be asked: connection refused\n")
    del exporter.paths["/status"]
    assert asked(capsys, exporter.url)[2] == (
        f"inferometer: {exporter.url} cannot be asked: HTTP status 404: no such path: no exporter, "
        "or an older one\n")
    # What `wait` returns is nobody's business.
    exporter.paths["/status"] = lambda handler: threading.Event().wait(3)  # type: ignore[assignment]
    assert asked(capsys, "--timeout", "0.2", exporter.url)[2].endswith(
        "no full answer within 0.2 s\n")
    exporter.paths["/status"] = lambda handler: send(handler, b" " * 5 * 2**20)
    assert asked(capsys, exporter.url)[2].endswith("the page is larger than 4194304 bytes\n")


@pytest.mark.parametrize("foreign", ["\x1b[2J\x1b]0;x\x07", "a\nb\r", "\u202e", "x" * 10**5])
def test_no_foreign_text_commands_the_terminal(foreign: str) -> None:
    texts = {key: foreign for key in ("subject", "text", "alert", "runbook")}
    answer = {**TROUBLED, "version": foreign, "watching": {foreign: 1},
              "problems": [{**LOST, **texts}]}
    lines = lines_of(answer)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 6000


def test_what_json_prints_commands_no_terminal_either(
        exporter: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    exporter.paths["/status"] = json.dumps(changed("problems", 0, "text", to="\x1b[2J\u202e"))
    _, printed, _ = asked(capsys, "--json", exporter.url)
    assert all(line.isprintable() for line in printed.splitlines())


def test_no_password_stands_in_a_url_or_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", f"http://u:{SECRET}@host"])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert "'***@host' is not an http:// or https:// URL without user" in captured.err
    assert SECRET not in captured.err


@pytest.mark.parametrize(("arguments", "why"), [
    (("--user", "u"), "--user: needs --password-file"),
    (("--password-file", "pw"), "--password-file: needs --user"),
    (("--user", "u", "--password-file", "/nowhere"), "/nowhere: No such file or directory"),
    (("--cert-file", "/nowhere"), "--cert-file: /nowhere: No such file or directory"),
])
def test_flags_that_cannot_be_are_2(capsys: pytest.CaptureFixture[str],
                                    arguments: tuple[str, ...], why: str) -> None:
    code, printed, complaint = asked(capsys, *arguments)
    assert (code, printed) == (2, "")
    assert why in complaint


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that speaks TLS with a certificate of its own and has a user."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj",
         "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=30)
    hashed = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: cert.pem"
        "\n  client_auth_type: RequireAndVerifyClientCert\n"
        f"basic_auth_users: {{ops: '{hashed}'}}\n")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    answer = Response(HTTPStatus.OK, json.dumps(FINE).encode(), JSON)
    server = Server("127.0.0.1", 0, [Route("/status", lambda _: answer)],
                    WebConfig.load(tmp_path / "web.yml"))
    with in_thread(server) as port:
        yield f"https://127.0.0.1:{port}"


def test_an_exporter_with_tls_users_and_client_certificates_is_asked(
        guarded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    login = ("--user", "ops", "--password-file", str(tmp_path / "password"))
    tls = ("--ca-file", str(tmp_path / "cert.pem"), "--cert-file", str(tmp_path / "cert.pem"),
           "--key-file", str(tmp_path / "key.pem"))
    assert asked(capsys, *login, *tls, guarded)[0] == 0
    code, _, complaint = asked(capsys, *tls, guarded)
    assert (code, complaint) == (2, f"inferometer: {guarded} cannot be asked: HTTP status 401: "
                                    "unauthorized: give --user and --password-file\n")
    assert "the certificate is signed by itself" in asked(capsys, *login, guarded)[2]
    assert asked(capsys, *login, "--insecure-skip-verify", *tls[2:], guarded)[0] == 0
    (tmp_path / "password").write_text("wrong")
    code, _, complaint = asked(capsys, *login, *tls, guarded)
    assert (code, "HTTP status 401" in complaint) == (2, True)


def test_the_password_goes_as_http_basic_has_it(
        exporter: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text("p:w ö\n")
    asked(capsys, "--user", "ops", "--password-file", str(tmp_path / "password"), exporter.url)
    sent = exporter.asked[-1][1]["Authorization"]
    assert re.fullmatch(r"Basic [\w+/=]+", sent)
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "ops:p:w ö"


def test_a_real_exporter_tells_its_problems(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "inferometer.yml"
    with Engine(fixture("vllm/0.32.0/idle.prom")) as engine:
        config.write_text("gpu: {enabled: false}\nengines: {targets: [{name: chat, "
                          f"url: '{engine.url}'}}]}}\n")
        with started(*ANYWHERE, "--config", config) as running:
            url = f"http://127.0.0.1:{ready(running).port}"
            assert asked(capsys, url) == (
                0, f"{url}  Inferometer {__version__}: no problems; watching 1 "
                   "engine\n", "")
            engine.serve(lambda handler: send(handler, "busy", 503))
            code, printed, _ = asked(capsys, url)
            assert code == 1
            assert re.search(r"^  \w+ +problem +chat +Down: HTTP status 503: busy$", printed,
                             re.MULTILINE)
            link = re.search(rf"{url}(/runbook)#(\w+)$", printed, re.MULTILINE)
            assert link
            assert f'id="{link[2]}"' in get(running.port, link[1]).text
