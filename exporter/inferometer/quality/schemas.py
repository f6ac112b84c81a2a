"""Whether a value fits a JSON Schema that came from outside, in bounded time.

Schemas are hostile until proven otherwise: nothing is fetched, references lead nowhere but into the
schema itself, patterns that may take long are not looked at, and work is counted. What cannot be
decided is None, never a failure of the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from inferometer.quality.patterns import LONGEST_TEXT, is_quick

CPU_SECONDS = 0.05  # of this thread, for all that one call asks to be held against schemas
STEPS = 20_000  # the same in keywords that are looked at
LARGEST = 5_000  # values in a schema
MOST_UNIQUE = 200  # elements of a list that are to be unlike each other
MOST_PATTERNS = 16  # for names of properties
MOST_NAMES = 500  # of properties that are held against these
# Keywords that are looked at; `format` and what is not here says nothing against a value.
_KEYWORDS = frozenset((
    "$ref", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "if", "items", "maxItems",
    "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties",
    "propertyNames", "required", "type", "uniqueItems"))
_OF_PATTERNS = ("patternProperties", "additionalProperties")


class UndecidedError(Exception):
    """It would take too long, or the schema is none."""


class SchemaBudget:
    """What may be spent on the schemas of one call. `clock`: CPU seconds of this thread."""

    def __init__(self, seconds: float = CPU_SECONDS, steps: int = STEPS,
                 clock: Callable[[], float] = time.thread_time) -> None:
        self._clock, self._steps, self._seconds = clock, steps, seconds
        self._end = 0.0  # the first step begins: what is loaded for it is nobody's work

    @property
    def spent(self) -> float:
        """CPU seconds since the first step."""
        return self._clock() - self._end + self._seconds if self._end else 0.0

    def spend(self) -> None:
        """Count a step. Raises UndecidedError after too many, or where they took too long."""
        self._steps -= 1
        self._end = self._end or self._clock() + self._seconds
        if self._steps < 0 or self._clock() > self._end:
            raise UndecidedError


_budget: ContextVar[SchemaBudget] = ContextVar("budget")


def fits(schema: object, value: object, budget: SchemaBudget) -> bool | None:
    """Whether the value is one that the schema describes; None where that is not decided."""
    token = _budget.set(budget)
    try:
        return _fits(schema, value)
    except Exception:  # whatever breaks on a schema from outside, the value did not miss it
        return None
    finally:
        _budget.reset(token)


def _fits(schema: object, value: object) -> bool:
    if not isinstance(schema, dict):
        raise UndecidedError
    # Without its dialect: the library would go on with a validator of its own.
    plain = {key: inner for key, inner in schema.items() if key != "$schema"}
    _require_closed(plain)
    kind = _validator(str(schema.get("$schema", "")))
    return next(kind(plain, registry=_empty_registry()).iter_errors(value), None) is None


def _require_closed(schema: object) -> None:
    """Raises UndecidedError where it leads elsewhere, is of several dialects, or too large."""
    waiting, left = [schema], LARGEST
    while waiting:
        part = waiting.pop()
        left -= 1
        if left < 0:
            raise UndecidedError
        if isinstance(part, dict):
            reference = part.get("$ref", "#")
            if isinstance(part.get("$schema"), str) or (
                    isinstance(reference, str) and not reference.startswith("#")):
                raise UndecidedError
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


@lru_cache(1)
def _empty_registry() -> Any:
    """One that has no schema and fetches none: the library's own would ask the network."""
    from referencing import Registry  # here alone: most gateways never meet a schema

    return Registry()


@lru_cache(16)
def _validator(dialect: str) -> Any:
    """The library's validator for a dialect of JSON Schema, with its keywords bounded."""
    from jsonschema import Draft202012Validator, validators

    library = validators.validator_for({"$schema": dialect}, default=Draft202012Validator)
    return validators.extend(library, {  # type: ignore[no-untyped-call]  # no stub has its types
        name: _bounded(name, function) if name in _KEYWORDS else _pass
        for name, function in library.VALIDATORS.items()})


def _pass(checker: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """A keyword that says nothing against any value."""
    return iter(())


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def errors(checker: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        _budget.get().spend()
        if name == "pattern" and isinstance(instance, str) and not (
                len(instance) <= LONGEST_TEXT and is_quick(value)):
            return
        if name == "uniqueItems" and isinstance(instance, list) and len(instance) > MOST_UNIQUE:
            raise UndecidedError
        if name in _OF_PATTERNS and isinstance(instance, dict):
            _require_quick(schema.get("patternProperties", {}), instance)
        yield from function(checker, value, instance, schema) or ()
    return errors


def _require_quick(patterns: Any, names: Any) -> None:
    """Raises UndecidedError where it may take long which names match."""
    if patterns and (len(patterns) > MOST_PATTERNS or len(names) > MOST_NAMES
                     or max(map(len, names), default=0) > LONGEST_TEXT
                     or not all(map(is_quick, patterns))):
        raise UndecidedError
