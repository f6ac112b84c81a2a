"""What the keys of a span's attributes decide: its table, and where each field stands.

The spans of one instrumentation have the same keys again and again. So a table is looked through
once for each set of keys, and a span costs no more than its own attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from inferometer.spans.flavours import flavour_of
from inferometer.spans.flavours.reading import text
from inferometer.spans.flavours.table import CALL, Flavour, Means, Origin, Steps, as_origin
from inferometer.spans.span import Span
from inferometer.spans.vocabulary import fits

COUNTS = frozenset(("input", "cached", "cache_write", "output", "reasoning", "total",
                    "documents"))
# Neither numbers of tokens nor texts: whoever makes a fact of the span converts them.
RAW = frozenset(("streamed", "time_to_first_token", "first_token", "duration", "queue", "prefill",
                 "decode"))
_REMEMBERED = 1024  # sets of keys: they come from outside
_MOST_KEYS = 64  # of a set that is remembered

FieldKey = tuple[str, str]  # a field, and the attribute that has it


@dataclass(frozen=True, slots=True)
class Shape:
    """A table, as far as it is about these keys."""

    flavour: Flavour
    steps: Sequence[Steps]  # of attributes that are there
    answered: bool  # a call whose operation no table knows has a model's answer
    # Fields that one attribute alone may have, as it stands, by what is made of them.
    texts: Sequence[FieldKey]
    counts: Sequence[FieldKey]
    raw: Sequence[FieldKey]
    # The others, with all that may have them, the first that has a value before the others.
    others: Sequence[tuple[str, Sequence[Origin]]]

    def means(self, span: Span) -> Means | None:
        """What the span is; None: no step of an LLM application."""
        flavour = self.flavour
        if span.name in flavour.names:
            return flavour.names[span.name]
        if flavour.odd is not None and (odd := flavour.odd(span)) is not None:
            return odd
        for step in self.steps:
            value = span.attributes[step.attribute]
            if value is None:
                continue
            means = step.means.get(value if value.__class__ is str else text(value),
                                   step.otherwise)
            if means is not None:
                return means
        return CALL if self.answered else None


def shape_of(span: Span) -> Shape | None:
    """The shape that the span has; None where no table knows it."""
    keys = tuple(span.attributes)
    return _remembered(span.scope.name, keys) if len(keys) <= _MOST_KEYS \
        else _shape(span.scope.name, span.attributes.keys())


def _shape(scope: str, keys: Collection[str]) -> Shape | None:
    flavour = flavour_of(scope, keys)
    if flavour is None:
        return None
    alone: dict[str, list[FieldKey]] = {"texts": [], "counts": [], "raw": []}
    others: list[tuple[str, Sequence[Origin]]] = []
    for field, sources in flavour.fields.items():
        origins = [origin for source in sources
                   if (origin := _within(as_origin(source), keys)) is not None]
        if len(origins) == 1 and origins[0] == Origin(origins[0].attribute) \
                and not flavour.quoted:
            made_of = "counts" if field in COUNTS else "raw" if field in RAW else "texts"
            alone[made_of].append((field, origins[0].attribute))
        elif origins:
            others.append((field, origins))
    return Shape(flavour, [step for step in flavour.steps if step.attribute in keys],
                 _answered(keys), **alone, others=others)


def _within(origin: Origin, keys: Collection[str]) -> Origin | None:
    """The source as these keys have it; None where they do not."""
    if origin.event:
        return origin
    start, star, end = origin.attribute.partition("*")
    if not star:
        return origin if origin.attribute in keys else None
    key = next((key for key in keys if fits(key, start, end)), None)
    return None if key is None else replace(origin, attribute=key)


def _answered(keys: Container[str]) -> bool:
    return ("gen_ai.request.model" in keys or "gen_ai.response.model" in keys) and (
        "gen_ai.response.id" in keys or "gen_ai.response.finish_reasons" in keys
        or "gen_ai.usage.input_tokens" in keys or "gen_ai.usage.prompt_tokens" in keys)


_remembered = lru_cache(maxsize=_REMEMBERED)(_shape)
