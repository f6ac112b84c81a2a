"""Situations that were met elsewhere, as promtool's own tests, against the rules as generated."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bundle.promtool import TOOLS, VERSIONS

ROOT = Path(__file__).parents[2]
TRIALS = sorted((Path(__file__).parent / "trials").glob("*.test.yml"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.stem)
def test_a_situation_ends_as_it_should(trial: Path, version: str, tmp_path: Path) -> None:
    (tmp_path / "rules").symlink_to(ROOT / "deploy/generated/prometheus")
    file = Path(shutil.copy(trial, tmp_path))
    done = subprocess.run([TOOLS / f"promtool-{version}" / "promtool", "test", "rules", file],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
