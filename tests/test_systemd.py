"""The unit for systemd and its user, as systemd's own tools see them; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from inferometer.cli import make_parser

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
UNIT = (FOLDER / "inferometer.service").read_text()
USERS = (FOLDER / "inferometer.sysusers.conf").read_text()
PROGRAM = "/opt/inferometer/bin/inferometer"
MOST_EXPOSED = 1.5  # of 10, by systemd-analyze


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"there is no {program}")


def settings() -> dict[str, list[str]]:
    """The values of each key of the unit."""
    values = defaultdict(list)
    for line in UNIT.splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            values[match[1]].append(match[2])
    return values


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    file = tmp_path / "inferometer.service"
    file.write_text(UNIT.replace(PROGRAM, "/bin/true"))
    return file


def asked(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "SYSTEMD_COLORS": "0"})


@needs("systemd-analyze")
def test_systemd_has_nothing_against_the_unit(unit: Path) -> None:
    done = asked("systemd-analyze", "verify", "--man=no", unit)
    if "unrecognized option" in done.stderr:  # of an older one
        done = asked("systemd-analyze", "verify", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs("systemd-analyze")
def test_the_unit_may_do_little_beside_its_work(unit: Path) -> None:
    done = asked("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd judges no unit that is not loaded")
    score = re.search(r"Overall exposure level for inferometer.service: ([\d.]+)", done.stdout)
    assert score, done.stderr
    assert float(score[1]) <= MOST_EXPOSED


@needs("systemd-sysusers")
def test_systemd_would_make_the_user_that_the_unit_names(tmp_path: Path) -> None:
    file = tmp_path / "users.conf"
    file.write_text(USERS)
    (tmp_path / "root").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path / 'root'}", "-"], input=USERS,
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Creating user '?inferometer'?", done.stdout + done.stderr)
    assert settings()["User"] == settings()["Group"] == ["inferometer"]


def test_the_command_of_the_unit_is_one_of_ours() -> None:
    program, *arguments = settings()["ExecStart"][0].split()
    assert program == PROGRAM
    options = make_parser().parse_args(arguments)
    assert options.verb.name == "run"
    assert str(options.config).startswith(f"/etc/{settings()['ConfigurationDirectory'][0]}/")


def test_it_is_restarted_unless_its_configuration_is_not_good() -> None:
    unit = settings()
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_it_sees_nvidias_devices_and_no_others() -> None:
    unit = settings()
    assert (unit["DevicePolicy"], unit["DeviceAllow"]) == (["closed"], ["char-nvidia* rw"])
    assert "PrivateDevices" not in unit  # it would hide them
    assert "ProcSubset" not in unit  # NVML reads /proc/driver/nvidia
