"""Lines of the log: for people on a terminal, JSON elsewhere; the last one says why it ended."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from inferometer.logs import LONGEST_LINE, JsonFormatter, TextFormatter, formatter_for
from tests.exporter.process import ALONE, ANYWHERE, COMMAND, ready, started
from tests.exporter.terminal import on_a_terminal

pytestmark = pytest.mark.timeout(60)
SECRET = "s3cr3t"
ESCAPE = "\x1b"


def text_of(message: str, /, *, coloured: bool = False, **extra: Any) -> str:
    return TextFormatter(coloured).format(logging.makeLogRecord({
        "msg": message, "levelname": "WARNING", "created": 0.0, **extra}))


def test_a_line_for_a_person_is_time_level_message_and_pairs() -> None:
    line = text_of("engine does not answer", target="chat", why="connection refused", tries=3)
    assert re.fullmatch(r"19(69|70)-\d\d-\d\d \d\d:\d\d:00 warning engine does not answer  "
                        r'target=chat why="connection refused" tries=3', line)


def test_what_is_empty_is_left_out_and_lists_are_json() -> None:
    line = text_of("m", model="", engine=None, ports=[1, "a b"], quoted='say "x"', equals="a=b")
    assert line.partition("  ")[2] == r'ports=[1, "a b"] quoted="say \"x\"" equals="a=b"'


@pytest.mark.parametrize("foreign", [
    f"{ESCAPE}[2J", f"{ESCAPE}]0;title\x07", "a\nb", "a\rb", "\u202e", "\x7f", "x" * 10**6])
def test_no_line_commands_a_terminal_however_long_it_is(foreign: str) -> None:
    # Any names may be extras; the checker takes them for the other arguments.
    line = text_of(f"it says {foreign}", **{"why": foreign, f"key{foreign}": [foreign]})  # type: ignore[arg-type]
    assert line.isprintable()
    assert len(line) <= LONGEST_LINE


def test_no_line_for_a_person_has_a_secret_of_a_url() -> None:
    line = text_of(f"asked http://host/?{SECRET}", url=f"http://u:{SECRET}@host",
                   urls=[f"http://host/#{SECRET}"])
    assert SECRET not in line


def test_colours_are_of_the_level_and_of_keys_alone() -> None:
    line = text_of("it failed", coloured=True, why="x")
    assert f"{ESCAPE}[33mwarning{ESCAPE}[0m it failed  {ESCAPE}[2mwhy={ESCAPE}[0mx" in line


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "form", "environ", "expected"), [
    (Tty(), "auto", {}, "colours"), (Tty(), "text", {}, "colours"), (Tty(), "json", {}, "json"),
    (Tty(), "auto", {"NO_COLOR": "1"}, "text"), (Tty(), "auto", {"NO_COLOR": ""}, "colours"),
    (Tty(), "auto", {"TERM": "dumb"}, "text"), (io.StringIO(), "auto", {}, "json"),
    (io.StringIO(), "text", {}, "text"),
])
def test_the_form_goes_by_the_flag_the_terminal_and_no_color(
        stream: io.StringIO, form: str, environ: dict[str, str], expected: str) -> None:
    made = formatter_for(stream, form, environ)
    line = made.format(logging.makeLogRecord({"msg": "m", "levelname": "ERROR"}))
    kind = "json" if isinstance(made, JsonFormatter) else "colours" if ESCAPE in line else "text"
    assert kind == expected


@pytest.mark.parametrize(("number", "why"), [
    (signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C (SIGINT)")])
def test_the_last_line_says_why_and_after_how_long_it_stopped(
        tmp_path: Path, number: signal.Signals, why: str) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    with started(*ANYWHERE, "--config", config) as running:
        ready(running)
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
        running.read_out()
        last = json.loads(running.lines[-1])
    assert (last["level"], last["message"], last["why"]) == ("info", "stopped", why)
    assert re.fullmatch(r"\d+ s", last["after"])


def test_on_a_terminal_the_log_is_for_people_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    arguments = ("run", *ANYWHERE, "--config", str(config))
    with on_a_terminal([*COMMAND, *arguments], {"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("  GPUs  ")
        terminal.process.send_signal(signal.SIGINT)
        lines = terminal.rest().splitlines()
    assert terminal.process.returncode == 0
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d info    stopped  "
                        r'why="Ctrl-C \(SIGINT\)" after="\d+ s"', lines[-1])
