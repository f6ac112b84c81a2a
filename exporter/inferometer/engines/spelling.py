"""How an engine spells the names of its families and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Spelling:
    """An engine's prefix, as its table writes it and as pages print it, and its labels' names."""

    prefix: str  # as the table writes it; empty where family names have none
    pattern: str  # regular expression of that prefix as pages may print it
    models: tuple[str, ...] = ()  # labels that may hold the model; a page uses one of them
    nameless: frozenset[str] = frozenset()  # values of these labels that name no model
    rank: str = ""  # label of the data-parallel rank
    copies: frozenset[str] = frozenset()  # labels of processes that all print the same
    entries: str = ""  # regular expression in the name of a model that hands on to other models
    steps: str = ""  # the same for those to which it hands on
    generic: str = ""  # regular expression of names that say nothing of the model

    def respell(self, name: str) -> str | None:
        """A family's name as the table writes it; None if it is not this engine's."""
        match = self._pattern.match(name)
        return self.prefix + name[match.end() :] if match else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


def exactly(names: Iterable[str]) -> str:
    """The pattern of an engine whose families have no prefix: these names and no others."""
    return rf"(?=(?:{'|'.join(names)})\Z)"
