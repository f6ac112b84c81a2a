"""A key of inferometer.yml, as a field of a dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from inferometer.documents.entry import Constraint


def key(about: str, default: Any = dataclasses.MISSING, constraint: Constraint | None = None, *,
         next_start: bool = False, alone: bool = False, **bounds: Any) -> Any:
    """A key: what it is, its default, what its values must be.

    `next_start`: a change waits for the next start. `alone`: it may be given in the place of its
    record. `bounds` are those of a list itself, as JSON Schema says them.
    """
    return field(default=default, metadata={
        "about": about, "constraint": constraint, "next_start": next_start, "alone": alone,
        "bounds": bounds})


def table(about: str, constraints: Constraint | Mapping[str, Constraint | None] | None = None,
           **bounds: Any) -> Any:
    """A key with a mapping below it: of any keys under one constraint, or of these by their own."""
    name = "constraints" if isinstance(constraints, Mapping) else "constraint"
    return field(default_factory=dict, metadata={
        "about": about, name: constraints, "bounds": bounds})
