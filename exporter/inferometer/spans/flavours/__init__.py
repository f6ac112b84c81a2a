"""One flavour, one table: which names an instrumentation gives to what.

A flavour is chosen by the instrumentation's scope, else by an attribute that only it sets; never by
the service that sent it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

from inferometer.spans.flavours.agents import (
    ANTHROPIC_SDK,
    DDTRACE,
    GOOGLE_ADK,
    MCP,
    PYDANTIC_AI,
    SEMANTIC_KERNEL,
    STRANDS,
)
from inferometer.spans.flavours.claude_code import CLAUDE_CODE
from inferometer.spans.flavours.databases import DATABASES
from inferometer.spans.flavours.engines import VLLM
from inferometer.spans.flavours.genai import GENAI, GENAI_BEDROCK
from inferometer.spans.flavours.haystack import HAYSTACK
from inferometer.spans.flavours.langfuse import LANGFUSE
from inferometer.spans.flavours.langsmith import LANGSMITH
from inferometer.spans.flavours.litellm import LITELLM
from inferometer.spans.flavours.llama_index import LLAMA_INDEX
from inferometer.spans.flavours.logfire import LOGFIRE
from inferometer.spans.flavours.mlflow import MLFLOW
from inferometer.spans.flavours.openinference import OPENINFERENCE
from inferometer.spans.flavours.openlit import OPENLIT, OPENLIT_MCP
from inferometer.spans.flavours.openllmetry import (
    OPENLLMETRY,
    OPENLLMETRY_BEDROCK,
    OPENLLMETRY_COHERE,
    OPENLLMETRY_GEMINI,
    OPENLLMETRY_MCP,
)
from inferometer.spans.flavours.own import OWN
from inferometer.spans.flavours.spring import SPRING_AI
from inferometer.spans.flavours.table import Flavour, Origin, as_origin
from inferometer.spans.flavours.vercel import VERCEL, VERCEL_OTEL
from inferometer.spans.vocabulary import Vocabulary

# Whose mark is asked for first stands first: what adds its names to another's span before those.
FLAVOURS: tuple[Flavour, ...] = (
    OWN, VLLM, VERCEL, VERCEL_OTEL, MLFLOW, LANGFUSE, LANGSMITH, OPENINFERENCE, OPENLLMETRY,
    OPENLLMETRY_BEDROCK, OPENLLMETRY_COHERE, OPENLLMETRY_GEMINI, OPENLLMETRY_MCP, LITELLM,
    OPENLIT, OPENLIT_MCP, LOGFIRE, HAYSTACK, LLAMA_INDEX, STRANDS, GOOGLE_ADK, ANTHROPIC_SDK,
    PYDANTIC_AI, SEMANTIC_KERNEL, SPRING_AI, CLAUDE_CODE, DDTRACE, MCP, GENAI_BEDROCK, GENAI,
    DATABASES,
)
_MARKS = tuple((mark, flavour) for flavour in FLAVOURS for mark in flavour.marks)
# The longest first: `opentelemetry.instrumentation.openai_v2` before `….openai*`.
_SCOPES = sorted(((scope, flavour) for flavour in FLAVOURS for scope in flavour.scopes),
                 key=lambda pair: -len(pair[0]))
_EVENTS = ("exception", "gen_ai.choice")


@lru_cache(maxsize=1024)
def _of_scope(name: str) -> Flavour | None:
    for scope, flavour in _SCOPES:
        if name == scope or (scope.endswith("*") and name.startswith(scope[:-1])):
            return flavour
    return None


def flavour_of(scope: str, attributes: Collection[str]) -> Flavour | None:
    """Whose names are in a span of this scope with these attributes; None: none that is known.

    Attributes of our own are put onto spans of all scopes.
    """
    if any(mark in attributes for mark in OWN.marks):
        return OWN
    flavour = _of_scope(scope)
    if flavour is None and attributes:
        for mark, marked in _MARKS:
            if mark in attributes:
                return marked
    return flavour


@lru_cache(maxsize=16)
def vocabulary(content: bool, also: tuple[str, ...] = (), answers: bool = False,
               sources: bool = False) -> Vocabulary:
    """What is read of a span; `content`: also what was said; `also`: what no table names.

    `answers`: also what a model answered, and in which form it was asked to. `sources`: also what
    it was given, and what searches gave.
    """
    names: set[str] = set(also)
    long: set[str] = set()
    prefixes: set[str] = set()
    for flavour in FLAVOURS:
        names |= {*flavour.marks, *flavour.reads, *(step.attribute for step in flavour.steps)}
        places = _sources(flavour)
        names |= {source.attribute for source in places}
        long |= {*flavour.long, *(source.attribute for source in places if source.long)}
        if content:
            long |= set(flavour.content)
        documents = {*((*flavour.answer, *flavour.asked) if answers else ()),
                     *((*flavour.given, *flavour.retrieved) if sources else ())}
        prefixes |= {place[:-1] for place in documents if place.endswith("*")}
        long |= {place for place in documents if not place.endswith("*")}
        prefixes |= set(flavour.prefixes)
    return Vocabulary(names, long, prefixes,
                      {*_EVENTS, *(event for flavour in FLAVOURS
                                   for event in (*flavour.first_token_events, *flavour.events))})


def origins() -> Iterator[tuple[str, Origin]]:
    """Each field of every table, with each place where it stands."""
    for flavour in FLAVOURS:
        for field, sources in flavour.fields.items():
            for source in sources:
                yield field, as_origin(source)


def content_names() -> frozenset[str]:
    """The attributes with what was said, of every table."""
    return frozenset(name for flavour in FLAVOURS for name in flavour.content)


def answer_names() -> frozenset[str]:
    """The attributes with a model's answer, of every table; with a *, all that begin so."""
    return frozenset(name for flavour in FLAVOURS for name in flavour.answer)


def asked_names() -> frozenset[str]:
    """The same of those with the form of answer that was asked for."""
    return frozenset(name for flavour in FLAVOURS for name in flavour.asked)


def given_names() -> frozenset[str]:
    """The same of those with what a model was given."""
    return frozenset(name for flavour in FLAVOURS for name in flavour.given)


def retrieved_names() -> frozenset[str]:
    """The same of those with the documents that a search gave."""
    return frozenset(name for flavour in FLAVOURS for name in flavour.retrieved)


def kind_names() -> frozenset[str]:
    """The attributes that say which table a span has, and which step it is."""
    return frozenset(name for flavour in FLAVOURS
                     for name in (*flavour.marks, *(step.attribute for step in flavour.steps)))


def _sources(flavour: Flavour) -> list[Origin]:
    return [as_origin(source) for sources in flavour.fields.values() for source in sources]
