"""A fact as the ledger keeps it: an array in JSON, whose columns its form names.

A form is a kind of fact with the names of its fields as they were when the row was written. So a
field that is new, or gone, needs no migration: what a form does not name has its default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from inferometer import facts
from inferometer.facts import ErrorType, Fact, Outcome, Usage

KINDS: Mapping[str, type[Fact]] = {kind.__name__: kind for kind in (
    facts.ModelCall, facts.EngineCall, facts.AgentRun, facts.ToolCall, facts.McpOperation,
    facts.Retrieval, facts.Rerank, facts.Evaluation, facts.Feedback)}
# These have columns or a table of their own.
APART = frozenset(("trace_id", "span_id", "parent_id", "user", "conversation", "content"))
_USAGE = "usage."
encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # ASCII


def names_of(kind: type[Fact]) -> tuple[str, ...]:
    """The fields of a kind of fact that its form names, those of the usage one by one."""
    names: list[str] = []
    for field in fields(kind):
        if field.name == "usage":
            names += [_USAGE + part.name for part in fields(Usage)]
        elif field.name not in APART:
            names.append(field.name)
    return tuple(names)


def packer(kind: type[Fact]) -> Callable[[Fact], str]:
    """What packs facts of this kind."""
    values = attrgetter(*names_of(kind))
    return lambda fact: encode(values(fact))


class Unpacker:
    """Makes facts of one form."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        self._kind = KINDS[kind]
        self._tuples = {field.name for field in fields(self._kind) if "tuple" in str(field.type)}
        present = {field.name for field in fields(self._kind)}
        usage = {field.name for field in fields(Usage)}
        self._own = [(i, name) for i, name in enumerate(names) if name in present - APART]
        self._usage = [(i, part) for i, name in enumerate(names)
                       if name.startswith(_USAGE) and (part := name.removeprefix(_USAGE)) in usage]

    def fact(self, packed: str, apart: Mapping[str, Any]) -> Fact:
        """The fact, given the fields that are kept apart."""
        values = json.loads(packed)
        own: dict[str, Any] = {name: values[i] for i, name in self._own}
        own["outcome"] = _enum(Outcome, own.get("outcome"), Outcome.ERROR)
        own["error_type"] = _enum(ErrorType, own.get("error_type"), ErrorType.OTHER)
        for name in self._tuples & own.keys():
            own[name] = None if own[name] is None else tuple(own[name])
        if self._usage:
            own["usage"] = Usage(**{name: values[i] for i, name in self._usage})
        return self._kind(**apart, **own)


def _enum(kind: Any, text: object, otherwise: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        return otherwise


