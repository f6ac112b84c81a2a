"""How mistakes are written down."""

from __future__ import annotations

import pytest

from inferometer.documents.mistakes import MOST_LISTED, Document, DocumentError, Mistake, join
from inferometer.documents.readers import read_json, read_yaml


def test_a_mistake_names_file_line_key_and_what_is_wrong() -> None:
    assert str(Mistake("web.listen", "must be text", 3, "x.yml")) == (
        "x.yml:3: web.listen: must be text")
    assert str(Mistake("--engine", "is refused", document="command line")) == (
        "command line: --engine: is refused")
    assert str(Mistake("", "is not UTF-8", 1, "x.yml")) == "x.yml:1: is not UTF-8"


def test_a_mistake_in_a_body_is_a_sentence() -> None:
    assert str(Mistake("alerts[0].labels", "must be an object")) == (
        "alerts[0].labels must be an object")
    assert str(Mistake("", "is not UTF-8")) == "the body is not UTF-8"


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202egnp", "\ud800", "a\u2028b"])
def test_every_line_of_an_error_is_printable(text: str) -> None:
    for line in (Mistake(text, text, 1, text), Mistake(text, text)):
        assert str(line).isprintable()
        assert len(str(DocumentError(line, line)).splitlines()) == 2


def test_an_error_that_knows_a_key_alone_is_placed_in_its_file() -> None:
    document = read_yaml("web:\n  config_file: web.yml\n", "x.yml").document
    error = DocumentError(Mistake("web.config_file", "is gone"), Mistake("gpu", "is odd"))
    assert str(error.placed(document)) == "x.yml:2: web.config_file: is gone\nx.yml:1: gpu: is odd"
    assert str(error.placed(Document("command line")).placed(document)) == (
        "command line: web.config_file: is gone\ncommand line: gpu: is odd")


def test_the_mistakes_of_a_file_are_those_of_the_key_that_names_it() -> None:
    inner = DocumentError(Mistake("a", "is odd", 7, "/web.yml"), more=2)
    outer = Document("x.yml")
    outer.report_all("web.config_file", inner)
    assert str(outer.error()).splitlines() == [
        "x.yml: web.config_file: /web.yml:7: a: is odd", "x.yml: has 2 more mistakes"]
    assert not outer.good("web.config_file")


def test_a_key_with_a_mistake_is_not_good_even_where_its_mistake_is_not_listed() -> None:
    document = Document("x.yml")
    for number in range(MOST_LISTED + 1):
        document.report(f"key{number}", "is odd")
    assert not document.good(f"key{MOST_LISTED}")
    assert document.good("another")


def test_mistakes_come_in_the_order_of_their_lines_and_no_more_than_twenty() -> None:
    document = Document("x.yml")
    document.report("late", "is odd", 9)
    document.report("early", "is odd", 2)
    for _ in range(30):
        document.report("more", "is odd", 5)
    with pytest.raises(DocumentError) as raised:
        document.finish()
    lines = str(raised.value).splitlines()
    assert (lines[0], lines[19], len(lines)) == (
        "x.yml:2: early: is odd", "x.yml:9: late: is odd", 21)
    assert lines[20] == "x.yml: has 12 more mistakes"


def test_a_document_without_mistakes_is_no_error() -> None:
    document = read_json(b"{}").document
    document.finish()
    assert document.error() is None


def test_a_key_is_good_unless_it_or_one_below_it_has_a_mistake() -> None:
    document = Document("x.yml")
    document.report("engines.targets[1].url", "is odd")
    assert not document.good("engines.targets[1].url")
    assert not document.good("web", "engines.targets")
    assert document.good("engines.targets[0]", "engines.targets[1].name", "engines.targets[11]")


def test_a_line_is_that_of_the_key_or_of_the_nearest_above_it() -> None:
    document = read_yaml("a:\n  b.c:\n    - x\n    - y: 1\n", "x.yml").document
    lines = {"a": 1, "a.b.c": 2, "a.b.c[1]": 4, "a.b.c[1].y": 4, "a.b.c[1].z": 4, "a.x.y": 1,
             "b": 1}
    assert {path: document.line(path) for path in lines} == lines


def test_a_path_repeats_no_password_and_no_endless_key() -> None:
    assert join("models", "http://me:secret@host/x") == "models.***@host/x"
    assert join("models", "model@v1:0") == "models.model@v1:0"
    assert join("", "x" * 1000) == "x" * 100 + "…"
    assert join("a", 7) == "a[7]"
