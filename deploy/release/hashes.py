"""What the images and the example install, by version and by the hash of every file of it.

`make hashes` writes the files anew from pyproject.toml, the example's list and the versions in
constraints.txt.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RUNTIME, GATEWAY = "deploy/requirements.txt", "deploy/requirements-gateway.txt"
BACKEND = "deploy/requirements-build.txt"
EXAMPLE = "examples/rag_app/requirements.txt"  # of requirements.in beside it
# The extras of each image. A gateway's has every role; the other has all that run in great numbers.
EXTRAS = {RUNTIME: ("kubelet",), GATEWAY: ("kubelet", "gateway", "postgres", "clickhouse")}
COMMAND = "make hashes"


def requirements(project: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each file and, of a parsed pyproject.toml, what it has to satisfy."""
    extras = project["project"]["optional-dependencies"]
    for file, names in EXTRAS.items():
        yield file, [*project["project"]["dependencies"],
                     *(line for name in names for line in extras[name]
                       if not line.startswith("inferometer["))]  # of an extra that is named too
    yield BACKEND, project["build-system"]["requires"]


def pinned(text: str) -> dict[str, str]:
    """The versions in such a file, by the normal names of their packages."""
    lines = (line.split(";")[0].split(" \\")[0] for line in text.splitlines() if "==" in line)
    return {normal(name.strip()): version.strip()
            for name, version in (line.split("==") for line in lines)}


def normal(name: str) -> str:
    """A package's name as an index compares it: PEP 503."""
    return re.sub("[-_.]+", "-", name).lower()


def main(root: Path = ROOT) -> int:
    """Write every file; returns the exit status of what failed."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    example = (root / EXAMPLE).with_suffix(".in").read_text(encoding="utf-8")
    for file, lines in (*requirements(project), (EXAMPLE, example.splitlines())):
        done = subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
             "--generate-hashes", "--no-annotate", "--custom-compile-command", COMMAND,
             "--python-version", project["project"]["requires-python"].removeprefix(">="),
             "--no-emit-package", "httpx2-jsfetch",  # of a Python in a browser alone
             "--no-emit-package", "tzdata",  # of Windows alone
             "--no-emit-package", "hf-xet",  # fetches models, which nothing here does
             "--constraints", root / "constraints.txt", "--output-file", root / file, "-"],
            input="\n".join(lines), text=True, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
