"""What comes from outside reaches no terminal, log or page as it is, nor do the secrets of URLs."""

from __future__ import annotations

import json
import logging
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.cli import main
from inferometer.config import ConfigError, parse
from inferometer.logs import JsonFormatter
from inferometer.outside import as_json, for_log, masked, on_one_line, shown, without_secrets
from tests.exporter.process import ANYWHERE, command, started
from tests.exporter.support import Engine, get, send, wait_for

pytestmark = pytest.mark.timeout(60)
SECRET = "s3cr3t"

URLS = [
    (f"http://u:{SECRET}@host:80/x", "***@host:80/x"),
    (f"http://{SECRET}@host", "***@host"),
    (f"HTTPS://u:{SECRET}@[::1]:443/x", "***@[::1]:443/x"),
    (f"http://u:{SECRET}@x@host/", "***@host/"),
    (f"http://u:p/{SECRET}@host/", "http://***"),
    (f"http://u:p?{SECRET}@host/", "http://***"),
    (f"http://u:p#{SECRET}@host/", "http://***"),
    (f"http://host/?a=b@{SECRET}", "http://***"),
    (f"http://host:80/metrics?token={SECRET}", "http://host:80/metrics?***"),
    (f"http://host/#{SECRET}", "http://host/#***"),
    (f"socks5h://u:{SECRET}@proxy:1080", "***@proxy:1080"),
    ("http://host:80/metrics", "http://host:80/metrics"),
]


@pytest.mark.parametrize(("url", "safe"), [
    *URLS, (f"u:{SECRET}@host:80", "***@host:80"), (f"/login?{SECRET}", "/login?***"),
    (f"//u:{SECRET}@host/x", "***@host/x"), (f"host:80?token={SECRET}", "host:80?***"),
])
def test_a_url_is_shown_without_user_password_query_and_fragment(url: str, safe: str) -> None:
    assert masked(url) == safe
    assert masked(safe) == safe


@pytest.mark.parametrize(("url", "safe"), URLS)
@pytest.mark.parametrize("text", ["{}", "see '{}'.", 'at="{}", or', "({})", "x={}; y", "<{}>"])
def test_a_url_within_a_text_is_shown_in_the_same_way(text: str, url: str, safe: str) -> None:
    assert without_secrets(text.format(url)) == text.format(safe)


PART = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), max_size=8)


@settings(max_examples=300, deadline=None, database=None)
@given(PART, PART, PART, PART, st.sampled_from(["{}", "see {}, or", "'{}'"]))
def test_no_password_and_no_query_is_left_of_any_url(user: str, before: str, after: str,
                                                     query: str, text: str) -> None:
    for url in (f"http://{user}:{before}{SECRET}{after}@host:80/{query}",
                f"http://host:80/?{query}{SECRET}"):
        assert SECRET not in masked(url)
        assert SECRET not in shown(text.format(url))
        assert SECRET not in on_one_line(text.format(url))


@pytest.mark.parametrize(("text", "safe"), [
    (f"Authorization: Bearer {SECRET}.x==", "Authorization: Bearer ***"),
    (f"bearer {SECRET}", "bearer ***"), (f"Basic {SECRET}", "Basic ***"),
    ("the bearer token is no header's value", "the bearer token is no header's value"),
    ("why? mail ops@example.com", "why? mail ops@example.com"),
])
def test_credentials_of_http_are_not_shown(text: str, safe: str) -> None:
    assert without_secrets(text) == safe


def test_a_path_with_a_query_in_a_text_from_outside_is_shown_without_it() -> None:
    """Our own texts may tell of one."""
    text = f"Cannot GET /metrics?token={SECRET}"
    assert shown(text) == "Cannot GET /metrics?***"
    assert shown(f"/login?{SECRET}") == "/login?***"
    assert on_one_line("ask for /metrics?model=NAME") == "ask for /metrics?model=NAME"


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=50), st.integers(2, 60))
def test_any_text_is_shown_on_one_line_that_commands_no_terminal(text: str, most: int) -> None:
    assert shown(text, most).isprintable()
    assert len(shown(text, most)) <= most
    assert on_one_line(text).isprintable()


