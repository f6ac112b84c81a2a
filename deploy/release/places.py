"""Where the version stands: everywhere that it is read without asking the package for it.

    python -m deploy.release.places VERSION     writes it at every place
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION = re.compile(r"\d+\.\d+\.\d+")
# Files, as patterns from the root, and what stands before the version in them.
PLACES: Sequence[tuple[str, str]] = (
    ("pyproject.toml", r'^version = "'),
    ("deploy/chart/Chart.yaml", r"^version: "),
    ("deploy/chart/Chart.yaml", r'^appVersion: "'),
    ("deploy/Dockerfile", r'org\.opencontainers\.image\.version="'),
    ("deploy/Dockerfile", r"\binferometer(?:-gateway)?:"),
    ("deploy/contract.yml", r"^version: "),
    ("deploy/compose/*.yml", r"\bimage: inferometer(?:-gateway)?:"),
    ("examples/kustomize/kustomization.yaml", r"^ +newTag: "),
    ("README.md", r"\binferometer(?:-gateway)?:"),
    ("docs/*.md", r"\binferometer(?:-gateway)?:"),
)


def versions(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Each file with a version of ours, by its path from the root, and the version."""
    for file, pattern in _files(root):
        for match in pattern.finditer(file.read_text(encoding="utf-8")):
            yield str(file.relative_to(root)), match[2]


def write(version: str, root: Path = ROOT) -> None:
    """Write the version at every place."""
    for file, pattern in _files(root):
        text = file.read_text(encoding="utf-8")
        file.write_text(pattern.sub(rf"\g<1>{version}", text), encoding="utf-8")


def _files(root: Path) -> Iterator[tuple[Path, re.Pattern[str]]]:
    for files, before in PLACES:
        pattern = re.compile(f"({before})({VERSION.pattern})", re.MULTILINE)
        yield from ((file, pattern) for file in sorted(root.glob(files)))


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    if len(arguments) != 1 or not VERSION.fullmatch(arguments[0]):
        print("give the version as MAJOR.MINOR.PATCH: make version VERSION=1.2.3", file=sys.stderr)
        return 2
    write(arguments[0])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
