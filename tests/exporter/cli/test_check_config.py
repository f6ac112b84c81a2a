"""`check-config`: from a file or standard input, for a person or as JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from inferometer.cli import main

SECRET = "s3cr3t"
BAD = ("gpu: {interval_seconds: 0}\nengines:\n  targets:\n"
       f"    - url: http://u:{SECRET}@host\n    - {{url: 'http://a', nme: b}}\n")


class Input:
    """Standard input with these bytes."""

    def __init__(self, text: bytes) -> None:
        self.buffer = io.BytesIO(text)


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["check-config", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_data(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, printed, complaint = checked(capsys, "--json", *arguments)
    assert complaint == ""
    return code, json.loads(printed)


def test_a_good_file_is_good_in_json_too(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("engines: {targets: [{url: 'http://a'}]}\ncost: {gpu_hour_usd: {H100: 2}}\n")
    assert checked(capsys, str(file)) == (
        0, f"{file}: good (1 engine targets, 1 GPU prices)\n", "")
    assert as_data(capsys, str(file)) == (0, {
        "good": True, "mistakes": [], "more": 0, "engine_targets": 1, "gpu_prices": 1})


def test_each_mistake_has_file_line_key_and_message(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text(BAD)
    code, report = as_data(capsys, str(file))
    assert (code, report["good"], report["more"]) == (2, False, 0)
    assert [(mistake["file"], mistake["line"], mistake["key"]) for mistake in report["mistakes"]
            ] == [(str(file), 1, "gpu.interval_seconds"), (str(file), 4, "engines.targets[0].url"),
                  (str(file), 5, "engines.targets[1].nme")]
    assert report["mistakes"][2]["message"].startswith(
        "is not a known key (did you mean name?); known here are url, name, ")
    assert SECRET not in json.dumps(report)


def test_what_has_no_line_or_key_has_null_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = as_data(capsys, "/nowhere.yml")
    assert code == 2
    assert report["mistakes"] == [{"file": "/nowhere.yml", "line": None, "key": None,
                                   "message": "cannot be read: No such file or directory"}]


def test_mistakes_beyond_those_listed_are_counted(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "inferometer.yml"
    file.write_text("".join(f"key{number}: 1\n" for number in range(25)))
    _, report = as_data(capsys, str(file))
    assert (len(report["mistakes"]), report["more"]) == (20, 5)


def test_a_minus_is_standard_input(capsys: pytest.CaptureFixture[str], tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("t")
    good = b"engines: {targets: [{url: 'http://a', bearer_token_file: token}]}"
    monkeypatch.setattr(sys, "stdin", Input(good))
    assert checked(capsys, "-") == (0, "standard input: good (1 engine targets, 0 GPU prices)\n",
                                    "")
    monkeypatch.setattr(sys, "stdin", Input(b"role: queen\n"))
    code, printed, complaint = checked(capsys, "-")
    assert (code, printed) == (2, "")
    assert complaint.startswith("inferometer: standard input:1: role: must be one of ")
    monkeypatch.setattr(sys, "stdin", Input(BAD.encode()))
    _, report = as_data(capsys, "-")
    assert {mistake["file"] for mistake in report["mistakes"]} == {"standard input"}


def test_the_role_counts_for_standard_input_too(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Input(b"cost: {gpu_hour_usd: {H100: 2}}\n"))
    code, report = as_data(capsys, "--role", "sidecar", "-")
    assert code == 2
    assert report["mistakes"][0]["key"] == "cost.gpu_hour_usd"
