"""Capabilities: the documented lines make good ones, and whatever is changed is none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import cli
from inferometer.capabilities import MOST_SECONDS, CapabilityError, read, sign
from inferometer.votes import KINDS

ROOT = Path(__file__).parents[2]
KEY = b"0123456789abcdef0123456789abcdef"
SUBJECT = "trace:0af7651916cd43dd8448eb211c80319c"
NAMES = ("thumbs_up", "thumbs_down")
BLOCKS = dict(re.findall(r"```(python|typescript|go)\n(.*?)```", (
    ROOT / "docs/feedback.md").read_text(encoding="utf-8"), re.DOTALL))
# Node is a package of the tests, and may be the system's.
NODE = next((path for path in (Path(sys.executable).with_name("node"),) if path.exists()),
            None) or shutil.which("node")


def made(*command: str | Path) -> str:
    """What a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def check_one(token: str) -> None:
    """It is good, for an hour, and for what it was made for."""
    capability = read(KEY, token, time.time())
    assert (tuple(capability.kinds), capability.subject) == (NAMES, SUBJECT)
    assert 3500 < capability.expires - time.time() <= 3600
    with pytest.raises(CapabilityError, match="expired"):
        read(KEY, token, time.time() + 3601)
    with pytest.raises(CapabilityError, match="not signed"):
        read(b"x" * 32, token, time.time())


def test_the_lines_in_python_make_a_good_one(tmp_path: Path) -> None:
    program = tmp_path / "backend.py"
    program.write_text(BLOCKS["python"] + f"\n\nprint(capability({KEY!r}, {[*NAMES]!r}, "
                                          f"{SUBJECT!r}))\n")
    tokens = {made(sys.executable, program) for _ in range(2)}
    assert len(tokens) == 2
    for token in tokens:
        check_one(token)


def test_the_lines_in_typescript_make_a_good_one(tmp_path: Path) -> None:
    if NODE is None or int(made(NODE, "--version").removeprefix("v").split(".")[0]) < 23:
        pytest.skip("no Node that reads TypeScript")
    program = tmp_path / "backend.mts"
    program.write_text(BLOCKS["typescript"] + f"\nconsole.log(capability(Buffer.from("
                       f"{json.dumps(KEY.decode())}), {json.dumps(NAMES)}, "
                       f"{json.dumps(SUBJECT)}));\n")
    check_one(made(NODE, program))


def test_the_lines_in_go_make_a_good_one(tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    names = ", ".join(f'"{name}"' for name in NAMES)
    packages = ("crypto/hmac", "crypto/rand", "crypto/sha256", "encoding/base64", "fmt",
                "strconv", "strings", "time")
    program = tmp_path / "backend.go"
    program.write_text(
        "package main\n\nimport (\n" + "".join(f'\t"{one}"\n' for one in packages) + ")\n\n"
        + BLOCKS["go"] + f'\nfunc main() {{\n\tfmt.Println(capability([]byte("{KEY.decode()}"), '
        f'[]string{{{names}}}, "{SUBJECT}", time.Hour))\n}}\n')
    check_one(made(go, "run", program))


@pytest.mark.parametrize("language", ["python", "typescript", "go"])
def test_the_lines_are_few(language: str) -> None:
    lines = [line for line in BLOCKS[language].splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_verb_makes_a_good_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, config = tmp_path / "feedback.key", tmp_path / "gateway.yml"
    key.write_bytes(KEY + b"\n")
    config.write_text("role: gateway\nfeedback: {capability_key_file: feedback.key}\n")
    names = [argument for name in NAMES for argument in ("--name", name)]
    for flags in (["--config", str(config)], ["--capability-key-file", str(key)]):
        assert cli.main(["feedback", "token", SUBJECT, *flags, *names]) == 0
        check_one(capsys.readouterr().out.strip())
    assert cli.main(["feedback", "token", SUBJECT, "--config", str(config), "--seconds", "60"]) == 0
    capability = read(KEY, capsys.readouterr().out.strip(), time.time())
    assert {*capability.kinds} == {*KINDS}
    assert capability.expires <= time.time() + 60


def test_the_verb_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["feedback", "token", SUBJECT]) == 2
    assert "feedback.capability_key_file: names no file" in capsys.readouterr().err
    short = tmp_path / "short"
    short.write_text("short")
    for file in (short, tmp_path / "missing"):
        assert cli.main(["feedback", "token", SUBJECT, "--capability-key-file", str(file)]) == 1
        assert str(file) in capsys.readouterr().err
    for arguments in (["trace:12"], [SUBJECT, "--seconds", str(MOST_SECONDS + 1)],
                      [SUBJECT, "--name", "thumbs"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["feedback", "token", *arguments])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_changed_in_one_is_none(data: st.DataObject) -> None:
    token = sign(KEY, NAMES, SUBJECT, 2000, "n" * 22)
    assert read(KEY, token, 1000).subject == SUBJECT
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda one: one != token[place]))
    for text in (token[:place] + other + token[place + 1:], token[:place] + other + token[place:],
                 token[:place] + token[place + 1:]):
        with pytest.raises(CapabilityError):
            read(KEY, text, 1000)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(text: str) -> None:
    for token in (text, f"v1.{text}", f"v1.1.a.b.{text}.c"):
        with pytest.raises(CapabilityError):
            read(KEY, token, 0)
