"""One span, read with the table of whoever made it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from inferometer.facts import ErrorType
from inferometer.spans.errors import error_of, outcome_of
from inferometer.spans.flavours import FLAVOURS
from inferometer.spans.flavours.reading import count, document, number, step_into, text
from inferometer.spans.flavours.table import Flavour, Means, Origin, StepKind
from inferometer.spans.span import Attributes, AttributeValue, Span, Status
from inferometer.spans.vocabulary import fits

_LONGEST_TEXT = 256  # characters of an id or a name
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a deployment wants to have kept."""

    content: bool = False
    request_id_attributes: tuple[str, ...] = ()
    user_attributes: tuple[str, ...] = ()
    conversation_attributes: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that are read besides those of the tables."""
        return (*self.request_id_attributes, *self.user_attributes,
                *self.conversation_attributes)


_COUNTS = frozenset(("input", "cached", "cache_write", "output", "reasoning"))

Offer = tuple[str, int, Origin | None]  # field, rank of the source, None: the attribute itself


@lru_cache(maxsize=256)
def _index(flavour_name: str) -> tuple[Mapping[str, Sequence[Offer]], Sequence[Offer]]:
    """A table turned round: what each attribute may be, and sources that are no one attribute."""
    flavour = next(flavour for flavour in FLAVOURS if flavour.name == flavour_name)
    by_attribute: dict[str, list[Offer]] = defaultdict(list)
    others: list[Offer] = []
    for field, sources in flavour.fields.items():
        for rank, source in enumerate(sources):
            if isinstance(source, str):
                by_attribute[source].append((field, rank, None))
            elif source.event or "*" in source.attribute:
                others.append((field, rank, source))
            else:
                by_attribute[source.attribute].append((field, rank, source))
    return by_attribute, others


class SpanReader:
    """One span with the table that reads it."""

    __slots__ = ("_documents", "_ranks", "_values", "attributes", "flavour", "means", "span",
                 "wishes")

    def __init__(self, span: Span, flavour: Flavour, means: Means, wishes: Wishes) -> None:
        self.span = span
        self.flavour = flavour
        self.means = means
        self.wishes = wishes
        self.attributes = span.attributes
        self._documents: dict[str, object] = {}
        self._values: dict[str, Any] = {}
        self._ranks: dict[str, int] = {}
        by_attribute, others = _index(flavour.name)
        values, ranks = self._values, self._ranks
        for key, value in span.attributes.items():
            for field, rank, source in by_attribute.get(key, ()):
                if source is None and value.__class__ is str and value and not flavour.quoted \
                        and field not in _COUNTS:  # as most are
                    if ranks.get(field, rank) >= rank:
                        values[field] = value
                        ranks[field] = rank
                else:
                    self._offer(field, rank, source, value)
        for field, rank, source in others:
            self._offer(field, rank, source, None)

    def _offer(self, field: str, rank: int, source: Origin | None, value: Any) -> None:
        """Take a value unless a source before it had one."""
        if self._ranks.get(field, rank) < rank:
            return
        if source is not None:
            value = self._within(source)
        elif self.flavour.quoted:
            value = self._parsed_text(value)
        if field in _COUNTS:
            value = count(value)
        if value or value is False or value == 0:
            self._values[field] = value
            self._ranks[field] = rank

    def _within(self, source: Origin) -> object:
        key = source.attribute
        if source.event:
            return next((event.attributes.get(key) for event in self.span.events
                         if event.name == source.event), None)
        if "*" in key:
            head, tail = key.split("*")
            key = next((name for name in self.attributes if fits(name, head, tail)), key)
        value: object = self.attributes.get(key)
        if value is None:
            return None
        if source.path:
            value = step_into(self._parsed(key), source.path)
        if source.scale != 1.0:
            value = number(value)
            return None if value is None else value * source.scale
        return value

    def _parsed(self, key: str) -> object:
        if key not in self._documents:
            self._documents[key] = document(self.attributes.get(key))
        return self._documents[key]

    @staticmethod
    def _parsed_text(value: AttributeValue) -> object:
        return document(value) if isinstance(value, str) else value

    def value(self, field: str) -> Any:
        """The first of a field's sources that has a value."""
        return self._values.get(field)

    def text(self, field: str) -> str:
        """A field as text, of a length that may be kept."""
        value = self._values.get(field)
        if value is None:
            return ""
        return value[:_LONGEST_TEXT] if value.__class__ is str else text(value)[:_LONGEST_TEXT]

    def count(self, field: str) -> int | None:
        """A field as a number of tokens."""
        return self._values.get(field)

    def chosen(self, names: tuple[str, ...], field: str) -> str:
        """A text that a deployment has in attributes of its own, else where the table says."""
        for name in names:
            if value := text(self.attributes.get(name)):
                return value[:_LONGEST_TEXT]
        return self.text(field)

    def common(self) -> dict[str, Any]:
        """What every fact has of its span."""
        span = self.span
        error = self.error()
        start = span.start
        if start == span.end and (seconds := number(self.value("duration"))):
            start = max(0, span.end - int(seconds * 1e9))  # a log, at the end of what it is about
        return {
            "trace_id": span.trace_id, "span_id": span.span_id, "parent_id": span.parent_id,
            "service_name": span.resource.service_name, "scope": span.scope.name,
            "name": span.name, "start": start, "end": span.end,
            "error_type": error, "outcome": outcome_of(error),
            "conversation": self.chosen(self.wishes.conversation_attributes, "conversation"),
            "user": self.chosen(self.wishes.user_attributes, "user"),
            "content": self.content(),
        }

    def content(self) -> Mapping[str, str]:
        """What was said, where it is wanted."""
        if not self.wishes.content:
            return _NOTHING
        return {name: value if isinstance(value, str) else repr(value)
                for name in self.flavour.content
                if (value := self.attributes.get(name)) is not None}

    def error(self) -> ErrorType:
        """Why it failed; NONE where it did not."""
        span = self.span
        name = self.text("error")
        failed = span.status is Status.ERROR or self.text("failed").upper() in ("ERROR", "TRUE")
        exception: Attributes | None = None
        for event in span.events:
            if event.name == "exception":
                exception = event.attributes
        if not (name or failed or exception is not None):
            return ErrorType.NONE
        if not name and not (failed and exception is not None) and self.answered():
            return ErrorType.NONE  # the answer is there: what failed is around it
        exception = exception or _NOTHING
        error = error_of((name, self.text("code"), text(exception.get("exception.type"))),
                         span.message or text(exception.get("exception.message")))
        if error is ErrorType.OTHER and self.means.kind is StepKind.TOOL:
            return ErrorType.TOOL
        return error

    def answered(self) -> bool:
        """Whether a call has the whole of an answer."""
        return self.count("output") is not None and bool(self.text("finish_reason"))
