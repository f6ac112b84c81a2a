from __future__ import annotations

import html
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.home.markup import Markup, cut, foreign, joined, printable, tag, text

HOSTILE = (
    "</svg><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='x",
    "&lt;b&gt;",
    "<!--", "]]>", "\u202egnp.exe", "a\x00b\x1b[31m", "\ud800", "\u2028\u2029", "אבג", "\ufeff",
)
anything = st.text(st.characters(exclude_categories=[])) | st.sampled_from(HOSTILE)


@settings(deadline=None, database=None)
@given(anything)
def test_whatever_a_text_is_it_stays_one_text_in_one_element(value: str) -> None:
    element = ElementTree.fromstring(tag("p", value))
    assert (element.text or "", len(element)) == (printable(value), 0)


@settings(deadline=None, database=None)
@given(anything)
def test_whatever_a_value_is_it_stays_one_attribute(value: str) -> None:
    element = ElementTree.fromstring(tag("a", href=value))
    assert element.attrib == {"href": printable(value)}


@settings(deadline=None, database=None)
@given(anything)
def test_no_sign_is_left_that_would_not_be_seen_or_would_turn_its_surroundings(
        value: str) -> None:
    shown = printable(value)
    assert all(sign.isprintable() or sign == "\u00a0" for sign in shown)
    shown.encode()


@settings(deadline=None, database=None)
@given(anything, st.integers(1, 50))
def test_a_foreign_text_is_isolated_and_cut(value: str, most: int) -> None:
    element = ElementTree.fromstring(foreign(value, most))
    assert (element.tag, element.text or "") == ("bdi", printable(cut(value, most)))
    assert len(cut(value, most)) <= most


def test_a_mebibyte_is_cut_before_it_is_looked_at() -> None:
    assert len(foreign("<" * 2**20, 80)) < 500


@pytest.mark.parametrize(("value", "shown"), [
    ("plain", "plain"), ("אבג", "אבג"), ("a\u202eb", "a\\u202eb"), ("\n", "\\n"),
    ("\ud800", "\\ud800"), ("\U000e0001", "\\U000e0001"), ("5\u00a0s", "5\u00a0s"),
])
def test_what_cannot_be_seen_is_spelt_out(value: str, shown: str) -> None:
    assert printable(value) == shown


def test_what_is_html_already_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "<"), " & ", None, joined("1", tag("i", "2"))) == (
        "<p><b>&lt;</b> &amp; 1<i>2</i></p>")
    assert text(Markup("<b>")) == "<b>"


def test_attributes_are_named_as_html_names_them() -> None:
    assert tag("svg", class_="a", aria_hidden="true", id=None, open=True, hidden=False) == (
        '<svg class="a" aria-hidden="true" open></svg>')
    assert tag("br") == "<br>"


def test_names_cut_in_the_middle_of_an_escape_do_not_break_it() -> None:
    assert html.unescape(foreign("&&&&&&", 4)) == "<bdi>&&&…</bdi>"
