"""New values in the text of YAML, all else of which stays: comments, order, line breaks."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import yaml

# Texts in a text that are YAML again: files in a ConfigMap, a patch in a kustomization.
EMBEDDED = ("*.yml", "patch")
# What some reader of YAML takes for a number, a date or a boolean, and PyYAML does not.
_AMBIGUOUS = re.compile(r"[yYnN]|[-+.]?\d[\da-fA-F_xobXOB:.+-]*")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Keys = tuple[str, ...]  # keys, and * for an item of a list
Change = Callable[[Keys, str], str | Sequence[str]]


def spliced(text: str, change: Change) -> str:
    """The text with each of its strings as `change` has it, given where it stands.

    Several strings may take the place of one that is an item of a list.
    """
    pieces, end = [], 0
    for node, new in _changes(text, change):
        start = node.start_mark.index
        pieces += [text[end:start], new]
        # A block's end is where the next thing begins: the lines in between stay.
        end = start + len(text[start:node.end_mark.index].rstrip())
    return "".join((*pieces, text[end:]))


def _changes(text: str, change: Change) -> Iterator[tuple[yaml.ScalarNode, str]]:
    """The scalars that become others, in their order, and the text that each becomes."""
    for root in yaml.compose_all(text, Loader=_LOADER):
        for path, node in _scalars(root, ()):
            if node.style == "|" and any(fnmatchcase(path[-1], name) for name in EMBEDDED):
                embedded = spliced(node.value, _within(path, change))
                if embedded != node.value:
                    yield node, _block(embedded, text[node.start_mark.index:])
            elif (value := change(path, node.value)) != node.value:
                yield node, _items(value, node)


def _within(path: Keys, change: Change) -> Change:
    """The change of a text that stands there."""
    return lambda inner, value: change((*path, *inner), value)


def _scalars(node: yaml.Node, path: Keys) -> Iterator[tuple[Keys, yaml.ScalarNode]]:
    """The strings of a document and where each stands."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, (*path, "*"))
    elif isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
        yield path, node


def _block(text: str, old: str) -> str:
    """A text in place of another, as far to the right."""
    mark, _, rest = old.partition("\n")
    first = rest.lstrip("\n")
    indent = " " * (len(first) - len(first.lstrip(" ")))
    return f"{mark}\n{textwrap.indent(text, indent)}".rstrip()


def _items(value: str | Sequence[str], node: yaml.ScalarNode) -> str:
    """One string, or several in a list of which each has a line."""
    if isinstance(value, str):
        return quoted(value)
    between = "\n" + " " * (node.start_mark.column - len("- ")) + "- "
    return between.join(map(quoted, value))


def quoted(text: str) -> str:
    """A string on one line that every reader of YAML takes for this string."""
    if "\n" in text:
        return json.dumps(text, ensure_ascii=False)
    style = "'" if _AMBIGUOUS.fullmatch(text) else None
    line: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style=style, allow_unicode=True,
                          width=float("inf"))
    return line.removesuffix("...\n").removesuffix("\n")
