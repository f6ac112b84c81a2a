"""Which attribute of a span each field came from, and why the others are not used.

The span is read as a gateway reads it, by maps that take down what is asked of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from inferometer.facts import Fact
from inferometer.spans.explain.capture import CapturedSpan
from inferometer.spans.flavours import FLAVOURS, flavour_of, vocabulary
from inferometer.spans.flavours.reading import text
from inferometer.spans.flavours.table import Flavour, Means, StepKind, as_origin
from inferometer.spans.normalise import fact_of
from inferometer.spans.reader import SpanReader, Wishes
from inferometer.spans.shape import Shape, shape_of
from inferometer.spans.span import AttributeValue, Span
from inferometer.spans.vocabulary import fits

NO_TABLE = "no table knows the scope, or an attribute of the span"
NO_STEP = "the span is no step"
UNNAMED = "no table names it"
CONTENT = "what was said: a gateway does not keep it"
KIND = "what it is"  # as which field the attribute stands that says so
# Functions of a table that read attributes themselves, and the field that each is about.
_RULES = {"usage": "tokens", "documents": "documents", "reranked": "documents",
          "response_id": "response_id", "refused": "refused", "estimated": "estimated",
          "method": "method"}
_WORD = re.compile(r"[\w.:/-]{1,40}")  # a value that may be shown: nobody's sentence
_CONTENT = frozenset(name for flavour in FLAVOURS for name in flavour.content)


@dataclass(frozen=True, slots=True)
class SpanSources:
    """How one span was read."""

    captured: CapturedSpan
    fact: Fact | None = None
    flavour: Flavour | None = None
    kind: str = ""  # of step
    why: str = ""  # it is none
    fields: Mapping[str, str] = field(default_factory=dict)  # each with its source
    unused: Mapping[str, str] = field(default_factory=dict)  # attributes and events, with why


class _ReadAttributes(dict[str, AttributeValue]):
    """Attributes, and the names of those that were asked for."""

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(attributes)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> AttributeValue:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dictionary's."""
        self.read.add(key)
        return super().get(key, default)


