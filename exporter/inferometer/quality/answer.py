"""A model's answer as instrumentations and providers write it down: texts, a refusal, tools.

The shapes are those of OpenTelemetry's messages, OpenAI's Chat Completions and Responses,
Anthropic's Messages, Gemini, LangChain, Haystack and Vercel's SDK; each is known by its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer.quality.texts import SAME, grouped, is_cut, is_one_of, parsed
from inferometer.spans.flavours import answer_names

MOST_TOOLS = 32  # of one answer
_MOST_DEPTH = 8  # of messages within each other
_PLAIN = frozenset(("ai.response.text", "ai.response.object"))  # text, and no document
_MESSAGES = "llm.output_messages."
_PLACES = answer_names()
# Where an answer stands within a document, and within a list there its first element.
_INSIDE = ("choices", "candidates", "generations", "replies", "message", "kwargs", "data",
           "response", "choice")
_TOOL_NAMES = ("name", "toolName", "tool_name")
_ARGUMENTS = ("arguments", "input", "args", "parameters")


@dataclass(slots=True)
class ModelAnswer:
    """What an answer has. `is_complete`: its text has an end."""

    text: str = ""
    refusal: str = ""
    tools: list[tuple[str, object]] = field(default_factory=list)  # names and arguments
    is_complete: bool = True

    def __bool__(self) -> bool:
        return bool(self.text or self.refusal or self.tools)


def answer_of(content: Mapping[str, str]) -> ModelAnswer:
    """The answer in attributes of a call: of each part the first place that has it."""
    answer = ModelAnswer()
    flat: dict[str, str] = {}
    for name, value in content.items():
        if not is_one_of(name, _PLACES):
            continue
        if name.startswith(_MESSAGES):
            flat[name] = value
        elif name in _PLAIN:
            _add(answer, ModelAnswer(value, is_complete=not is_cut(value)))
        elif name != "output.value":
            _add(answer, _read(value))
    if flat:
        _add(answer, _flat(flat))
    if "output.value" in content:  # the response as it came: it alone has refusals
        _add(answer, _read(content["output.value"]))
    return answer


def _add(answer: ModelAnswer, other: ModelAnswer) -> None:
    if not answer.text and other.text:
        answer.text, answer.is_complete = other.text, other.is_complete
    answer.refusal = answer.refusal or other.refusal
    answer.tools = answer.tools or other.tools[:MOST_TOOLS]


def _read(value: str) -> ModelAnswer:
    """A document; what is none is text, unless it may be the begin of one."""
    answer = ModelAnswer()
    document = parsed(value)
    if document is SAME:
        if not value.lstrip().startswith(("{", "[", '"')):
            answer.text, answer.is_complete = value, not is_cut(value)
        return answer
    _walk(document, answer, 0)
    return answer


def _flat(attributes: Mapping[str, str]) -> ModelAnswer:
    """OpenInference's messages, an attribute each value: the first message counts."""
    messages = grouped(attributes, _MESSAGES)
    answer = ModelAnswer()
    if not messages:
        return answer
    first: Mapping[str, str] = messages[min(messages)]
    texts = [value for key, value in first.items()
             if key == "message.content" or key.endswith(".message_content.text")]
    answer.text = "".join(texts)
    answer.is_complete = not any(map(is_cut, texts))
    for call in grouped(first, "message.tool_calls.").values():
        name = call.get("tool_call.function.name", "")
        if name:
            answer.tools.append((name, call.get("tool_call.function.arguments", "")))
    return answer


def _walk(value: object, answer: ModelAnswer, depth: int) -> None:
    """Take what a value has of an answer; what is no known shape has nothing."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, str):
        _say(answer, value)
    elif isinstance(value, list):
        _walk_list(value, answer, depth)
    elif isinstance(value, dict):
        take = _PARTS.get(str(value.get("type", "")))
        if take is not None or "toolName" in value:
            (take or _tool)(answer, value)
            return
        _walk_message(value, answer, depth)


def _walk_list(items: Sequence[object], answer: ModelAnswer, depth: int) -> None:
    """Parts of one message all count; of several messages the first one does."""
    for item in items:
        _walk(item, answer, depth + 1)
        if isinstance(item, dict) and ("role" in item or "finish_reason" in item) and answer:
            return


def _walk_message(message: Mapping[str, object], answer: ModelAnswer, depth: int) -> None:
    if isinstance(refusal := message.get("refusal"), str):
        answer.refusal = answer.refusal or refusal
    if isinstance(more := message.get("additional_kwargs"), dict):
        _walk_message({key: more[key] for key in ("refusal", "tool_calls") if key in more},
                      answer, depth + 1)
    if isinstance(calls := message.get("tool_calls"), list) and not answer.tools:
        for call in calls:
            _tool(answer, call)
    for function in ("functionCall", "function_call", "tool_call"):
        if isinstance(call := message.get(function), dict):
            _tool(answer, call)
    for key in ("parts", "content", "output", "text"):
        if (inner := message.get(key)) is not None:
            _walk(inner, answer, depth + 1)
            if answer.text or answer.tools:
                return
    for key in _INSIDE:
        inner = message.get(key)
        if isinstance(inner, list):
            inner = inner[0] if inner else None
        if inner is not None:
            _walk(inner, answer, depth + 1)
            if answer:
                return


def _say(answer: ModelAnswer, text: str) -> None:
    answer.text += text


def _tool(answer: ModelAnswer, call: object) -> None:
    """A tool that is to be called, however its name and its arguments are called."""
    if not isinstance(call, dict):
        return
    if isinstance(function := call.get("function"), dict):
        call = function
    name = next((call[key] for key in _TOOL_NAMES if isinstance(call.get(key), str)), "")
    arguments = next((call[key] for key in _ARGUMENTS if key in call), None)
    if name and len(answer.tools) < MOST_TOOLS:
        answer.tools.append((name, arguments))


def _text_part(answer: ModelAnswer, part: Mapping[str, object]) -> None:
    for key in ("text", "content"):
        if isinstance(text := part.get(key), str):
            _say(answer, text)
            return


def _refusal_part(answer: ModelAnswer, part: Mapping[str, object]) -> None:
    for key in ("refusal", "content", "text"):
        if isinstance(text := part.get(key), str):
            answer.refusal = answer.refusal or text
            return


def _no_part(answer: ModelAnswer, part: Mapping[str, object]) -> None:
    """What a model thought, and what others answered, is no part of the answer."""


_PARTS: Mapping[str, Callable[[ModelAnswer, Mapping[str, object]], None]] = {
    "text": _text_part, "output_text": _text_part, "refusal": _refusal_part,
    **dict.fromkeys(("tool_call", "tool_use", "tool-call", "function_call", "function"), _tool),
    **dict.fromkeys(("reasoning", "thinking", "redacted_thinking", "tool_call_response",
                     "tool_result", "server_tool_use"), _no_part),
}
