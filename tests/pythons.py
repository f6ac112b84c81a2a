"""The Pythons that are supported, those of them that are on this machine, and ours on them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def supported() -> list[str]:
    """By the classifiers of the package: 3.11 and so on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [match[1] for line in project["classifiers"] if (match := _CLASSIFIER.fullmatch(line))]


@cache
def interpreter(version: str) -> Path | None:
    """The path of that Python, if this machine has it; pyenv shows one that it is told to."""
    try:
        done = subprocess.run(
            [f"python{version}", "-c", "import sys, venv; print(sys.executable)"], text=True,
            env={**os.environ, "PYENV_VERSION": version}, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return Path(done.stdout.strip())


def modules(site: Path, version: str, checkout: Path = ROOT) -> str:
    """The path of modules of a checkout that is, by what is put into `site`, of that version."""
    metadata = site / f"inferometer-{version}.dist-info/METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: inferometer\nVersion: {version}\n")
    return f"{site}:{checkout}/exporter:{checkout}"
