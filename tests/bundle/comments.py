"""The comments of the chart's values.yaml, by the key that each is of.

A comment is of the key below it; one with an empty line below is of the whole file. In its prose,
keys stand in backticks, and nothing else does. Indented lines are values that may be given, as
YAML, or a table: a choice, two spaces or more, and what it means.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

_KEY = re.compile(r"( *)([A-Za-z][\w./-]*):")
_COMMENT = re.compile(r" *# ?(.*)")
_YAML = re.compile(r" +[\w./]+:( |$)")
_CHOICE = re.compile(r"  (\w+)  ")
_QUOTED = re.compile(r"`([^`]*)`")


class _AsHelm(yaml.SafeLoader):
    """YAML as Helm reads it: a day is a text."""


_AsHelm.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if not resolver[0].endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


@dataclass(frozen=True)
class Comment:
    """What stands above a key: the way to it, the prose, values as YAML, choices of a table."""

    path: tuple[str, ...]
    prose: str
    values: Any
    choices: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """What stands in backticks."""
        return _QUOTED.findall(self.prose)

    @property
    def words(self) -> set[str]:
        """All other words of the prose, paths with dots as one."""
        return {*re.findall(r"[\w-]+(?:[./:][\w-]+)*", _QUOTED.sub("", self.prose))}


def comments(text: str) -> Iterator[Comment]:
    """All comments of a file."""
    parents: dict[int, str] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if match := _COMMENT.fullmatch(line):
            lines.append(match[1])
            continue
        match = _KEY.match(line)
        if match:
            column = len(match[1])
            parents = {c: key for c, key in parents.items() if c < column} | {column: match[2]}
        if lines and (match or not line):
            yield _comment(tuple(parents.values()) if match else (), lines)
            lines = []


def _comment(path: tuple[str, ...], lines: Sequence[str]) -> Comment:
    prose: list[str] = []
    values: list[str] = []
    for indented, run in groupby(lines, lambda line: line.startswith("  ")):
        block = [*run]
        (values if indented and _YAML.match(block[0]) else prose).extend(block)
    choices = tuple(match[1] for line in prose if (match := _CHOICE.match(line)))
    shown = yaml.load(textwrap.dedent("\n".join(values)), _AsHelm)
    return Comment(path, " ".join(prose), shown, choices)
