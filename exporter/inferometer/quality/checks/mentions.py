"""What a text states that can be looked up: numbers, addresses, telephone numbers and quotes.

Each is made canonical, so that it is the same however it is written: 1,000 and 1000, 3.50 and 3.5,
+49 30 123-4567 and (030) 1234567. Where a form can be read in several ways each is a reading of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from inferometer.quality.checks.numerals import (
    MONEY_SIGNS,
    NUMBER,
    is_counting,
    readings,
    with_plain_digits,
)

ADDRESS, TELEPHONE, TIME, NUMERAL = KINDS = "address", "telephone", "time", "number"
MOST = 64  # of an answer
LONGEST_ANSWER = 32_768  # characters that are looked at
_LAST_DIGITS = 7  # of a telephone number: the rest is written in many ways, or left out
_LEAST_TELEPHONE = 7  # digits that stand together
_MOST_ADDRESSES = 200
_ADDRESS = 254  # characters
_AROUND = 64  # characters that are looked at before and behind digits of a number
_WITHIN_NUMBERS = frozenset("0123456789.,' \u00a0\u202f\u2009\u2019")

# Nothing here goes back over what it has read: what is repeated is bounded, or ends where its
# class does.
_FENCE = "```"
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>()\[\]\"']+")
_LIST_ITEM = re.compile(r"^[ \t>*#-]{0,8}[0-9]{1,3}[.)](?=\s)", re.M)
CITATION = re.compile(
    r"\[\^?[0-9]{1,3}(?: ?[,;\u2013-] ?\^?[0-9]{1,3}){0,20}\]|\u3010[^\u3011\n]{1,80}\u3011")
_LOCAL = re.compile(r"[\w.+%-]{1,64}\Z")
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
# A + and 8 digits or more, or groups as telephone numbers have them. What begins with a class of
# signs is looked for by that class, which is ten times as quick as what begins with a condition.
_PHONE = re.compile(
    r"[+(0-9](?<![\w.+-][+(0-9])(?:"
    r"(?<=\+)[0-9](?:[ ().\-/\u00a0]{0,2}[0-9]){7,14}"
    r"|(?:(?<=\()[0-9]|(?<=[0-9]))[0-9]{1,4}\)?[ .\-/\u00a0]{1,2}[0-9]{3,4}[ .\-\u00a0][0-9]{3,4}"
    r"|(?:(?<=\()[0-9]{2,5}\)|(?<=0)[0-9]{1,4})[ .\-/\u00a0]{1,2}[0-9]{5,9})(?!\w|[.,][0-9])")
_NO_PHONE = re.compile(r"[0-9]{1,3}(?:[ .\u00a0][0-9]{3})+")  # a number in groups
_TIME = re.compile(r"[0-9](?<![\w:.][0-9])[0-9]?:[0-9]{2}(?::[0-9]{2})?(?![\w:]|\.[0-9])")
_DATE = re.compile(
    r"[0-9](?<![\w.,/-][0-9])(?:[0-9]{3}([-/.])[0-9]{1,2}\1[0-9]{1,2}"
    r"|[0-9]?([-/.])[0-9]{1,2}\2[0-9]{4})(?![\w/-]|[.,][0-9])")
_YEAR = re.compile(r"[0-9]{4}")
_QUOTE = re.compile(
    r"[\u201c\u201e\u00ab\u00bb\u300c\u300e\u2018\"](?:"
    r"(?<=\u201c)([^\u201c\u201d\n]{1,300})\u201d"
    r"|(?<=\u201e)([^\u201c\u201d\u201e\n]{1,300})[\u201c\u201d]"
    r"|(?<=\u00ab)([^\u00ab\u00bb\n]{1,300})\u00bb|(?<=\u00bb)([^\u00ab\u00bb\n]{1,300})\u00ab"
    r"|(?<=\u300c)([^\u300c\u300d\n]{1,300})\u300d|(?<=\u300e)([^\u300e\u300f\n]{1,300})\u300f"
    r"|(?<=\u2018)([^\u2018\u2019\n]{1,300})\u2019(?!\w)"
    r"|(?<=\")(?<![\w\"]\")([^\"\n]{1,300})\"(?!\w))")
_LEAST_QUOTE = 8  # characters, and more than one word
_EDGES = " \t.,;:!?\u2026'\""
_SIGNS = tuple(zip("\u2019\u2018\u201c\u201d\u201e\u00ab\u00bb", "''\"\"\"\"\"", strict=True))
_DIGIT = re.compile(r"[0-9]")
_SEPARATE = re.compile("[^0-9]")  # in a date, and where several numbers stand in a row


class Mention(NamedTuple):
    """One of them, as it stands and in all its readings; a quote has none."""

    text: str
    readings: tuple[str, ...] = ()


def mentions_of(answer: str) -> list[Mention]:
    """What an answer states, each once: not the numbers of its lists, citations, links and code.

    Numbers of one digit only count, as in 3 options, where no sign or unit makes them more.
    """
    made: dict[object, Mention] = {}
    for mention in _stated(with_plain_digits(answer[:LONGEST_ANSWER])):
        made.setdefault(mention.readings or mention.text, mention)
        if len(made) >= MOST:
            break
    return [*made.values()]


def _stated(text: str) -> Iterator[Mention]:
    if _FENCE in text:
        text = " ".join(text.split(_FENCE)[::2])
    yield from _addresses(text)
    if "http" in text or "www." in text:
        text = _URL.sub(" ", text)
    if "[" in text or "\u3010" in text:
        text = CITATION.sub(" ", text)
    text = _LIST_ITEM.sub(" ", text)
    yield from _quotes(text)
    if not _DIGIT.search(text):
        return
    text, phones = _phones(text)
    yield from phones
    for match in _DATE.finditer(text):  # its year: months have names, and days stand in any order
        yield from (_number(year) for year in _YEAR.findall(match.group()))
    text = _DATE.sub(" ", text)
    yield from _times(text)
    for match in NUMBER.finditer(_TIME.sub(" ", text)):
        if not is_counting(match) or _is_money(match):
            yield _number(match.group("number"), match.group("unit") or "")


def readings_of(text: str, most: int, kinds: Collection[str] = KINDS) -> tuple[set[str], bool]:
    """All readings of what documents state, but quotes: any words of theirs may be quoted.

    Its digits are those of ASCII: see numerals.with_plain_digits.
    Of so many mentions of a kind at most; whether that is all of them.
    """
    made: set[str] = set()
    is_whole = True
    for kind in kinds:
        stream = _STREAMS[kind](text)
        for one in islice(stream, most):
            made.update(one)
        is_whole = is_whole and next(stream, None) is None
    return made, is_whole


def kind_of(reading: str) -> str:
    """Which of KINDS it is."""
    if "@" in reading:
        return ADDRESS
    kind = reading.partition(":")[0]
    return kind if kind in KINDS else NUMERAL


def plain_quote(text: str) -> str:
    """A text as quotes are compared: its case, spaces and signs around it are no difference."""
    if not text.isascii():
        for sign, plain in _SIGNS:
            text = text.replace(sign, plain)
    return " ".join(text.split()).strip(_EDGES).casefold()


def has_numeral(reading: str, digits: str, text: str, most: int) -> bool | None:
    """Whether a number that has these digits in it can be read so; looked for in so many places,
    after which it is None.
    """
    place = -1
    for _ in range(most):
        place = text.find(digits, place + 1)
        if place < 0:
            return False
        begin, least = place, max(0, place - _AROUND)
        while begin > least and text[begin - 1] in _WITHIN_NUMBERS:
            begin -= 1
        for match in NUMBER.finditer(text, begin, place + _AROUND):
            if match.end("number") > place:
                if any(reading in readings_ for readings_ in _readings_of_match(match)):
                    return True
                break
    return None


def _numerals(text: str) -> Iterator[Sequence[str]]:
    for match in NUMBER.finditer(text):
        yield from _readings_of_match(match)


def _readings_of_match(match: re.Match[str]) -> Iterator[Sequence[str]]:
    number, unit = match.groups()
    if unit is None and number.isdigit() and len(number) < _LEAST_TELEPHONE:  # as most are
        yield readings(number)
        return
    yield _number(number, unit or "").readings
    if len(pieces := _SEPARATE.split(number)) > 2 or " " in number:
        yield [piece.lstrip("0") or "0" for piece in pieces]


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
        digits = _SEPARATE.sub("", match.group())
        if len(digits) >= _LAST_DIGITS:
            spans.append(match.span())
            made.append(Mention(match.group(), (_telephone(digits),)))
    return _without(text, spans), made


def _telephone(digits: str) -> str:
    return f"{TELEPHONE}:{digits[-_LAST_DIGITS:]}"


def _times(text: str) -> Iterator[Mention]:
    if ":" in text:
        for match in _TIME.finditer(text):
            hour, minute = map(int, match.group().split(":")[:2])
            if hour < 25 and minute < 60:
                yield Mention(match.group(), (f"{TIME}:{hour % 12}:{minute:02}",))


def _is_money(match: re.Match[str]) -> bool:
    """Whether a currency's sign stands before it."""
    place = match.start()
    return match.string[max(0, place - 2):place].rstrip()[-1:] in MONEY_SIGNS


def _number(number: str, unit: str = "") -> Mention:
    made = readings(number, unit)
    if len(number) >= _LEAST_TELEPHONE and number.isdigit():
        made.append(_telephone(number))
    return Mention(number, tuple(dict.fromkeys(made)))


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    pieces, place = [], 0
    for begin, end in spans:
        pieces += [text[place:begin], " "]
        place = end
    return "".join([*pieces, text[place:]])


def _readings_by(stream: Callable[[str], Iterable[Mention]]
                 ) -> Callable[[str], Iterator[Sequence[str]]]:
    return lambda text: (one.readings for one in stream(text))


_STREAMS: Mapping[str, Callable[[str], Iterator[Sequence[str]]]] = {
    ADDRESS: _readings_by(_addresses), TELEPHONE: _readings_by(lambda text: _phones(text)[1]),
    TIME: _readings_by(_times), NUMERAL: _numerals}
