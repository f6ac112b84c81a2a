"""The chart, rendered by the real Helm from what the build has just made."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from deploy.build.values import chart

CHART = Path(__file__).parents[2] / "chart"
FILES = CHART / "files"  # a copy: what fetches a chart from Git may drop symbolic links
SCHEMA = CHART / "values.schema.json"
CARRIED = ("prometheus/*", "alertmanager/*", "dashboards/*")
TOOLS = Path(os.environ.get("TOOLS", Path(__file__).parents[3] / ".cache" / "tools"))
HELM = TOOLS / "helm-3" / "helm"
RELEASE = "inferometer"
KUBERNETES = "1.25"  # the oldest supported: what it takes, all later ones take
TIMEOUT_SECONDS = 60

_SEPARATOR = re.compile(r"^---\n", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: .*\n", re.MULTILINE)


def carried(contents: Mapping[str, str]) -> dict[str, str]:
    """The generated files that the chart's templates read, by their paths."""
    return {path: text for path, text in contents.items()
            if any(fnmatchcase(path, pattern) for pattern in CARRIED)}


def schema() -> str:
    """The text of the schema of the chart's values."""
    return json.dumps(chart.document(), indent=2, ensure_ascii=False) + "\n"


def manifests(contents: Mapping[str, str], values: Mapping[str, Any],
              helm: Path = HELM) -> list[str]:
    """The text of every manifest that the chart gives for these values and generated files.

    Raises ValueError with Helm's own words, or with how to have one.
    """
    if not helm.exists():
        raise ValueError(f"{helm} is missing: `make tools` brings it")
    with tempfile.TemporaryDirectory() as folder:
        _stage(contents, Path(folder))
        process = subprocess.run(
            [helm, "template", RELEASE, folder, "--namespace", RELEASE,
             "--kube-version", KUBERNETES, "--values", "-"],
            # No settings of whoever builds: another namespace, plugins, debugging.
            env={"HOME": "/nonexistent"}, input=json.dumps(values), capture_output=True, text=True,
            check=False, timeout=TIMEOUT_SECONDS)
    if process.returncode:
        raise ValueError(f"helm template: {' '.join(process.stderr.split())}")
    return [*_documents(process.stdout)]


def _stage(contents: Mapping[str, str], folder: Path) -> None:
    """The chart with a fresh schema and files in place of those that were generated before."""
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("files"), dirs_exist_ok=True)
    (folder / SCHEMA.name).write_text(schema(), encoding="utf-8")
    for path, text in carried(contents).items():
        file = folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _documents(stream: str) -> Iterator[str]:
    for document in _SEPARATOR.split(stream):
        if text := _SOURCE.sub("", document).strip():
            yield f"{text}\n"
