"""Names say what they name: words that fit anything are no names of values and functions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("exporter", "recording_rules", "alerts", "dashboards", "deploy")
FOLDERS = (*PRODUCT, "bench", "tests")
# A noun for a thing, a verb for a function; none of these says which.
VAGUE = frozenset(("at", "each", "said", "told", "found", "who", "whole", "wanted", "held", "known",
                   "tells", "says", "there", "what"))


def bound(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that is given to a function, an argument, a value or an attribute."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_value_argument_or_function_has_a_name_that_fits_anything(folder: str) -> None:
    found_names = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, name in bound(ast.parse(file.read_text(encoding="utf-8")))
        if name.strip("_") in VAGUE]
    assert found_names == [], "name the thing (a noun) or the act (a verb) instead"


def types(tree: ast.Module) -> Iterator[str]:
    """The classes and names of types that a module defines."""
    for node in tree.body:
        match node:
            case ast.ClassDef():
                yield node.name
            case ast.Assign(targets=[ast.Name(id=name)]) if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*",
                                                                        name):
                yield name


def test_no_two_types_share_a_name() -> None:
    """One word, one thing: who reads Gpu need not look up which."""
    places = defaultdict(list)
    for folder in PRODUCT:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for name in types(ast.parse(file.read_text(encoding="utf-8"))):
                places[name.strip("_")].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
