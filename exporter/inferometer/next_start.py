"""Keys whose change takes effect at the next start: which they are, and how a reload keeps them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from inferometer.config import Config


def next_start_keys() -> tuple[str, ...]:
    """The paths of the keys; their fields in config say so."""
    return tuple(_flagged(Config(), ""))


def keep_until_next_start(in_force: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """The new configuration as far as it can be in force now, and the paths of the keys that wait.

    With another role no section but `web` changes: the new ones are not for what runs here.
    """
    if new.role != in_force.role:
        new = dataclasses.replace(in_force, role=new.role, web=new.web)
    return _keep(in_force, new, "")


def _flagged(record: Any, prefix: str) -> Iterator[str]:
    for key in dataclasses.fields(record):
        value = getattr(record, key.name)
        if key.metadata.get("next_start"):
            yield f"{prefix}{key.name}"
        elif dataclasses.is_dataclass(value):
            yield from _flagged(value, f"{prefix}{key.name}.")


def _keep(in_force: Any, new: Any, prefix: str) -> tuple[Any, tuple[str, ...]]:
    """The same of one record, whose keys lie below the prefix."""
    values: dict[str, Any] = {}
    waiting: list[str] = []
    for key in dataclasses.fields(new):
        old, value = getattr(in_force, key.name), getattr(new, key.name)
        if dataclasses.is_dataclass(value):
            values[key.name], below = _keep(old, value, f"{prefix}{key.name}.")
            waiting += below
        elif key.metadata.get("next_start") and old != value:
            values[key.name] = old
            waiting.append(f"{prefix}{key.name}")
    return dataclasses.replace(new, **values), tuple(waiting)