@pytest.mark.timeout(20)
def test_an_endless_text_is_shown_in_little_time() -> None:
    for piece in ("a", ":a", "://", "?=", "a@", "bearer ", "a!://?", "\x1b"):
        for end in ("", " @", "@"):
            assert len(shown(piece * (200_000 // len(piece)) + end)) <= 1000


JSON = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=9)


@settings(max_examples=300, deadline=None, database=None)
@given(JSON)
def test_json_has_nothing_that_cannot_be_seen_and_is_read_back_as_it_was(value: object) -> None:
    text = as_json(value)
    assert text.isprintable()
    assert json.loads(text) == value
    assert all(line.isprintable() for line in as_json(value, indent=2).split("\n"))


def test_every_text_of_a_log_line_is_without_secrets_and_bounded() -> None:
    try:
        raise ValueError(f"http://u:{SECRET}@host")
    except ValueError as error:
        record = logging.makeLogRecord({
            "msg": "asked %s", "args": (f"http://host/?{SECRET}",), "levelname": "INFO",
            "url": f"http://host/#{SECRET}", "list": [f"http://u:{SECRET}@host", 5, None, "\x7f"],
            "path": Path(f"http://u:{SECRET}@host"), "long": "x" * 10**6,
            "exc_info": (ValueError, error, None)})
    line = JsonFormatter().format(record)
    assert SECRET not in line
    assert line.isprintable()
    assert len(line) < 15_000
    assert json.loads(line)["list"] == ["***@host", 5, None, "\x7f"]
    assert for_log({"a": 1.5, "b": True}) == {"a": 1.5, "b": True}


def redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", 302, Location=f"http://u:{SECRET}@elsewhere/?token={SECRET}")


def echo(handler: BaseHTTPRequestHandler) -> None:
    send(handler, f"\x1b[2J Cannot GET {handler.path} \u202e".encode(), 404)


@pytest.mark.parametrize("behaviour", [redirect, echo])
def test_no_token_of_a_targets_url_is_shown_anywhere(behaviour: object) -> None:
    with Engine() as engine:
        engine.paths[f"/metrics?token={SECRET}"] = behaviour  # type: ignore[assignment]
        url = f"{engine.url}/metrics?token={SECRET}"
        with started(*ANYWHERE, "--engine", url) as running:
            page = running.scrape().text
            home = get(running.port, "/").text
            wait_for(lambda: any("engine   " in line for line in running.printed))
            wait_for(lambda: any("does not answer" in line for line in running.lines))
            said_anywhere = "".join([page, home, *running.printed, *running.lines])
        assert SECRET not in said_anywhere
        assert "\x1b" not in said_anywhere
        assert "\u202e" not in said_anywhere
        for form in ("--json", "--timeout=5"):
            done = command("explain", form, url)
            assert done.returncode == 1
            assert SECRET not in done.stdout + done.stderr
            assert all(line.isprintable() for line in done.stdout.splitlines())
            assert f"{engine.url}/metrics?***" in done.stdout


@pytest.mark.parametrize("arguments", [
    ("run", "--engine", f"http://u:{SECRET}@host"), ("run", "--engine", f"u:{SECRET}@host:80"),
    ("run", "--engine", f"ftp://host/?token={SECRET}"), ("run", f"http://u:{SECRET}@host"),
    ("run", "--listen", f"http://u:{SECRET}@host"), ("explain", f"http://u:{SECRET}@host"),
    ("explain", f"http://u:p/{SECRET}@host"), ("explain", f"ftp://host/?{SECRET}"),
])
def test_a_mistake_on_the_command_line_repeats_no_secret(
        arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = misused(*arguments)
    printed = "".join(capsys.readouterr())
    assert code == 2
    assert SECRET not in printed
    assert "inferometer" in printed


def misused(*arguments: str) -> object:
    """The exit code of a command in this process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("value", [url for url, _ in URLS if SECRET in url])
def test_a_mistake_in_a_file_repeats_no_secret(tmp_path: Path, value: str) -> None:
    url, key = json.dumps(value + "\x01"), json.dumps(value)
    text = f"engines: {{targets: [{{url: {url}}}]}}\nfleet: {{models: {{{key}: 5}}}}\n"
    with pytest.raises(ConfigError) as raised:
        parse(text, "file")
    lines = str(raised.value).splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() and SECRET not in line for line in lines)
