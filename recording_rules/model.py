"""What a recording rule is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """A recorded series: `level:metric:operation`, what makes it, and how to read it.

    `labels` are all that its series carry, those of `fixed` included, which the rule itself sets.
    In an f-string a rule is its name.
    """

    name: str
    expr: str
    labels: tuple[str, ...]
    help: str
    fixed: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Group:
    """Rules evaluated together, in this order, each seeing the results of those before it."""

    name: str
    rules: tuple[Rule, ...]
    interval: str = "1m"
