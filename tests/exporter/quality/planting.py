"""Captured bodies with other answers put in: what each sender would have sent, known to the digit.

A captured answer is taken out wherever it stands, in documents within documents too, and another
one is put in its place; ids are made new, so that each planted call is a call of its own.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.quality.texts import is_one_of
from inferometer.spans.flavours import given_names
from tests.exporter.spans.bodies import bodies

ANSWER = "Paris is the capital of France. It lies on the Seine."
QUESTIONS = "Capital of France?", "hi"  # as users asked in what was captured
ARGUMENTS = {"city": "Paris"}  # what a tool was given in every captured call of one
_IDS = re.compile(r'"(?:traceId|spanId|parentSpanId)":\s*"[0-9a-f]*",?')
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JSON_OBJECT = {"type": "json_object"}
WITH_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


def _into(name: str, *path: str) -> Callable[[dict[str, Any], object], None]:
    """What puts a format into the document of an attribute, under these keys."""
    def put(attributes: dict[str, Any], form: object) -> None:
        document = json.loads(attributes.get(name) or "{}")
        if not isinstance(document, dict):
            document = {"messages": document}
        inner = document
        for key in path[:-1]:
            inner[key] = inner.get(key) or {}
            inner = inner[key]
        inner[path[-1]] = form
        attributes[name] = json.dumps(document)
    return put


def _as(name: str) -> Callable[[dict[str, Any], object], None]:
    """What puts a format into an attribute of its own."""
    def put(attributes: dict[str, Any], form: object) -> None:
        attributes[name] = json.dumps(form)
    return put


def _conventions(attributes: dict[str, Any], form: object) -> None:
    """OpenTelemetry's own have no schema."""
    attributes["gen_ai.output.type"] = "json"


def _vercel(attributes: dict[str, Any], form: object) -> None:
    attributes["ai.operationId"] = "ai.generateObject.doGenerate"


def _pydantic(attributes: dict[str, Any], form: Any) -> None:
    _conventions(attributes, form)
    document = json.loads(attributes["model_request_parameters"])
    document["output_mode"] = "native"
    if form is WITH_SCHEMA:
        document["output_object"] = {"json_schema": SCHEMA}
    attributes["model_request_parameters"] = json.dumps(document)


@dataclass(frozen=True)
class Sender:
    """A captured instrumentation: its scope, how its spans ask for a form of answer."""

    folder: str
    scope: str
    ask: Callable[[dict[str, Any], object], None]
    has_schema: bool = True  # whether its spans may hold the schema that was asked for
    has_refusal: bool = False  # and the field with a refusal
    tools: bool = True  # whether a captured call of it has tools, with their schemas


_INVOCATION = _into("llm.invocation_parameters", "response_format")
SENDERS = (
    Sender("official-genai-openai-1.3b0-content", "opentelemetry.instrumentation.genai.openai",
           _conventions, has_schema=False),
    Sender("handwritten-genai-0.1.0", "acme.llm.client", _conventions, has_schema=False,
           tools=False),
    Sender("openinf-openai-0.1.66", "openinference.instrumentation.openai", _INVOCATION,
           has_refusal=True),
    Sender("openinf-langgraph-0.1.80", "openinference.instrumentation.langchain", _INVOCATION),
    Sender("openinf-anthropic-3.1.0", "openinference.instrumentation.anthropic", _INVOCATION),
    Sender("openinf-litellm-0.1.51", "openinference.instrumentation.litellm", _INVOCATION),
    Sender("traceloop-openai-0.62.4", "opentelemetry.instrumentation.openai.v1",
           _as("gen_ai.request.structured_output_schema")),
    Sender("traceloop-langgraph-0.62.4", "opentelemetry.instrumentation.langchain",
           _conventions, has_schema=False),
    Sender("langfuse-5.0.4", "langfuse-sdk", _as("langfuse.observation.metadata.response_format"),
           has_refusal=True),
    Sender("langsmith-0.15.1", "langsmith", _into("gen_ai.prompt", "response_format")),
    Sender("mlflow-3.17.2", "mlflow.tracing.provider",
           _into("mlflow.spanInputs", "response_format"), has_refusal=True),
    Sender("logfire-5.4.0", "logfire.openai", _into("request_data", "response_format")),
    Sender("haystack-3.4.1", "haystack",
           _into("haystack.component.input", "generation_kwargs", "response_format"), tools=False),
    Sender("pydantic-ai-2.68.0", "pydantic-ai", _pydantic),
    Sender("openlit-1.45.0", "openlit.instrumentation.openai", _conventions, has_schema=False,
           tools=False),
    Sender("vercel-ai-6.0.326", "ai", _vercel, has_schema=False),
    Sender("vercel-ai-7.0.173-otel", "gen_ai", _conventions, has_schema=False),
)


def planted(sender: Sender, service: str, text: str, form: object = None, prompt: str = ""
            ) -> bytes:
    """A body with one call, whose answer is this text, and that was asked for in this form.

    `prompt`: what the user said, in the place of what was captured.
    """
    def change(attributes: dict[str, Any]) -> None:
        for name, value in attributes.items():
            attributes[name] = _replaced(value, ANSWER, text)
            if prompt and is_one_of(name, given_names()):
                attributes[name] = _asking(attributes[name], prompt)
        if prompt and not any(is_one_of(name, given_names()) for name in attributes):
            attributes["gen_ai.input.messages"] = json.dumps([
                {"role": "user", "parts": [{"type": "text", "content": prompt}]}])
        if form is not None:
            sender.ask(attributes, form)
    return _body(sender, service, ANSWER, change)


