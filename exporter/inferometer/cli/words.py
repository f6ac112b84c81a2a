"""The words that a command line is made of, as completion and help need them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

NOTHING, FILE, FOLDER, CHOICE, OTHER = KINDS = ("nothing", "file", "folder", "choice", "other")


@dataclass(frozen=True)
class Words:
    """A flag by its names, or a positional without any, and what its value is, of KINDS."""

    names: Sequence[str]
    value: str
    label: str  # what help calls the value
    choices: Sequence[str]
    help: str
    several: bool

    @property
    def long(self) -> str:
        """The flag's long name."""
        return next((name for name in self.names if name.startswith("--")), "")


@dataclass(frozen=True)
class CommandWords:
    """A command and what it takes."""

    name: str
    help: str
    words: Sequence[Words]

    @property
    def flags(self) -> Sequence[Words]:
        """Those with a long name."""
        return [words for words in self.words if words.long]

    @property
    def positional(self) -> Words | None:
        """The first one."""
        return next((words for words in self.words if not words.names), None)


def words_of(action: argparse.Action) -> Words:
    """A flag or positional, by the metavar that its help shows."""
    label = str(action.metavar or action.dest.upper())
    choices = [*map(str, action.choices or ())]
    value = (NOTHING if action.nargs == 0 else CHOICE if choices else FILE if "FILE" in label
             else FOLDER if "DIR" in label else OTHER)
    return Words(action.option_strings, value, label, choices,
                 (action.help or "").replace("%%", "%"), isinstance(action.default, list))
