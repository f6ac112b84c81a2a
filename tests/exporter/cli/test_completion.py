"""Completion, asked of the shells themselves where they are there; bash always is."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.cli import completion
from inferometer.cli.shells import SHELLS
from tests.exporter.terminal import on_a_terminal

pytestmark = pytest.mark.timeout(60)
VERBS = {verb.name for verb in cli.VERBS}
CASES = [
    ("", VERBS | {"--help", "--version"}), ("check-c", {"check-config"}),
    ("run --ro", {"--role"}), ("run --role ", {"sidecar", "node", "fleet", "gateway"}),
    ("run --role no", {"node"}), ("run --log-format j", {"json"}), ("run --listen ", set()),
    ("run --log-", {"--log-level", "--log-format"}),
    ("run --config infero", {"inferometer.yml", "inferometer d"}),
    ("check-config infero", {"inferometer.yml", "inferometer d"}),
    ("explain infero", {"inferometer.yml", "inferometer d"}),
    ("explain --json --ca-file infero", {"inferometer.yml", "inferometer d"}),
    ("completion ", {"bash", "zsh", "fish"}), ("nonsense --", set()),
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts of all shells."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert cli.main(["completion", shell]) == 0
        (folder / shell).write_text(printed.getvalue())
    (folder / "inferometer.yml").touch()
    (folder / "inferometer d").mkdir()
    return folder


def offered_by_bash(folder: Path, words: list[str]) -> set[str]:
    """What bash would offer for the last of the words."""
    script = (f"source ./bash; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}\n"
              "_inferometer 2>/dev/null\nprintf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=folder, capture_output=True,
                          text=True, check=True, timeout=30)
    return set(done.stdout.splitlines()) - {""}


@pytest.mark.parametrize(("line", "offers"), CASES)
def test_bash_is_offered_what_may_come_next(scripts: Path, line: str, offers: set[str]) -> None:
    assert offered_by_bash(scripts, ["inferometer", *line.split(" ")]) == offers


@pytest.mark.parametrize(("words", "offers"), [
    (["run", "--role", "=", "si"], {"sidecar"}), (["run", "--role", "="], {
        "sidecar", "node", "fleet", "gateway"}),
])
def test_bash_completes_behind_an_equals_sign(scripts: Path, words: list[str],
                                              offers: set[str]) -> None:
    assert offered_by_bash(scripts, ["inferometer", *words]) == offers


def test_a_tab_in_bash_completes_command_flag_and_choice(scripts: Path) -> None:
    environ = {"PS1": "> ", "TERM": "dumb", "INPUTRC": "/dev/null"}
    with on_a_terminal(["bash", "--norc", "--noprofile", "-i"], environ) as terminal:
        terminal.type(f"cd {scripts}; source ./bash; echo loa''ded\n")
        terminal.wait_for("loaded\r\n")
        terminal.type("inferometer check-c\t")
        terminal.wait_for("inferometer check-config ")
        terminal.type("\x15inferometer run --ro\tno\t")
        terminal.wait_for("inferometer run --role node ")
        terminal.type("\x15inferometer run --conf\tinferometer.\t")
        terminal.wait_for("inferometer run --config inferometer.yml")


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_can_read_its_script(scripts: Path) -> None:
    subprocess.run(["zsh", "-n", scripts / "zsh"], check=True, timeout=30)


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
@pytest.mark.parametrize(("line", "offers"), [case for case in CASES if "infero" not in case[0]])
def test_fish_is_offered_what_may_come_next(scripts: Path, line: str, offers: set[str]) -> None:
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source ./fish; complete -C 'inferometer {line}'"],
        cwd=scripts, capture_output=True, text=True, check=True, timeout=30)
    assert {row.partition("\t")[0] for row in done.stdout.splitlines()} >= offers - {
        "--help", "--version"}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_every_flag_and_every_choice_is_in_the_script(shell: str) -> None:
    parser = cli.make_parser()
    script = SHELLS[shell](completion._commands(parser))
    for verb in VERBS:
        assert verb in script
    verbs = next(action.choices for action in parser._actions
                 if isinstance(action.choices, dict))
    for command in verbs.values():
        for action in command._actions:
            flag = next((name[2:] for name in action.option_strings if name[:2] == "--"), "")
            assert flag in script
            assert all(str(choice) in script for choice in action.choices or ())


@pytest.mark.parametrize("shell", SHELLS)
def test_no_text_of_the_help_is_a_command_of_the_shell(shell: str) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    command = commands.add_parser("do")
    command.add_argument("--it", help="it's `touch x` $(touch x) [a:b] \\ %% \"q\"")
    command.set_defaults(verb=cli.VERBS[0])
    script = SHELLS[shell](completion._commands(parser))
    if shutil.which(shell):
        subprocess.run([shell, "-c", script], check=shell == "bash", timeout=30,
                       capture_output=True, cwd="/")
        assert not os.path.exists("/x")