class _ReadFields(dict[str, Any]):
    """Fields, and the names of those that whoever makes a fact asked for."""

    def __init__(self, fields: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(fields)
        self._read = read

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._read.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As a dictionary's."""
        self._read.add(key)
        return super().get(key, default)


def read_span(captured: CapturedSpan, wishes: Wishes) -> SpanSources:
    """How a gateway reads the span."""
    attributes = _ReadAttributes(captured.span.attributes)
    span = replace(captured.span, attributes=attributes)
    shape = shape_of(span)
    if shape is None:
        return SpanSources(captured, why=NO_TABLE, unused=_all(captured, NO_TABLE))
    means = shape.means(span)
    if means is None or means.kind is StepKind.NOTHING:
        return SpanSources(captured, flavour=shape.flavour, why=_no_step(shape, span, means),
                           unused=_all(captured, NO_STEP))
    return _step(captured, SpanReader(span, shape, means, wishes), attributes)


def _step(captured: CapturedSpan, reader: SpanReader, attributes: _ReadAttributes) -> SpanSources:
    sources = {name: (str(origin), origin.attribute) for name, origin in reader.origins()}
    asked: set[str] = set()
    reader.texts = _ReadFields(reader.texts, asked)
    reader.counts = _ReadFields(reader.counts, asked)
    reader.raw = _ReadFields(reader.raw, asked)
    rules: dict[str, set[str]] = {}
    reader.flavour = _listening(reader.flavour, attributes, rules)
    attributes.read.clear()
    fact = fact_of(reader)
    fields = {name: source for name, (source, _key) in sources.items() if name in asked}
    used = {key for name, (_source, key) in sources.items() if name in asked}
    for name, keys in rules.items():
        used |= keys
        if keys:
            fields[name] = ", ".join(sorted(keys))
    if kind_source := _kind_source(reader.shape, reader.span):
        fields[KIND] = kind_source
        used |= {*reader.span.attributes} & {kind_source}
    fields |= _first_token(reader, fact, fields)
    flavour = reader.shape.flavour
    own = _fields_of(reader.shape)
    words = vocabulary(False, reader.wishes.attributes)
    unused = {}
    for key in captured.keys - used:
        if key in _CONTENT:
            unused[key] = CONTENT
        elif not words.reads(key):
            unused[key] = UNNAMED
        else:
            unused[key] = _reason(key, own.get(key, []), fields, sources, flavour,
                                  reader.means.kind)
    events = {source.partition(": ")[0].removeprefix("event ")
              for source in fields.values() if source.startswith("event ")}
    unused |= {f"event {name}": UNNAMED for name in captured.events - events
               if not words.reads_event(name)}
    return SpanSources(captured, fact, flavour, reader.means.kind, fields=fields, unused=unused)


def _listening(flavour: Flavour, attributes: _ReadAttributes,
               rules: dict[str, set[str]]) -> Flavour:
    """The table, whose functions take down what they read where they have an answer."""
    patterns = [(name.partition("*")[0], name.partition("*")[2]) for name in flavour.reads
                if "*" in name]

    def listening(name: str, rule: Callable[[Span], Any]) -> Callable[[Span], Any]:
        def answer(span: Span) -> Any:
            attributes.read.clear()
            value = rule(span)
            if _is_answer(name, value):
                rules.setdefault(_RULES[name], set()).update(
                    attributes.read & attributes.keys(),
                    (key for key in attributes if _RULES[name] == "documents" and (
                        key.startswith(flavour.prefixes or ("\0",))
                        or any(fits(key, *pattern) for pattern in patterns))))
            return value
        return answer
    changed: dict[str, Any] = {name: listening(name, rule) for name in _RULES
                               if (rule := getattr(flavour, name)) is not None}
    return flavour.but(flavour.name, **changed)


def _is_answer(rule: str, value: Any) -> bool:
    """Whether a function has one: no document is one as well."""
    if rule == "documents":
        return value is not None
    return value != (None, None) if rule == "reranked" else bool(value)


def _first_token(reader: SpanReader, fact: Fact, fields: Mapping[str, str]) -> dict[str, str]:
    """The event that a time to first token came from, where no attribute has it."""
    if getattr(fact, "time_to_first_token", None) is None or "time_to_first_token" in fields \
            or "first_token" in fields:
        return {}
    names = {event.name for event in reader.span.events}
    event = next((name for name in reader.flavour.first_token_events if name in names), "")
    return {"first_token": f"event {event}"} if event else {}


def _kind_source(shape: Shape, span: Span) -> str:
    """What says that it is a step of this kind."""
    if span.name in shape.flavour.names:
        return "the span's name"
    if shape.flavour.odd is not None and shape.flavour.odd(span) is not None:
        return "a rule of its table"
    for step in shape.steps:
        value = span.attributes[step.attribute]
        if value is not None and step.means.get(text(value), step.otherwise) is not None:
            return step.attribute
    return "a model and an answer" if shape.answered else ""


def _fields_of(shape: Shape) -> dict[str, list[str]]:
    """The fields that each attribute may feed."""
    fields: dict[str, list[str]] = {}
    for name, key in (*shape.texts, *shape.counts, *shape.raw):
        fields.setdefault(key, []).append(name)
    for name, origins in shape.others:
        for origin in origins:
            if not origin.event:
                fields.setdefault(origin.attribute, []).append(name)
    return fields


def _reason(key: str, names: list[str], fields: Mapping[str, str],
            sources: Mapping[str, tuple[str, str]], flavour: Flavour, kind: StepKind) -> str:
    """Why an attribute that some table names was not used."""
    for name in names:
        if name in fields and sources[name][1] != key:
            return f"{name} comes from {fields[name]}"
    for name in names:
        if name in sources:
            return f"{name} is no part of such a step ({kind})" if sources[name][1] == key \
                else f"{name} has it from {sources[name][0]}"
    if names:
        return f"it has no usable value of {names[0]}"
    if key in flavour.marks or any(step.attribute == key for step in flavour.steps):
        return "it may say what made the span, or what it is; nothing else is read from it"
    if key.startswith(flavour.prefixes or ("\0",)) or key in flavour.long:
        return "its table has no use for it here"
    return f"named by other tables only: {', '.join(_naming(key)[:2])}"


def _naming(key: str) -> list[str]:
    """The tables that name an attribute."""
    return [flavour.name for flavour in FLAVOURS if key in flavour.marks
            or any(step.attribute == key for step in flavour.steps)
            or key.startswith(flavour.prefixes or ("\0",)) or key in flavour.long
            or any(as_origin(source).attribute == key
                   for sources in flavour.fields.values() for source in sources)]


def _no_step(shape: Shape, span: Span, means: Means | None) -> str:
    """Why a span whose table is known is no step."""
    flavour = shape.flavour
    if means is not None and span.name in flavour.names:
        return "its table counts no span of this name"
    for step in shape.steps:
        value = span.attributes[step.attribute]
        if isinstance(value, str) and _WORD.fullmatch(value):
            return f"{step.attribute} is {value}, which is no step" if means is not None \
                else f"its table has no {value} in {step.attribute}"
    if means is not None:
        return "its table has a rule by which it is none"
    names = dict.fromkeys(step.attribute for step in flavour.steps)
    return f"it has none of {', '.join(names)}" if names else "nothing says what it is"


def _all(captured: CapturedSpan, why: str) -> dict[str, str]:
    return dict.fromkeys(captured.keys, why)


def chosen_by(captured: CapturedSpan) -> str:
    """What chose the table of a span: its scope, or an attribute."""
    scope = captured.span.scope.name
    if flavour_of(scope, ()) is not None:
        return "its scope"
    flavour = flavour_of(scope, captured.keys)
    return next((f"the attribute {mark}" for mark in flavour.marks
                 if mark in captured.keys), "") if flavour else ""
