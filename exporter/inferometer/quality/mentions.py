"""What a text states that can be looked up: numbers, addresses, telephone numbers and quotes.

Each is made canonical, so that it is the same however it is written: 1,000 and 1000, 3.50 and 3.5,
+49 30 123-4567 and (030) 1234567. Where a form can be read in several ways each is a reading of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inferometer.quality.numerals import MONEY_SIGNS, NUMBER, digits_in, is_counting, readings

MOST = 64  # of an answer
LONGEST_ANSWER = 65_536  # characters that are looked at
_LAST_DIGITS = 7  # of a telephone number: the rest is written in many ways, or left out
_LEAST_TELEPHONE = 7  # digits that stand together
_MOST_ADDRESSES = 200
_ADDRESS = 254  # characters

# Nothing here goes back over what it has read: what is repeated is bounded, or ends where its
# class does.
_FENCE = "```"
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>()\[\]\"']+")
_LIST_ITEM = re.compile(r"^[ \t>*#-]{0,8}\d{1,3}[.)](?=\s)", re.M)
CITATION = re.compile(
    r"\[\^?\d{1,3}(?: ?[,;\u2013-] ?\^?\d{1,3}){0,20}\]|\u3010[^\u3011\n]{1,80}\u3011")
_LOCAL = re.compile(r"[\w.+%-]{1,64}\Z")
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
# A + and 8 digits or more, or groups as telephone numbers have them.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d(?:[ ().\-/\u00a0]{0,2}\d){7,14}"
    r"|\(?\d{2,5}\)?[ .\-/\u00a0]{1,2}\d{3,4}[ .\-\u00a0]\d{3,4}"
    r"|(?:\(\d{2,5}\)|0\d{1,4})[ .\-/\u00a0]{1,2}\d{5,9})(?!\w|[.,]\d)")
_NO_PHONE = re.compile(r"\d{1,3}(?:[ .\u00a0]\d{3})+")  # a number in groups
_TIME = re.compile(r"(?<![\w:.])(\d{1,2}):(\d{2})(?::\d{2})?(?![\w:]|\.\d)")
_DATE = re.compile(r"(?<![\w.,/-])(?:(\d{4})([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}))"
                   r"(?![\w/-]|[.,]\d)")
_QUOTE = re.compile(
    r"\u201c([^\u201c\u201d\n]{1,300})\u201d|\u201e([^\u201c\u201d\u201e\n]{1,300})[\u201c\u201d]"
    r"|\u00ab([^\u00ab\u00bb\n]{1,300})\u00bb|\u00bb([^\u00ab\u00bb\n]{1,300})\u00ab"
    r"|\u300c([^\u300c\u300d\n]{1,300})\u300d|\u300e([^\u300e\u300f\n]{1,300})\u300f"
    r"|\u2018([^\u2018\u2019\n]{1,300})\u2019(?!\w)"
    r"|(?<![\w\"])\"([^\"\n]{1,300})\"(?!\w)")
_QUOTES = re.compile("[\u201c\u201e\u00ab\u00bb\u300c\u300e\u2018\"]")
_LEAST_QUOTE = 8  # characters, and more than one word
_EDGES = " \t.,;:!?\u2026'\""
_SPACES = re.compile(r"\s+")
_SIGNS = str.maketrans("\u2019\u2018\u201c\u201d\u201e\u00ab\u00bb", "''\"\"\"\"\"")
_DIGIT = re.compile(r"\d")


class Mention(NamedTuple):
    """One of them, as it stands and in all its readings; a quote has none."""

    text: str
    readings: tuple[str, ...] = ()


def mentions_of(answer: str) -> list[Mention]:
    """What an answer states, each once: not the numbers of its lists, citations, links and code.

    Numbers of one digit only count, as in 3 options, where no sign or unit makes them more.
    """
    text = answer[:LONGEST_ANSWER]
    if _FENCE in text:
        text = " ".join(text.split(_FENCE)[::2])
    made = [*_addresses(text)]
    for pattern in (_URL, CITATION, _LIST_ITEM):
        text = pattern.sub(" ", text)
    if _QUOTES.search(text):
        made += _quotes(text)
    if _DIGIT.search(text):
        text, phones = _phones(text)
        made += phones
        made += [_number(year) for match in _DATE.finditer(text) for year in match.group(1, 4)
                 if year]  # alone: months have names, and days stand in any order
        text = _DATE.sub(" ", text)
        made += _times(text)
        text = _TIME.sub(" ", text)
        made += [_number(match.group("number"), match.group("unit") or "")
                 for match in NUMBER.finditer(text)
                 if not is_counting(match) or _is_money(text, match.start())]
    return [*{one.readings or one.text: one for one in made}.values()][:MOST]


def readings_of(text: str, most: int) -> set[str]:
    """All readings of what documents state, but quotes: any words of theirs may be quoted.

    So many at most.
    """
    made: set[str] = set()
    for mention in _everything(text):
        made.update(mention.readings)
        if len(made) >= most:
            break
    return made


def plain_quote(text: str) -> str:
    """A text as quotes are compared: its case, spaces and signs around it are no difference."""
    return _SPACES.sub(" ", text.translate(_SIGNS)).strip(_EDGES).casefold()


def _everything(text: str) -> Iterator[Mention]:
    yield from _addresses(text)
    if not _DIGIT.search(text):
        return
    yield from _phones(text)[1]
    yield from _times(text)
    for match in NUMBER.finditer(text):
        number = match.group("number")
        yield _number(number, match.group("unit") or "")
        pieces = _DIGIT_RUNS.findall(number)
        if len(pieces) > 1:  # a date, or several numbers in a row
            yield Mention(number, tuple(piece.lstrip("0") or "0" for piece in pieces))


_DIGIT_RUNS = re.compile(r"\d+")


def _addresses(text: str) -> Iterator[Mention]:
    """Those of e-mail. Looked for from their @ on: a long word without one takes no time."""
    place = -1
    for _ in range(_MOST_ADDRESSES):
        place = text.find("@", place + 1)
        if place < 0:
            return
        local = _LOCAL.search(text[max(0, place - 64):place])
        domain = _DOMAIN.match(text, place + 1, place + _ADDRESS)
        if local and domain:
            address = f"{local.group()}@{domain.group()}".strip(".-")
            yield Mention(address, (address.casefold(),))


def _quotes(text: str) -> Iterator[Mention]:
    for match in _QUOTE.finditer(text):
        quote = next(filter(None, match.groups())).strip(_EDGES)
        if len(quote) >= _LEAST_QUOTE and " " in quote:
            yield Mention(quote)


def _phones(text: str) -> tuple[str, list[Mention]]:
    """The text without telephone numbers, and these."""
    made: list[Mention] = []
    spans: list[tuple[int, int]] = []
    for match in _PHONE.finditer(text):
        if _NO_PHONE.fullmatch(match.group()) or _DATE.fullmatch(match.group()):
            continue
        digits = digits_in(match.group())
        if len(digits) >= _LAST_DIGITS:
            spans.append(match.span())
            made.append(Mention(match.group(), (_telephone(digits),)))
    return _without(text, spans), made


def _telephone(digits: str) -> str:
    return f"tel:{digits[-_LAST_DIGITS:]}"


def _times(text: str) -> Iterator[Mention]:
    if ":" in text:
        for match in _TIME.finditer(text):
            hour, minute = int(match.group(1)), int(match.group(2))
            if hour < 25 and minute < 60:
                yield Mention(match.group(), (f"time:{hour % 12}:{minute:02}",))


def _is_money(text: str, place: int) -> bool:
    """Whether a currency's sign stands before this place."""
    return text[max(0, place - 2):place].rstrip()[-1:] in MONEY_SIGNS


def _number(number: str, unit: str = "") -> Mention:
    made = readings(number, unit)
    if len(number) >= _LEAST_TELEPHONE and number.isdecimal():
        made.append(_telephone(digits_in(number)))
    return Mention(number, tuple(dict.fromkeys(made)))


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    pieces, place = [], 0
    for begin, end in spans:
        pieces += [text[place:begin], " "]
        place = end
    return "".join([*pieces, text[place:]])
