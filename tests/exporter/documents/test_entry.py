"""Values read as what they must be."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.readers import read_json, read_yaml

POSITIVE = Constraint(lambda number: number > 0, "a number above 0")


def mistakes(entry: Entry) -> list[str]:
    return str(entry.document.error() or "").splitlines()


@pytest.mark.parametrize(("text", "read", "value"), [
    ("a", Entry.text, "a"), ("true", Entry.boolean, True), ("7", Entry.integer, 7),
    ("7", Entry.number, 7.0), ("7.5", Entry.number, 7.5), ("5e-05", Entry.number, 0.00005),
    ("9" * 400, Entry.number, math.inf), ("-" + "9" * 400, Entry.number, -math.inf),
    ("1m30s", Entry.duration, 90.0), (".5h", Entry.duration, 1800.0), ("0", Entry.duration, 0.0),
    ("1h1m1s1ms1us1ns", Entry.duration, 3661.001001001),
])
def test_a_value_is_read_as_what_it_is(text: str, read: Callable[[Entry], object],
                                       value: object) -> None:
    entry = read_yaml(text, "x.yml")
    assert read(entry) == value
    assert mistakes(entry) == []


@pytest.mark.parametrize(("text", "read", "value"), [
    ("Yes", Entry.boolean, True), ("off", Entry.boolean, False), ("007", Entry.integer, 7),
    ("2.5e3", Entry.number, 2500.0), ("0", Entry.duration, 0.0), ("1s", Entry.duration, 1.0),
    ("2026-02-31", Entry.text, "2026-02-31"), ("null", Entry.text, "null"),
])
def test_text_is_read_as_what_it_stands_for_where_scalars_are_text(
        text: str, read: Callable[[Entry], object], value: object) -> None:
    entry = read_yaml(text, "x.yml", texts=True)
    assert read(entry) == value
    assert mistakes(entry) == []


@pytest.mark.parametrize(("text", "read", "problem"), [
    ("7", Entry.text, "must be text, not 7"),
    ("", Entry.text, "must be text, not empty"),
    ("1", Entry.boolean, "must be true or false, not 1"),
    ("2.5", Entry.integer, "must be a whole number, not 2.5"),
    ("true", Entry.integer, "must be a whole number, not true"),
    ("false", Entry.number, "must be a number, not false"),
    ("[a]", Entry.number, "must be a number, not a list"),
    ("5", Entry.duration, "must be a duration with a unit, as 500ms, 1s or 1m30s, not 5"),
    ("false", Entry.duration, "must be a duration with a unit, as 500ms, 1s or 1m30s, not false"),
    ("x", Entry.items, "must be a list, not 'x'"),
    ("[x]", Entry.mapping, "must be a mapping of keys, not a list"),
    ("2026-11-29", Entry.mapping, "must be a mapping of keys, not a date"),
    ("0x" + "f" * 100, Entry.text, "must be text, not a number that large"),
    ("me:secret@host", Entry.items, "must be a list, not '***@host'"),
    ("x" * 100, Entry.items, f"must be a list, not '{'x' * 80}…'"),
])
def test_another_value_is_reported_with_what_it_must_be(
        text: str, read: Callable[[Entry], object], problem: str) -> None:
    entry = read_yaml(text, "x.yml")
    assert not read(entry)
    assert mistakes(entry)[0].removeprefix("x.yml:1: ").removeprefix("x.yml: ") == problem


def test_a_value_is_reported_once_however_often_it_is_read() -> None:
    entry = read_yaml("a: x", "x.yml").get("a")
    assert (entry.number(), entry.integer(), entry.get("b").text()) == (0.0, 0, "")
    assert mistakes(entry) == ["x.yml:1: a: must be a number, not 'x'"]


def test_a_rule_says_what_a_value_must_be_beyond_its_type() -> None:
    top = read_yaml("a: 0\nb: x\nc: 1", "x.yml")
    assert [top.get(key).number(POSITIVE) for key in "abc"] == [0.0, 0.0, 1.0]
    assert mistakes(top) == ["x.yml:1: a: must be a number above 0, not 0",
                             "x.yml:2: b: must be a number above 0, not 'x'"]


def test_a_key_that_is_missing_is_reported_unless_it_has_a_default() -> None:
    top = read_json(b"{}")
    assert top.get("a", "x").text() == "x"
    assert top.get("b").text() == ""
    assert mistakes(top) == ["b is missing; it must be text"]


def test_an_unknown_key_is_reported_with_those_that_are_known() -> None:
    top = read_yaml("name: a\nurk: b\nport: 1", "x.yml")
    assert [*top.mapping(("name", "url"))] == ["name"]
    assert mistakes(top) == [
        "x.yml:2: urk: is not a known key (did you mean url?); known here are name, url",
        "x.yml:3: port: is not a known key; known here are name, url"]


@pytest.mark.parametrize(("names", "words"), [
    (("a",), "a"), (("a", "b"), "a or b"), (("a", "b", "c"), "one of a, b, c")])
def test_a_choice_is_refused_with_those_there_are(names: tuple[str, ...], words: str) -> None:
    entry = read_yaml("d", "x.yml")
    assert entry.choice(names) == ""
    assert mistakes(entry) == [f"x.yml:1: must be {words}, not 'd'"]
    assert read_yaml("a", "x.yml").choice(names) == "a"


def test_what_is_commented_out_below_a_key_is_empty_in_yaml_alone() -> None:
    top = read_yaml("a:\nb:\n", "x.yml")
    assert (top.get("a").mapping(), top.get("b").items(), mistakes(top)) == ({}, [], [])
    body = read_json(b'{"a": null, "b": null}')
    assert (body.get("a").mapping(), body.get("b").items()) == ({}, [])
    assert mistakes(body) == ["a must be an object, not null", "b must be a list, not null"]


def test_the_texts_of_a_file_that_may_hold_secrets_are_not_repeated() -> None:
    top = read_yaml("a: SECRET\nb: SECRET\nc: SECRET\nd: SECRET", "x.yml", texts=True)
    top.get("a").mapping()
    top.get("b").number()
    top.get("c").duration()
    top.get("d").text(Constraint(str.islower, "in small letters"))
    assert len(mistakes(top)) == 4
    assert all(line.endswith(", not text") for line in mistakes(top))
