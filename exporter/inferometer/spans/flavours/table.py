"""What a table of an instrumentation is made of.

A table says what each span is, and in which attribute each field of a fact stands. The first
source that has a value counts. A new version of a convention is a difference in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from inferometer.spans.flavours.reading import Documents
from inferometer.spans.span import Span


class StepKind(StrEnum):
    """What a span is. Only a call is ever counted as a call."""

    CALL = "call"
    ENGINE = "engine"
    AGENT = "agent"
    WORKFLOW = "workflow"
    CHAIN = "chain"
    TOOL = "tool"
    MCP = "MCP operation"  # but a call of a tool
    RETRIEVAL = "retrieval"
    RERANK = "rerank"
    NOTHING = "nothing"

    __hash__ = str.__hash__  # Enum's own is a call of Python, and one is looked up for every span


@dataclass(frozen=True, slots=True)
class Means:
    """What a value says of its span: the kind, and the operation of a call."""

    kind: StepKind
    operation: str = ""


CHAT = Means(StepKind.CALL, "chat")
COMPLETION = Means(StepKind.CALL, "text_completion")
GENERATE = Means(StepKind.CALL, "generate_content")
EMBEDDINGS = Means(StepKind.CALL, "embeddings")
ENGINE = Means(StepKind.ENGINE, "chat")
AGENT = Means(StepKind.AGENT)
WORKFLOW = Means(StepKind.WORKFLOW)
CHAIN = Means(StepKind.CHAIN)
TOOL = Means(StepKind.TOOL)
MCP_OPERATION = Means(StepKind.MCP)
RETRIEVAL = Means(StepKind.RETRIEVAL)
RERANK = Means(StepKind.RERANK)
CALL = Means(StepKind.CALL)  # to a model, for the sender does not say what
NOTHING = Means(StepKind.NOTHING)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field stands: an attribute, and what is within it."""

    attribute: str
    path: tuple[str, ...] = ()  # keys within a JSON text, or within a map
    scale: float = 1.0  # of a number: 0.001 for milliseconds
    event: str = ""  # the attribute is that of the span's first event of this name
    long: bool = False  # the text is a document, and read up to a larger size

    def __str__(self) -> str:
        unit = {0.001: " (ms)"}.get(self.scale, "")
        event = f"event {self.event}: " if self.event else ""
        return event + " > ".join((self.attribute, *self.path)) + unit


Origins = tuple[Origin | str, ...]


def as_origin(source: Origin | str) -> Origin:
    """A name alone is an attribute."""
    return Origin(source) if isinstance(source, str) else source


def inside(attribute: str, *path: str, long: bool = False) -> Origin:
    """A key of a JSON text."""
    return Origin(attribute, path, long=long)


def of_event(event: str, attribute: str) -> Origin:
    """An attribute of an event."""
    return Origin(attribute, event=event)


def milliseconds(attribute: str) -> Origin:
    """A number of milliseconds."""
    return Origin(attribute, scale=0.001)


@dataclass(frozen=True, slots=True)
class Steps:
    """An attribute whose value says what the span is."""

    attribute: str
    means: Mapping[str, Means]
    otherwise: Means | None = None  # for a value that is not listed


@dataclass(frozen=True, slots=True)
class Flavour:
    """One instrumentation, or several that use the same names."""

    name: str
    scopes: tuple[str, ...] = ()  # how the name of the instrumentation scope begins
    marks: tuple[str, ...] = ()  # an attribute that only this one sets
    steps: tuple[Steps, ...] = ()
    names: Mapping[str, Means] = field(default_factory=dict)  # by the span's name, before all
    fields: Mapping[str, Origins] = field(default_factory=dict)
    first_token_events: tuple[str, ...] = ()
    events: tuple[str, ...] = ()  # others that are read
    # Scopes, or `scope|span name`, whose streams have a finish reason whenever they ended well.
    tells_finish: tuple[str, ...] = ()
    # A stream's first event is taken for its first token: OpenAI's Responses begin with one that
    # has no token.
    first_event: bool = False
    responses: Callable[[Span], bool] | None = None  # where the response's id does not say so
    content: tuple[str, ...] = ()  # attributes with what was said
    answer: tuple[str, ...] = ()  # of these, those with a model's answer; what begins so with a *
    asked: tuple[str, ...] = ()  # attributes with the form of answer that a request asks for
    given: tuple[str, ...] = ()  # the same of what a model was given
    retrieved: tuple[str, ...] = ()  # and of the documents that a search gave
    odd: Callable[[Span], Means | None] | None = None  # what no attribute alone says
    documents: Callable[[Span], Documents] | None = None  # of a retrieval
    reranked: Callable[[Span], tuple[Documents, Documents]] | None = None  # before and after
    refused: Callable[[Span], bool] | None = None  # what no finish reason says
    response_id: Callable[[Span], str] | None = None
    usage: Callable[[Span], Mapping[str, object]] | None = None  # tokens by the names of Usage
    estimated: Callable[[Span], bool] | None = None  # usage is the sender's own guess
    tool_name: Callable[[str], str] | None = None  # of what stands where a tool's name does
    protocol: str = ""  # by which all its tools are called
    method: Callable[[Span], str] | None = None  # of MCP, which no attribute has
    always_streams: bool = False
    says_streamed: bool = False  # its time to first token is there without a stream too
    least_first_token: float = 0.0  # seconds: one that is shorter leaves a part out
    quoted: bool = False  # every value is a JSON text
    prefixes: tuple[str, ...] = ()  # of attributes that functions of this table read
    reads: tuple[str, ...] = ()  # other attributes that they read
    long: tuple[str, ...] = ()  # the same, to a larger size

    def but(self, name: str, *, fields: Mapping[str, Origins] | None = None,
            **changes: Any) -> Flavour:
        """The same with these changes; sources of fields are added before those that stand."""
        layered = {**self.fields, **{
            key: (*sources, *self.fields.get(key, ())) for key, sources in (fields or {}).items()}}
        return replace(self, name=name, fields=layered, **changes)
