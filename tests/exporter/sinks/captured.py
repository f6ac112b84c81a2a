"""Bodies of OTLP as instrumentations sent them, by their signals."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

FIXTURES = Path(__file__).parents[2] / "fixtures" / "otlp"
TYPES = {".pb": "application/x-protobuf", ".json": "application/json"}


class SentBody(NamedTuple):
    """One captured body, and how it came."""

    name: str
    signal: str
    content_type: str
    body: bytes


@cache
def bodies(folder: Path = FIXTURES) -> list[SentBody]:
    """All of them, in the order of their names."""
    made = []
    for file in sorted([*folder.rglob("*.pb"), *folder.rglob("*.sent.json")]):
        signal = next((one for one in ("traces", "logs", "metrics") if f"-{one}." in file.name), "")
        if signal:
            made.append(SentBody(str(file.relative_to(folder)), signal, TYPES[file.suffix],
                                     file.read_bytes()))
    return made
