"""What an answer states is the same however it is written, and what only looks so is no fact."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.quality.checks.given import LARGEST
from inferometer.quality.checks.mentions import MOST, mentions_of, readings_of
from inferometer.quality.checks.support import GivenText


def missing(answer: str, given: str) -> list[str]:
    """Texts of what the answer states and the given text lacks."""
    return [one.text for one in GivenText(given).missing(mentions_of(answer))]


@pytest.mark.parametrize(("answer", "given"), [
    ("1,000 of them", "1000"), ("1000 of them", "1,000"), ("1000 of them", "1.000 Stück"),
    ("1 000 000 people", "1,000,000"), ("1\u202f000 people", "1000"), ("1'000 francs", "1000"),
    ("3.50", "3.5"), ("3.5", "3,50 €"), ("1,234.56", "1.234,56"), ("007 is 7", "agent 7"),
    ("50 %", "50%"), ("50%", "50 percent"), ("$29.40", "29.4 USD"), ("€5", "5 euros"),
    ("1.5 million", "1,500,000"), ("1,500,000", "1.5 million"), ("2bn", "2,000,000,000"),
    ("5GB", "5 GB"), ("12 km", "12km"), ("in 2019.", "2019"), ("the 1990s", "1990"),
    ("31.12.2025", "on 31 December 2025"), ("2025-12-31", "31.12.2025"),
    ("at 10:30", "10:30 AM"), ("at 22:30", "10:30 pm"),
    ("version 1.2.3", "1.2.3"), ("192.168.0.1", "host 192.168.0.1"),
    ("١٢٣ of them", "123"),
    ("Write to Ada@Example.com.", "mailto:ada@example.com"),
    ("Call +49 30 123-4567.", "(030) 1234567"), ("Call 555-010-9999.", "+1 (555) 010 9999"),
    ("Call 5550109999.", "555.010.9999"),
    ("“To be, or not to be,” he says.", "to be,  or\nnot to be"),
    ("„Sein oder Nichtsein“", "Sein oder Nichtsein"), ("«être ou ne pas»", "Être ou ne pas être"),
    ("»Sein oder nicht«", "sein oder nicht"), ('"To be or not"', "To be or not to be"),
    ("「ある か ない か です」", "ある か ない か です"),
])
def test_what_is_written_otherwise_is_the_same(answer: str, given: str) -> None:
    assert mentions_of(answer)
    assert missing(answer, given) == []


@pytest.mark.parametrize(("answer", "given", "left"), [
    ("1,001 of them", "1000", "1,001"), ("12", "2012 and 120, 3.12 and 12.5", "12"),
    ("3.51", "3.5", "3.51"), ("$7", "17 and 0.7", "7"), ("60 %", "50 %", "60"),
    ("in 2020", "2019", "2020"), ("31.12.2026", "31.12.2025", "2026"), ("10:31", "10:30", "10:31"),
    ("a@example.com", "aa@example.com", "a@example.com"),
    ("a@example.com", "a@example.community", "a@example.com"),
    ("Call +49 30 123-4568.", "(030) 1234567", "+49 30 123-4568"),
    ("“to be and not to be”", "to be or not to be", "to be and not to be"),
])
def test_what_is_another_is_missing(answer: str, given: str, left: str) -> None:
    assert missing(answer, given) == [left]


@pytest.mark.parametrize("answer", [
    "", "Paris.", "1. Paris\n2. Rome\n 12) Oslo", "It is so [1], [2, 3], [12-14] and 【3†source】.",
    "There are 3 options, and the 1st is best.", "An H100, GPT4 and v2.", 'A "smart" \'idea\'.',
    "See https://example.com/2024/1234567.", "```python\nx = 42\nprint(\"some quoted text\")\n```",
    "It's the dogs' and the cats' own.",
])
def test_what_only_looks_like_a_fact_is_none(answer: str) -> None:
    assert mentions_of(answer) == []


def test_a_fact_counts_once() -> None:
    assert len(mentions_of("1,000 and 1000.0 and again 1000, 1,000")) == 2


def test_no_text_takes_long() -> None:
    hostile = ("a" * 2**20, "1" * 2**20, "1," * 2**19, "1 " * 2**19, "+1" * 2**19, "@" * 2**20,
               "a@" * 2**19, "a@b." * 2**18, "\u201c" * 2**20, '"' * 2**20, '" ' * 2**19,
               "[1" * 2**19, "(123) " * 2**17, "12:" * 2**18, "1-" * 2**19, "http://" * 2**17,
               "1'000" * 2**17, "```" * 2**18, "\u3010" * 2**20)
    for text in hostile:
        begin = time.thread_time()
        stated = mentions_of(text)
        readings_of(text[:LARGEST], 512)
        GivenText(text[:LARGEST]).missing(mentions_of("1,234 “nothing of this” 5% a@b.example"))
        assert time.thread_time() - begin < 0.5, text[:8]
        assert len(stated) <= MOST


@pytest.mark.parametrize(("answer", "given"), [
    ("12,000", "12 thousand"), ("12,000", "12k"), ("1,200,000", "1.2 million"),
    ("1200000", "1,2 Mio."), ("12,300,000", "12.3 million"), ("123,400,000", "123.4 million"),
    ("5,000", "5 thousand"), ("100", "a 100"), ("7,000,000,000", "7bn"), ("1,500", "1.5k")])
def test_round_numbers_are_the_same_as_so_many_thousands(answer: str, given: str) -> None:
    assert missing(answer, given) == []
    assert missing(answer, given.translate(str.maketrans("1257", "3398"))) == [answer]


def spellings(number: int, places: int) -> list[str]:
    """A number with so many places after its point, as people write it."""
    digits = f"{number:0{places + 1}}"
    integer, fraction = (digits[:-places], digits[-places:]) if places else (digits, "")
    groups = f"{int(integer):,}"
    made = [f"{integer}.{fraction}" if fraction else integer]
    for point, group in ((".", ","), (",", "."), (".", "'"), (",", " "), (",", "\u00a0")):
        made.append(groups.replace(",", group) + (f"{point}{fraction}" if fraction else ""))
    return made


@given(st.integers(10, 10**12), st.sampled_from((0, 1, 2, 4)), st.data())
def test_a_number_is_found_however_it_is_written(number: int, places: int, data: st.DataObject
                                                 ) -> None:
    stated, given_ = (data.draw(st.sampled_from(spellings(number, places))) for _ in range(2))
    unit = data.draw(st.sampled_from(("", " %", "%", " kg", " €", " of them")))
    assert missing(f"It is {stated}{unit} and so on.", f"It was {given_}, they say.") == []


@given(st.integers(10, 10**9), st.integers(10, 10**9))
def test_another_number_is_never_found(number: int, other: int) -> None:
    if number != other:
        assert missing(f"It is {number} high.", f"It is {other} high.") == [str(number)]


@given(st.text(), st.text())
def test_any_text_can_be_looked_at(answer: str, prompt: str) -> None:
    assert {*missing(answer, prompt)} <= {one.text for one in mentions_of(answer)}
    assert missing(answer, f"x {answer} x") == [] or "@" in answer
