"""One span, read with the table of whoever made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inferometer.facts import ErrorType, Outcome
from inferometer.spans.errors import error_of, outcome_of
from inferometer.spans.flavours.reading import (
    LARGEST_TOKENS,
    count,
    document,
    number,
    step_into,
    text,
)
from inferometer.spans.flavours.table import Means, Origin, StepKind
from inferometer.spans.ids import LONGEST
from inferometer.spans.shape import COUNTS, RAW, Shape
from inferometer.spans.span import Attributes, Span, Status

_LONGEST_TEXT = 256  # characters of an id or a name
_NOTHING: Mapping[str, str] = {}
# What every fact has of its span, in the order in which Fact has it.
Common = tuple[bytes, bytes, bytes, str, str, str, int, int, Outcome, ErrorType, str, str,
               Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a deployment wants to have kept."""

    content: bool = False
    answers: bool = False  # what models answered, and in which form they were asked to
    sources: bool = False  # what they were given for it, and what searches gave
    request_id_attributes: tuple[str, ...] = ()
    user_attributes: tuple[str, ...] = ()
    conversation_attributes: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that are read besides those of the tables."""
        return (*self.request_id_attributes, *self.user_attributes,
                *self.conversation_attributes)


class SpanReader:
    """One span with the table that reads it.

    `texts`, `counts` and `raw` have the fields that it has, of each the first source with a value:
    texts of a length that may be kept, numbers of tokens, and values as they stand.
    """

    __slots__ = ("_documents", "attributes", "counts", "flavour", "means", "raw", "shape", "span",
                 "texts", "wishes")

    def __init__(self, span: Span, shape: Shape, means: Means, wishes: Wishes) -> None:
        self.span = span
        self.shape = shape
        self.flavour = shape.flavour
        self.means = means
        self.wishes = wishes
        self.attributes = attributes = span.attributes
        self.texts: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.raw: dict[str, Any] = {}
        self._documents: dict[str, object] = {}
        for field, key in shape.texts:
            value = attributes[key]
            if value.__class__ is str and value:
                self.texts[field] = value[:_LONGEST_TEXT]
            else:
                self._keep(field, value)
        for field, key in shape.counts:
            value = attributes[key]
            if value.__class__ is int and 0 <= value < LARGEST_TOKENS:  # as most are
                self.counts[field] = value
            else:
                self._keep(field, value)
        for field, key in shape.raw:
            self._keep(field, attributes[key])
        for field, sources in shape.others:
            for source in sources:
                if self._keep(field, self._within(source)):
                    break

    def _keep(self, field: str, value: Any) -> bool:
        """Keep a field's value, if it is one."""
        if field in COUNTS:
            if (tokens := count(value)) is None:
                return False
            self.counts[field] = tokens
        elif not value and value != 0:
            return False
        elif field in RAW:
            self.raw[field] = value
        else:
            self.texts[field] = text(value)[:_LONGEST_TEXT]
        return True

    def origins(self) -> Iterator[tuple[str, Origin]]:
        """Each field that it has, and the source that it came from: for who explains a span."""
        shape, attributes = self.shape, self.attributes
        for field, key in (*shape.texts, *shape.counts, *shape.raw):
            if self._keep(field, attributes[key]):
                yield field, Origin(key)
        for field, sources in shape.others:
            for source in sources:
                if self._keep(field, self._within(source)):
                    yield field, source
                    break

    def _within(self, source: Origin) -> object:
        key = source.attribute
        if source.event:
            return next((event.attributes.get(key) for event in self.span.events
                         if event.name == source.event), None)
        value: object = self.attributes.get(key)
        if value is None:
            return None
        if source.path:
            value = step_into(self._parsed(key), source.path)
        elif self.flavour.quoted:
            value = self._parsed(key)
        if source.scale != 1.0:
            value = number(value)
            return None if value is None else value * source.scale
        return value

    def _parsed(self, key: str) -> object:
        if key not in self._documents:
            self._documents[key] = document(self.attributes.get(key))
        return self._documents[key]

    def text(self, field: str) -> str:
        """A field as text; empty where it has none."""
        return self.texts.get(field, "")

    def chosen(self, names: tuple[str, ...], field: str) -> str:
        """A text that a deployment has in attributes of its own, else where the table says."""
        for name in names:
            if value := text(self.attributes.get(name)):
                return value[:_LONGEST_TEXT]
        return self.texts.get(field, "")

    def common(self, error: ErrorType) -> Common:
        """What every fact has of its span, which ended with this error."""
        span, wishes, field = self.span, self.wishes, self.texts.get
        start = span.start
        if start == span.end and (seconds := number(self.raw.get("duration"))) \
                and seconds <= LONGEST / 1e9:
            start = max(0, span.end - int(seconds * 1e9))  # a log, at the end of what it is about
        return (span.trace_id, span.span_id, span.parent_id, span.resource.service_name,
                span.scope.name, span.name, start, span.end, outcome_of(error), error,
                self.chosen(wishes.conversation_attributes, "conversation")
                if wishes.conversation_attributes else field("conversation", ""),
                self.chosen(wishes.user_attributes, "user")
                if wishes.user_attributes else field("user", ""),
                self._content() if wishes.content or wishes.answers or wishes.sources
                else _NOTHING)

    def _content(self) -> Mapping[str, str]:
        """What was said; of calls also in which form it was asked for, of searches what they gave.
        """
        wishes, flavour, kind = self.wishes, self.flavour, self.means.kind
        names: dict[str, None] = dict.fromkeys(flavour.content) if wishes.content else {}
        places: tuple[str, ...] = ()
        if kind is StepKind.CALL:
            places = (*(flavour.answer if wishes.answers else ()),
                      *(flavour.asked if wishes.answers else ()),
                      *(flavour.given if wishes.sources else ()))
        elif kind is StepKind.RETRIEVAL and wishes.sources:
            places = flavour.retrieved
        for place in places:
            if place.endswith("*"):
                names |= dict.fromkeys(
                    key for key in self.attributes if key.startswith(place[:-1]))
            else:
                names[place] = None
        return {name: value if isinstance(value, str) else json.dumps(value, default=repr)
                for name in names if (value := self.attributes.get(name)) is not None}

    def error(self) -> ErrorType:
        """Why it failed; NONE where it did not."""
        span, name = self.span, self.texts.get("error", "")
        failed = span.status is Status.ERROR \
            or self.texts.get("failed", "").upper() in ("ERROR", "TRUE")
        if not (name or failed or span.events):
            return ErrorType.NONE  # as most end
        exception: Attributes | None = None
        for event in span.events:
            if event.name == "exception":
                exception = event.attributes
        if not (name or failed or exception is not None):
            return ErrorType.NONE
        if not name and not (failed and exception is not None) and self._answered():
            return ErrorType.NONE  # the answer is there: what failed is around it
        exception = exception or _NOTHING
        error = error_of((name, self.text("code"), text(exception.get("exception.type"))),
                         span.message or text(exception.get("exception.message")))
        if error is ErrorType.OTHER and self.means.kind is StepKind.TOOL:
            return ErrorType.TOOL
        return error

    def _answered(self) -> bool:
        """Whether a call has the whole of an answer."""
        return "output" in self.counts and bool(self.text("finish_reason"))
