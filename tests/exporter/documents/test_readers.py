"""YAML and JSON as they come from outside: nothing in them does worse than a mistake."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.documents.entry import BROKEN, Entry
from inferometer.documents.mistakes import MOST_LISTED
from inferometer.documents.readers import read_json, read_yaml, read_yaml_file

patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIECES = st.lists(st.sampled_from([
    "a", ": ", "- ", "\n", "  ", "&x ", "*x", "<<: ", "[", "]", "{", "}", ", ", "!!int ", "!t ",
    "1", "'", '"', "|\n", "? ", "---\n", "...\n", "%YAML 1.1\n", "\t", "#", "2026-02-31", "0x_",
    "\\U00110000", "\x07", "\ufeff", "=", "~", "9" * 5000]), max_size=12).map("".join)


def mistakes(entry: Entry) -> list[str]:
    lines = str(entry.document.error() or "").splitlines()
    assert all(line.isprintable() for line in lines)
    assert len(lines) <= MOST_LISTED + 1
    return lines


@pytest.mark.parametrize(("text", "expected"), [
    ("a: 1\nb: [x, y]\n", {"a": 1, "b": ["x", "y"]}),
    ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    ("<<: [{a: 1}, {a: 2, b: 2}]\n", {"a": 1, "b": 2}),
    ("a: =\nb: <<\nc: !!str 1\n", {"a": "=", "b": "<<", "c": "1"}),
    ("", None),
])
def test_yaml_is_read_as_yaml_has_it(text: str, expected: object) -> None:
    top = read_yaml(text, "x.yml")
    assert (top.value, mistakes(top)) == (expected, [])


@pytest.mark.parametrize(("source", "mistake"), [
    ("a: 1\nb: 2\na: 3", "3: a: is given twice, first in line 1"),
    ("a:\n- {b: 1, b: 2}", "2: a[0].b: is given twice, first in line 2"),
    ("a: &x\n  b: *x", "2: a.b: is an alias of what it is part of"),
    ("&x\n<<: *x", "2: <<: is an alias of what it is part of"),
    ("a: *x", "1: is not YAML: *x stands for nothing in this file; put text that begins with * in "
     "quotes"),
    ("a:\n  <<: 1", "2: a.<<: must be a mapping or a list of them"),
    ("a: " + "9" * 5000, "1: a: looks like a number and cannot be read as one; put it in quotes if "
                         "it is text"),
    ("a: 2026-02-31", "1: a: looks like a date and cannot be read as one; put it in quotes if it "
                      "is text"),
    ("a: !!python/name:os.system", "1: a: has the tag !!python/name:os.system, which is not "
                                   "understood here"),
    ("a: !mine {}", "1: a: has the tag !mine, which is not understood here"),
    ("a: !!set {b}", "1: a: has the tag !!set, which is not understood here"),
    ("1: a", "1: has the key 1, which is not text; put it in quotes"),
    ("? [a]\n: b", "1: has a key that is not text"),
    ("a:\n\tb: 1", "2: has a tab where none may be; indent with spaces"),
    ("a: 1\n---\nb: 1", "2: has a second document, and only one is read"),
    ("a: 1\nb: \x07", r"2: has the character '\x07', which YAML does not allow"),
    (b"a: 1\nb: \xff", "2: is not UTF-8"),
    ("a:\n  " + "[" * 3000, "2: is nested too deeply"),
    (r'"\UFFFFFFFF"', "1: is not YAML: "),
    ("%YAML " + "9" * 5000 + ".1\n---\na", "1: is not YAML: "),
])
def test_what_is_odd_in_yaml_is_a_mistake_with_its_line(source: str | bytes, mistake: str) -> None:
    (line,) = mistakes(read_yaml(source, "x.yml"))
    assert line.startswith(f"x.yml:{mistake}")


def test_the_rest_of_a_document_is_read_beside_its_mistakes() -> None:
    top = read_yaml("a: 1\na: 2\nb: !t 1\nc: 3", "x.yml")
    assert top.value == {"a": 1, "b": BROKEN, "c": 3}
    assert len(mistakes(top)) == 2


def test_scalars_are_left_as_text_where_a_format_has_it_so() -> None:
    top = read_yaml("a: 1\nb: yes\nc: ~\nd: 2026-02-31\n<<: x\n0123: !!int x\n", "x.yml",
                    texts=True)
    assert top.value == {"a": "1", "b": "yes", "c": "~", "d": "2026-02-31", "<<": "x",
                         "0123": "x"}
    assert mistakes(top) == []


def test_aliases_of_aliases_cost_nothing() -> None:
    pairs = list(pairwise("abcdefghijklmnopqrstuvwxyz"))
    lists = [f"{name}: &{name} [*{above}, *{above}]" for above, name in pairs]
    merges = [f"M{name}: &M{name} {{<<: [*M{above}, *M{above}]}}" for above, name in pairs]
    top = read_yaml("\n".join(["a: &a x", *lists, "Ma: &Ma {k: 1}", *merges]), "x.yml")
    assert mistakes(top) == []
    assert top.get("Mz").value == {"k": 1}


@patiently
@given(st.one_of(PIECES, st.text(), st.binary()), st.booleans())
def test_no_text_does_worse_than_a_mistake(source: str | bytes, texts: bool) -> None:
    top = read_yaml(source, "x.yml", texts=texts)
    assert (top.value is not BROKEN) or mistakes(top)
    mistakes(top)


@pytest.mark.parametrize(("name", "why"), [("none.yml", "No such file or directory"),
                                           (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path, name: str, why: str) -> None:
    top = read_yaml_file(tmp_path / name)
    assert (top.mapping(("a",)), top.get("b").text()) == ({}, "")
    assert mistakes(top) == [f"{tmp_path / name}: cannot be read: {why}"]


@pytest.mark.parametrize(("body", "mistake"), [
    (b"", "the body is not JSON: Expecting value, line 1 column 1"),
    (b'{"a": 1,\n}', "the body is not JSON: "),
    (b"\xff", "the body is not UTF-8"),
    (b"[" * 100_000, "the body is nested too deeply"),
    (b"9" * 10_000, "the body is not JSON: it has a number that cannot be read"),
    (b'{"a": NaN}', "the body is not JSON: it has a number that cannot be read"),
])
def test_what_is_odd_in_json_is_a_mistake(body: bytes, mistake: str) -> None:
    (line,) = mistakes(read_json(body))
    assert line.startswith(mistake)


@patiently
@given(st.one_of(st.binary(), st.text().map(str.encode), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(
        lambda value: json.dumps(value).encode())))
def test_no_body_does_worse_than_a_mistake(body: bytes) -> None:
    top = read_json(body)
    assert (top.value is not BROKEN) or mistakes(top)
    for entry in top.mapping().values():
        entry.text()
    mistakes(top)
