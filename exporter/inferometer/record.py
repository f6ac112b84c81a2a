"""Records that are made for every span: not to be changed, and cheap to make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[T]) -> type[T]:
    """A dataclass with slots whose fields the type checker lets nobody set.

    A frozen dataclass would hold to it at run time too, and takes five times as long to make: it
    sets each of its fields by a call.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
