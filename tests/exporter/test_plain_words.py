"""Commands, threads and pipes that fail say it in plain words; the source says it nowhere else."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferometer
from inferometer.cli import main
from inferometer.logs import start_logging
from inferometer.threads import start_thread
from tests.exporter.process import ALONE, COMMAND, command
from tests.exporter.support import fixture, free_port, get, wait_for
from tests.exporter.test_reasons import plain

pytestmark = pytest.mark.timeout(60)
PACKAGE = Path(inferometer.__file__).parent
MODULES = {str(file.relative_to(PACKAGE)): ast.parse(file.read_text(encoding="utf-8"))
           for file in sorted(PACKAGE.rglob("*.py")) if file.name != "reasons.py"}


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("--config", "/"), 2, "/: cannot be read: Is a directory"),
    (("--listen", "192.0.2.1:9839"), 1, "cannot listen on 192.0.2.1:9839: Cannot assign"),
    (("--listen", "nowhere.invalid:9839"), 1, "name"),
])
def test_an_exporter_that_cannot_start_says_why_in_plain_words(
        arguments: tuple[str, ...], code: int, words: str) -> None:
    done = command("run", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in plain(done.stderr)


@pytest.mark.parametrize(("arguments", "words"), [
    (("explain", "/"), "is no file and not an http:// or https:// URL"),
    (("explain", "--timeout", "soon", "http://a"), "'soon' is not a number of seconds"),
    (("status", "https://nowhere.invalid"), "name"),
    (("status", "--ca-file", "/nowhere", "https://a"), "ca_file: /nowhere: No such file"),
])
def test_a_command_that_cannot_do_it_says_why_in_plain_words(
        arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as ended:
        code = ended.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert words in plain(captured.err)


class Broken:
    @property
    def buffer(self) -> float:
        return 1 / 0


def test_a_fault_of_ours_in_a_command_is_a_line_that_asks_for_a_report(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Broken())
    assert main(["check-config", "-"]) == 1
    error = plain(capsys.readouterr().err)
    assert re.fullmatch(r"inferometer: unforeseen zero division error: .* \(at .*cli/check_config"
                        r"\.py:\d+ < .*\): a fault of ours, please report it\n", error)


def test_a_pipe_that_is_closed_early_is_no_noise(tmp_path: Path) -> None:
    page = tmp_path / "page.prom"
    page.write_bytes(fixture("vllm/0.32.0/busy.prom"))
    done = subprocess.run(f"{' '.join(COMMAND)} explain {page} | head -1 >/dev/null", shell=True,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return get(port, "/-/ready").status == 200
    return False


def test_an_exporter_whose_greeting_nobody_reads_makes_no_noise(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE)
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "run", "--listen", f"127.0.0.1:{port}", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.close()
    try:
        wait_for(lambda: answers(port), 20)
        process.terminate()
        _, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
    assert [json.loads(line)["message"] for line in plain(complaint).splitlines()] == ["stopped"]


def test_what_ends_a_thread_is_a_line_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.excepthook, logging.getLogger().handlers[:], logging.getLogger().level
    try:
        start_logging(form="json")
        start_thread(lambda: 1 / 0, "odd").join()
    finally:
        threading.excepthook, logging.getLogger().handlers[:] = before[:2]
        logging.getLogger().setLevel(before[2])
        logging.captureWarnings(False)
    line = json.loads(plain(capfd.readouterr().err))
    assert (line["message"], line["job"], line["why"]) == (
        "a thread ended", "odd", "unforeseen zero division error: division by zero")


CLASSES = {node.name for tree in MODULES.values() for node in ast.walk(tree)
           if isinstance(node, ast.ClassDef)}


def shown_errors(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Lines that make text of a caught error, with the kinds that are caught there."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or not handler.name or not handler.type:
            continue
        kinds = {ast.unparse(kind).rpartition(".")[2] for kind in (
            handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])}
        for node in ast.walk(handler):
            if not isinstance(node, ast.Call | ast.FormattedValue):
                continue
            values = ([node.value] if isinstance(node, ast.FormattedValue) else
                      node.args if ast.unparse(node.func) in ("str", "repr") else [])
            if any(isinstance(value, ast.Name) and value.id == handler.name for value in values):
                yield node.lineno, kinds


def test_only_errors_of_our_own_are_shown_as_they_are() -> None:
    strange = [(module, line, kinds - CLASSES) for module, tree in MODULES.items()
               for line, kinds in shown_errors(tree) if kinds - CLASSES]
    assert strange == [], "say it by reasons.reason_of"


def test_no_module_shows_the_class_or_the_code_of_an_error() -> None:
    attributes = [(module, node.lineno) for module, tree in MODULES.items()
                  for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                  and (node.attr == "strerror" or ast.unparse(node) == "type(error).__name__")]
    assert attributes == [], "say it by reasons.reason_of"
