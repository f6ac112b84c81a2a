"""What a model was given for its answer: messages by who wrote them, and documents.

The shapes are those of `quality/answer.py`, and of retrievers: a document is known by its keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from inferometer.quality.texts import SAME, is_cut, parsed

USER, ASSISTANT, SYSTEM, TOOL = "user", "assistant", "system", "tool"
_ROLES = {"human": USER, "humanmessage": USER, "ai": ASSISTANT, "model": ASSISTANT,
          "aimessage": ASSISTANT, "aimessagechunk": ASSISTANT, "systemmessage": SYSTEM,
          "developer": SYSTEM, "function": TOOL, "toolmessage": TOOL,
          **{role: role for role in (USER, ASSISTANT, SYSTEM, TOOL)}}
# Attributes with what a model was asked, the most exact first; one of them is read.
_PROMPTS = ("gen_ai.input.messages", "ai.prompt.messages", "ai.prompt",
            "langfuse.observation.input", "mlflow.spanInputs", "haystack.component.input",
            "gen_ai.prompt", "input.value", "traceloop.entity.input")
_INSTRUCTIONS = "gen_ai.system_instructions"  # beside the first of them
# Attributes with what a search or a tool gave.
_RESULTS = ("gen_ai.retrieval.documents", "gen_ai.tool.call.result", "ai.toolCall.result",
            "langfuse.observation.output", "mlflow.spanOutputs", "haystack.component.output",
            "gen_ai.completion", "traceloop.entity.output", "output.value")
_RESULT_PARTS = frozenset(("tool_call_response", "tool_result", "tool-result", "tool",
                           "function_call_output"))
_NO_PARTS = frozenset(("tool_call", "tool_use", "tool-call", "function_call", "reasoning",
                       "thinking", "redacted_thinking", "image", "image_url", "audio", "file"))
_ANSWERED = ("response", "result", "content", "output")
_INSIDE = ("system", "system_instruction", "instructions", "messages", "history", "contents",
           "inputs", "input", "prompt", "kwargs", "data", "parts", "content", "text")
_DOCUMENT_TEXTS = ("page_content", "pageContent", "content", "text", "document", "node", "kwargs",
                   "chunk", "snippet", "passage")
_DOCUMENT_LISTS = ("documents", "results", "matches", "nodes", "source_nodes", "chunks", "hits",
                   "outputs", "output", "data", "response")
_NAMES = frozenset(("id", "document_id", "doc_id", "index", "score", "relevance_score", "distance",
                    "rank", "metadata"))  # of a document whose text its sender leaves out
_MOST_DEPTH = 10
_MOST_TEXTS = 1000  # of one attribute


class GivenMessage(NamedTuple):
    """A message of a prompt."""

    role: str  # one of the four
    text: str


class GivenTexts(NamedTuple):
    """Texts, and whether some of them may be missing."""

    texts: Sequence[str]
    are_cut: bool


def messages_in(content: Mapping[str, str]) -> tuple[Sequence[GivenMessage], bool]:
    """The messages that a call was given, and whether some may be missing."""
    name = next((one for one in _PROMPTS if content.get(one)), "")
    made: list[GivenMessage] = []
    cut = False
    for attribute, role in ((_INSTRUCTIONS, SYSTEM), (name, USER)):
        if value := content.get(attribute, ""):
            document = parsed(value)
            broken = document is SAME and value.lstrip().startswith(("{", "["))
            cut |= broken or is_cut(value)
            given = _messages(value if document is SAME else document, role, 0)
            made += islice(given, _MOST_TEXTS)
    return made, cut


def documents_in(content: Mapping[str, str]) -> GivenTexts:
    """The documents that a search or a tool gave; what has no such shape is one by itself."""
    for name in _RESULTS:
        if value := content.get(name, ""):
            document = parsed(value)
            if document is SAME:
                broken = value.lstrip().startswith(("{", "["))
                return GivenTexts([value], broken or is_cut(value))
            texts = [*islice(_documents(document, 0), _MOST_TEXTS)]
            if not texts and _is_of_names(document):
                return GivenTexts((), are_cut=True)
            return GivenTexts(texts or [value], is_cut(value))
    return GivenTexts((), False)


def _is_of_names(document: object) -> bool:
    """Whether it lists documents without their texts."""
    return isinstance(document, list) and all(
        isinstance(one, dict) and one.keys() <= _NAMES for one in document)


def _messages(value: object, role: str, depth: int) -> Iterator[GivenMessage]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, str):
        if value.strip():
            yield GivenMessage(role, value)
    elif isinstance(value, list):
        for item in value:
            yield from _messages(item, role, depth + 1)
    elif isinstance(value, dict):
        kind = str(value.get("type", ""))
        if kind in _NO_PARTS:
            return
        role = _role_of(value) or role
        if kind in _RESULT_PARTS:
            inner = next((value[key] for key in _ANSWERED if key in value), None)
            yield from _messages(inner, TOOL, depth + 1)
            return
        for key in _INSIDE:
            if key in value:
                inner_role = SYSTEM if key in _INSIDE[:3] else role
                yield from _messages(value[key], inner_role, depth + 1)


def _role_of(message: Mapping[str, object]) -> str:
    """Who wrote a message, however its library says so; empty where it does not."""
    path = message.get("id")
    last = path[-1] if isinstance(path, list) and path else None
    for name in (message.get("role"), message.get("type"), last):
        if isinstance(name, str) and name.lower() in _ROLES:
            return _ROLES[name.lower()]
    return ""


def _documents(value: object, depth: int) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _documents(item, depth + 1)
    elif isinstance(value, dict):
        for key in (*_DOCUMENT_LISTS, *_DOCUMENT_TEXTS):
            if isinstance(inner := value.get(key), str | list | dict) and inner:
                yield from _documents(inner, depth + 1)
                return