def planted_tool(sender: Sender, service: str, arguments: object) -> bytes:
    """A body with one call, whose answer calls a tool with these arguments; a text is as it is."""
    def change(attributes: dict[str, Any]) -> None:
        for name, value in attributes.items():
            if "input" not in name and "prompt" not in name.lower() and "Inputs" not in name:
                attributes[name] = _with_arguments(value, arguments)
    return _body(sender, service, '"city"', change, is_tool=True)


def refused(sender: Sender, service: str, text: str) -> bytes:
    """A body with one call, whose answer has the field of a refusal."""
    def change(attributes: dict[str, Any]) -> None:
        for name, value in attributes.items():
            attributes[name] = _refusing(value, text)
    return _body(sender, service, ANSWER, change)


def _body(sender: Sender, service: str, mark: str, change: Callable[[dict[str, Any]], None],
          is_tool: bool = False) -> bytes:
    request, span = _span_of(sender, mark, is_tool)
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    pair = resource.resource.attributes.add()
    pair.key, pair.value.string_value = "service.name", service
    scope = resource.scope_spans.add()
    scope.scope.CopyFrom(request)
    new = scope.spans.add()
    new.CopyFrom(span)
    new.trace_id, new.span_id, new.parent_span_id = os.urandom(16), os.urandom(8), b""
    attributes = {pair.key: _plain(pair.value) for pair in new.attributes}
    change(attributes)
    del new.attributes[:]
    for name, value in attributes.items():
        pair = new.attributes.add()
        pair.key = name
        _put(pair.value, value)
    return bytes(made.SerializeToString())


@cache
def _span_of(sender: Sender, mark: str, is_tool: bool) -> tuple[Any, Any]:
    """The first span of the sender that is a call with this in its answer, and its scope."""
    for scope, span in _spans(sender):
        texts = {pair.key: str(_plain(pair.value)) for pair in span.attributes}
        if span.status.code != 2 and _is_call(texts) and any(
                mark in text.replace("\\", "") for name, text in texts.items()
                if _may_be_answer(name)) and (not is_tool or _has_tools(texts)):
            return scope, span
    raise LookupError(f"{sender.folder} has no such call")


def _spans(sender: Sender) -> Iterator[tuple[Any, Any]]:
    for body, encoding in bodies(sender.folder):
        request: Any = ExportTraceServiceRequest()
        if encoding == "protobuf":
            request.ParseFromString(body)
        else:  # whose ids are in hex, as protobuf's own JSON has them not
            json_format.Parse(_IDS.sub("", body.decode()), request, ignore_unknown_fields=True)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                if scope.scope.name == sender.scope:
                    for span in scope.spans:
                        yield scope.scope, span


def _is_call(texts: Mapping[str, str]) -> bool:
    kinds = ("gen_ai.operation.name", "openinference.span.kind", "langfuse.observation.type",
             "mlflow.spanType", "ai.operationId", "langsmith.span.kind", "llm.request.type")
    values = {texts.get(kind, "").strip('"').lower() for kind in kinds}
    return bool(values & {"chat", "llm", "generation", "chat_model", "generate_content",
                          "ai.generatetext.dogenerate"}) or "Generator" in texts.get(
        "haystack.component.type", "")


def _may_be_answer(name: str) -> bool:
    return any(part in name for part in ("output", "completion", "Outputs", "response.text",
                                         "response.toolCalls", "response_data"))


def _has_tools(texts: Mapping[str, str]) -> bool:
    return any("tool" in text and "city" in text for name, text in texts.items()
               if _may_be_answer(name))


def _replaced(value: Any, old: str, new: str) -> Any:
    """A value with a text replaced, in documents within it by what JSON makes of it."""
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    if not isinstance(value, str) or old not in value.replace("\\", ""):
        return value
    document = _document(value)
    if document is None:
        return new if value.strip() == old else value.replace(old, new)
    return json.dumps(_replaced(document, old, new))


def _asking(value: Any, prompt: str) -> Any:
    """A value with another question of the user's."""
    if isinstance(value, list):
        return [_asking(item, prompt) for item in value]
    if isinstance(value, dict):
        return {key: _asking(item, prompt) for key, item in value.items()}
    if isinstance(value, str) and (document := _document(value)) is not None:
        return json.dumps(_asking(document, prompt))
    return prompt if value in QUESTIONS else value


def _with_arguments(value: Any, arguments: object, key: str = "") -> Any:
    """A value with other arguments of tools, in the form in which they stood."""
    if value == ARGUMENTS:
        return arguments
    if isinstance(value, list):
        return [_with_arguments(item, arguments) for item in value]
    if isinstance(value, dict):
        return {key: _with_arguments(item, arguments) for key, item in value.items()}
    if isinstance(value, str) and (document := _document(value)) is not None:
        if document == ARGUMENTS:
            return arguments if isinstance(arguments, str) else json.dumps(arguments)
        return json.dumps(_with_arguments(document, arguments))
    return value


def _refusing(value: Any, text: str) -> Any:
    """A value whose messages have a refusal in the place of their content."""
    if isinstance(value, list):
        return [_refusing(item, text) for item in value]
    if isinstance(value, dict):
        if isinstance(value.get("content"), str) and ANSWER in value["content"]:
            return {**value, "content": None, "refusal": text}
        return {key: _refusing(item, text) for key, item in value.items()}
    if isinstance(value, str) and (document := _document(value)) is not None:
        return json.dumps(_refusing(document, text))
    return "" if isinstance(value, str) and ANSWER in value else value


def _document(value: str) -> Any:
    """What a text holds that is a document; None for other text."""
    if not value.lstrip().startswith(("{", "[", '"')):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    return copy.copy(getattr(value, kind)) if kind else None


def _put(target: Any, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            _put(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            pair = target.kvlist_value.values.add()
            pair.key = key
            _put(pair.value, item)
