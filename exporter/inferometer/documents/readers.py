"""Bytes or text as a document: strict YAML that remembers lines, and JSON.

Nothing in a document does worse than a mistake in it; PyYAML and json by themselves raise whatever
int(), chr() and deep recursion raise.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from inferometer.documents.entry import BROKEN, Entry, shown
from inferometer.documents.mistakes import Document, join
from inferometer.reasons import reason_of, yaml_reason

_YAML: Final = "tag:yaml.org,2002:"
# What a plain scalar of each tag looks like; the constructors of PyYAML are used for these alone.
_LOOKS = {f"{_YAML}int": "a number", f"{_YAML}float": "a number", f"{_YAML}bool": "a switch",
          f"{_YAML}null": "a null", f"{_YAML}timestamp": "a date"}
_TEXTS = (f"{_YAML}str", f"{_YAML}value", f"{_YAML}merge")
# Problems that PyYAML names less well.
_PROBLEMS = {
    "but found another document": "has a second document, and only one is read",
    r"found character '\t' that cannot start any token":
        "has a tab where none may be; indent with spaces",
}
_COLLECTIONS = (f"{_YAML}map", f"{_YAML}seq")


class _Loader(yaml.SafeLoader):
    """PyYAML's own, with numbers as machines write them: YAML 1.1 has none like 5e-05."""


_Loader.add_implicit_resolver(
    f"{_YAML}float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), [*"-+0123456789"])


def read_yaml_file(path: Path, *, texts: bool = False) -> Entry:
    """The top of a YAML file; one that cannot be read is a mistake too."""
    try:
        source = path.read_bytes()
    except OSError as error:
        document = Document(str(path), texts=texts)
        document.report("", f"cannot be read: {reason_of(error)}")
        return Entry(document, BROKEN)
    return read_yaml(source, str(path), texts=texts)


def read_yaml(source: str | bytes, name: str, *, texts: bool = False) -> Entry:
    """The top of a YAML document. With `texts` its scalars are left as the text they are."""
    document = Document(name, texts=texts)
    try:
        text = source.decode() if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        document.report("", "is not UTF-8", error.object.count(b"\n", 0, error.start) + 1)
        return Entry(document, BROKEN)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        value = None if node is None else _Builder(loader, document).top(node)
        return Entry(document, value)
    except yaml.reader.ReaderError as error:
        character = ascii(chr(int(error.character)))
        document.report("", f"has the character {character}, which YAML does not allow",
                        text.count("\n", 0, error.position) + 1)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, str(error.problem)
        document.report("", _PROBLEMS.get(problem, f"is not YAML: {yaml_reason(problem)}"),
                        mark.line + 1 if mark else None)
    except RecursionError:
        document.report("", "is nested too deeply", loader.line + 1 if loader else None)
    except Exception:  # PyYAML lets out whatever int(), chr() and the like raise
        document.report("", "is not YAML: it has a number or a character that there is none of",
                        loader.line + 1 if loader else None)
    return Entry(document, BROKEN)


def read_json(body: bytes) -> Entry:
    """The top of a JSON document without a name, as the body of a request is one."""
    document = Document(json=True)
    try:
        return Entry(document, json.loads(body.decode("utf-8-sig"), parse_constant=_refuse,
                                          object_pairs_hook=_unique))
    except _GivenTwiceError as error:
        document.report("", f"has the key {shown(error.args[0], as_json=True)} twice")
    except UnicodeDecodeError:
        document.report("", "is not UTF-8")
    except json.JSONDecodeError as error:
        document.report("", f"is not JSON: {error.msg}, line {error.lineno} column {error.colno}")
    except RecursionError:
        document.report("", "is nested too deeply")
    except ValueError:
        document.report("", "is not JSON: it has a number that cannot be read")
    return Entry(document, BROKEN)


class _GivenTwiceError(Exception):
    """An object of JSON has a key twice."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object; json by itself would take the last of two values."""
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise _GivenTwiceError(key)
        values[key] = value
    return values


def _refuse(constant: str) -> object:
    """NaN and ±Infinity are Python's, not JSON's."""
    raise ValueError(constant)


class _Builder:
    """Makes values of nodes, and notes the line of each key and each item in the document."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self._loader, self._document = loader, document
        self._built: dict[yaml.Node, object] = {}  # so that an alias costs nothing
        self._open: set[yaml.Node] = set()

    def top(self, node: yaml.Node) -> object:
        """The document's value."""
        return self._value(node, "", node)

    def _value(self, node: yaml.Node, path: str, place: yaml.Node) -> object:
        """The value of a node at a path; its line is that of `place`, a key or an item."""
        self._document.lines[path] = place.start_mark.line + 1
        if node in self._open:
            self._document.report(path, "is an alias of what it is part of")
            return BROKEN
        if node not in self._built:
            self._open.add(node)
            self._built[node] = self._make(node, path)
            self._open.remove(node)
        return self._built[node]

    def _make(self, node: yaml.Node, path: str) -> object:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if not self._document.texts and node.tag not in _COLLECTIONS:
            return self._unknown_tag(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, join(path, i), item) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node, path)

    def _scalar(self, node: yaml.ScalarNode, path: str) -> object:
        if self._document.texts or node.tag in _TEXTS:
            return node.value
        if node.tag not in _LOOKS:
            return self._unknown_tag(node, path)
        try:
            return self._loader.construct_object(node)
        except Exception:  # of int(), float(), date() and more
            self._document.report(path, f"looks like {_LOOKS[node.tag]} and cannot be "
                                        "read as one; put it in quotes if it is text")
            return BROKEN

    def _unknown_tag(self, node: yaml.Node, path: str) -> object:
        tag = str(node.tag).replace(_YAML, "!!")
        self._document.report(path, f"has the tag {tag}, which is not understood here")
        return BROKEN

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        merges: list[tuple[Any, Any]] = []
        for key_node, value_node in node.value:
            if not self._document.texts and key_node.tag == f"{_YAML}merge":
                merges.append((key_node, value_node))
            elif (key := self._key(key_node, path)) is not None:
                below = join(path, key)
                if key in values:
                    self._document.report(
                        below, f"is given twice, first in line {self._document.lines[below]}",
                        key_node.start_mark.line + 1)
                else:
                    values[key] = self._value(value_node, below, key_node)
        for key_node, value_node in merges:
            self._merge(values, self._value(value_node, join(path, "<<"), key_node), path)
        return values

    def _key(self, node: yaml.Node, path: str) -> str | None:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            self._document.report(path, "has a key that is not text", line)
            return None
        key = self._scalar(node, path)
        if not isinstance(key, str):
            if key is not BROKEN:
                self._document.report(
                    path, f"has the key {shown(key)}, which is not text; put it in quotes", line)
            return None
        return key

    def _merge(self, values: dict[str, object], merged: object, path: str) -> None:
        """Add what "<<" brings; keys of the mapping itself come first, then those merged first."""
        for source in merged if isinstance(merged, list) else [merged]:
            if isinstance(source, dict):
                for key, value in source.items():
                    values.setdefault(key, value)
            elif source is not BROKEN:
                self._document.report(join(path, "<<"), "must be a mapping or a list of them")
