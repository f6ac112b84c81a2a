"""The files that a wheel carries, and a checkout has where the build writes them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

_PACKED = resources.files(__package__) / "files"
_CHECKOUT = Path(__file__).parents[3]


def carried() -> dict[str, str]:
    """The text of every generated file by its path, for the default options."""
    return dict(_read(_either(_PACKED / "generated", _CHECKOUT / "deploy" / "generated"), ""))


def runbook() -> str:
    """The text of runbook.md."""
    return _either(_PACKED / "runbook.md", _CHECKOUT / "alerts" / "runbook.md").read_text(
        encoding="utf-8")


def _either(packed: Traversable, in_checkout: Path) -> Traversable:
    return packed if packed.is_dir() or packed.is_file() else in_checkout


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_text(encoding="utf-8")
