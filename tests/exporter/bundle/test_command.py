"""`inferometer bundle`: what it lists, writes, advises and refuses."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.bundle import render
from inferometer.bundle.folder import ORIGIN, write
from inferometer.bundle.guide import GUIDE, purpose
from inferometer.bundle.options import flag_name, flags
from tests.exporter.process import command
from tests.install import Trial


def bundle(*arguments: str | Path) -> int:
    return cli.main(["bundle", *map(str, arguments)])


def test_help_has_every_flag_with_its_default_and_examples_that_work(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = command("bundle", "--help", env={"COLUMNS": "300"})
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    for flag in flags():
        usage = f"{flag_name(flag)} {flag.metadata['form'].word}"
        assert f"{usage} {flag.metadata['help']} ({flag.default})" in words
    examples = re.findall(r"^  inferometer (bundle (?:.*\\\n)*.*)", done.stdout, re.MULTILINE)
    for number, example in enumerate(examples):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        assert cli.main(shlex.split(example.replace("\\\n", ""))) == 0, example
    assert [sum(1 for _ in (tmp_path / str(number)).rglob("*.*"))
            for number in range(len(examples))] == [0, 13, 55, 23]


def test_a_list_has_every_file_and_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle("--list") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert [*lines] == [*render(), "runbook.md"]
    assert lines["runbook.md"] == "what each alert means and what to do"
    assert lines["prometheus/alerts.rules.yml"] == "the alerts"
    assert {purpose(path) for path in lines} == {advice.purpose for advice in GUIDE}


@pytest.mark.parametrize(("only", "paths"), [
    (["prometheus", "metrics.md"], ["metrics.md", *(
        f"prometheus/{name}.yml" for name in ("alerts.rules", "prometheus", "recording.rules"))]),
    (["kubernetes/sidecar/"], ["kubernetes/sidecar/kustomization.yaml",
                               "kubernetes/sidecar/patch.yaml"]),
    (["kubernetes/*/patch.yaml"], ["kubernetes/sidecar/patch.yaml"]),
    (["runbook.*"], ["runbook.md"]),
])
def test_a_part_may_be_had_alone(only: list[str], paths: list[str], tmp_path: Path,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    asked = [word for name in only for word in ("--only", name)]
    assert bundle("--list", *asked) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == paths
    assert bundle("--out", tmp_path / "made", *asked) == 0
    assert [file.relative_to(tmp_path / "made").as_posix()
            for file in sorted(tmp_path.rglob("*")) if file.is_file()] == paths


def test_it_says_what_to_do_with_everything_that_it_wrote(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my files"
    assert bundle("--out", folder) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"{folder} has 55 files. What to do with them:"
    assert len(lines) == len(GUIDE)
    for line in lines:
        place, _, advice = line.removeprefix("- ").partition(": ")
        assert (folder / place).exists(), line
        assert advice.endswith(f"'{folder / place}'") or " --" in advice, line
        assert "{" not in advice
    assert bundle("--out", tmp_path / "part", "--only", "dashboards") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.heavy
def test_each_command_that_it_gives_works(tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(tmp_path)
    assert bundle("--out", tmp_path / "made") == 0
    proven = 0
    for line in capsys.readouterr().out.splitlines()[1:]:
        if match := re.search(r": ((?:kubectl|promtool|amtool) .*)", line):
            words = shlex.split(match[1])
            if words[0] == "kubectl":
                trial.prove(words)
            else:
                trial._run(f"{words[0]}-2.42/{words[0]}", *words[1:])
            proven += 1
    assert proven == 15


def test_a_second_time_replaces_what_the_first_wrote(tmp_path: Path) -> None:
    assert bundle("--out", tmp_path / "made", "--only", "dashboards", "--only", "metrics.md") == 0
    (tmp_path / "made" / "dashboards" / "inferometer-gone.json").write_text("{}")
    (tmp_path / "made" / "old.yml").write_text(f"# {ORIGIN}\n")
    assert bundle("--out", tmp_path / "made", "--cluster", "east") == 0
    assert not (tmp_path / "made" / "dashboards" / "inferometer-gone.json").exists()
    assert not (tmp_path / "made" / "old.yml").exists()
    assert "cluster: east\n" in (tmp_path / "made/prometheus/prometheus.yml").read_text()
    assert bundle("--out", tmp_path / "made", "--only", "runbook.md") == 0
    assert [file.name for file in tmp_path.rglob("*")] == ["made", "runbook.md"]


@pytest.mark.parametrize("name", [
    "thesis.txt", "prometheus/prometheus.yml", "dashboards/mine.json", "runbook.md"])
def test_a_folder_with_files_of_others_is_left_as_it_is(
        name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle("--out", tmp_path, "--only", "kubernetes/node") == 0
    before = {file for file in tmp_path.rglob("*")}
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years of work")
    capsys.readouterr()
    assert bundle("--out", tmp_path) == 1
    assert capsys.readouterr() == (
        "", f"inferometer: {tmp_path} holds {name}, which this did not make: "
            "all is left as it is\n")
    assert (tmp_path / name).read_text() == "years of work"
    assert {file for file in tmp_path.rglob("*") if name not in str(file)} >= before


def test_a_link_to_files_of_others_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "theirs.yml").write_text(f"# {ORIGIN}\n")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ValueError, match="holds link, which this did not make"):
        write({"a.yml": "text"}, tmp_path / "made")
    assert (tmp_path / "theirs.yml").exists()


@pytest.mark.parametrize(("arguments", "code", "problem"), [
    (["--list", "--cluster", ""], 2, "--cluster '' must be a label's value: printable text"),
    (["--list", "--image", "a:1"], 2, "--image 'a:1' must be the name of an image without a tag"),
    (["--list", "--faster", "7"], 2, "--faster 7: 5m cannot be divided by 7"),
    ([], 2, "--out is missing: the folder to write; or --list"),
    (["--list", "--only", "grafana"], 2, "--only meets none of alertmanager, compose, dashboards"),
    (["--out", "/proc/none"], 1, "/proc/none: "),
    (["--out", "/dev/null"], 1, "/dev/null: Not a directory"),
])
def test_a_mistake_costs_one_line(arguments: list[str], code: int, problem: str,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle(*arguments) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"inferometer: {problem}")
    assert errors.count("\n") == 1


def test_no_other_command_loads_what_only_a_bundle_needs() -> None:
    script = (
        "import sys, inferometer.cli\n"
        "try: inferometer.cli.main(['run', '--help'])\n"
        "finally: print(sorted(name for name in sys.modules if 'inferometer.bundle' in name))")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "['inferometer.bundle', 'inferometer.bundle.options']"
