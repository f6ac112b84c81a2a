"""In which form a request asked for its answer: JSON, a schema for it, and schemas of tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferometer.quality.texts import SAME, grouped, is_one_of, parsed
from inferometer.spans.flavours import asked_names

_PLACES = asked_names()
_TOOLS, _FUNCTIONS = "llm.tools.", "llm.request.functions."
_FORMATS = frozenset(("gen_ai.openai.request.response_format",
                      "langfuse.observation.metadata.response_format",
                      "gen_ai.request.structured_output_schema"))  # attributes that are one
_DEFINITIONS = frozenset(("gen_ai.tool.definitions", "ai.prompt.tools"))
_OBJECTS = ("ai.generateObject.", "ai.streamObject.")  # operations that answer in JSON
# Any other document is read if one of these is in it: most requests ask for no form.
_HINTS = ("response_format", "json", "ormat", "tools", "functions", "chema")
# Keys whose documents have more of the request.
_INSIDE = ("kwargs", "invocation_params", "generation_kwargs", "generation_config",
           "generationConfig", "config", "extra_body", "text", "output_config")
_MIME_TYPES = ("response_mime_type", "responseMimeType")
_SCHEMAS = ("response_schema", "responseSchema", "response_json_schema", "responseJsonSchema",
            "guided_json")
_LISTS = ("tools", "functions", "function_tools", "output_tools")
_PARAMETERS = ("parameters", "input_schema", "inputSchema", "parameters_json_schema",
               "parametersJsonSchema")
_MOST_DEPTH = 4


@dataclass(slots=True)
class Asked:
    """The form that was asked for. A schema is None where none was given."""

    json: bool = False
    schema: object = None
    tools: dict[str, object] = field(default_factory=dict)  # schemas of arguments by tool


def asked_of(content: Mapping[str, str]) -> Asked:
    """What attributes of a call say."""
    asked = Asked()
    for name, value in content.items():
        if not is_one_of(name, _PLACES):
            continue
        if name == "gen_ai.output.type":
            asked.json = asked.json or value == "json"
        elif name == "ai.operationId":
            asked.json = asked.json or value.startswith(_OBJECTS)
        elif name.startswith(_TOOLS):
            if name.endswith(".tool.json_schema"):
                _define(asked, parsed(value))
        elif name in _FORMATS or name in _DEFINITIONS or (
                not name.startswith(_FUNCTIONS) and any(hint in value for hint in _HINTS)):
            _read(asked, name, value)
    for function in grouped(content, _FUNCTIONS).values():
        _define(asked, {"name": function.get("name", ""),
                        "parameters": parsed(function.get("parameters", ""))})
    return asked


def _read(asked: Asked, name: str, value: str) -> None:
    document = parsed(value)
    if name in _FORMATS:
        _format(asked, value if document is SAME else document)
    elif name in _DEFINITIONS:
        for tool in document if isinstance(document, list) else ():
            _define(asked, parsed(tool) if isinstance(tool, str) else tool)
    else:
        for request in _requests(document, 0):
            _request(asked, request)


def _requests(value: object, depth: int) -> Iterator[Mapping[str, object]]:
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        yield value
        for key in _INSIDE:
            yield from _requests(value.get(key), depth + 1)


def _request(asked: Asked, request: Mapping[str, object]) -> None:
    for key in ("response_format", "output_format", "format"):
        if key in request:
            _format(asked, request[key])
    if any(request.get(key) == "application/json" for key in _MIME_TYPES):
        asked.json = True
    for key in _SCHEMAS:
        _take_schema(asked, request.get(key))
    if request.get("output_mode") in ("native", "prompted"):
        output = request.get("output_object")
        _take_schema(asked, output.get("json_schema") if isinstance(output, dict) else None)
    for key in _LISTS:
        tools = request.get(key)
        for tool in tools if isinstance(tools, list) else ():
            _define(asked, tool)


def _format(asked: Asked, form: object) -> None:
    """A response's format: by its type, with its schema, or a schema by itself."""
    if form in ("json", "json_object", "json_schema"):
        asked.json = True
    if not isinstance(form, dict):
        return
    kind = form.get("type")
    if kind in ("json_object", "json_schema"):
        asked.json = True
        inner = form.get("json_schema", form)
        _take_schema(asked, inner.get("schema") if isinstance(inner, dict) else None)
    elif "properties" in form or "$ref" in form or kind in ("object", "array"):
        _take_schema(asked, form)


def _take_schema(asked: Asked, schema: object) -> None:
    if isinstance(schema, dict):
        asked.json, asked.schema = True, schema


def _define(asked: Asked, tool: object) -> None:
    """A tool that may be called, with the schema of its arguments."""
    if not isinstance(tool, dict):
        return
    if isinstance(function := tool.get("function"), dict):
        tool = function
    name = tool.get("name")
    schema = next((tool[key] for key in _PARAMETERS if isinstance(tool.get(key), dict)), None)
    if isinstance(name, str) and schema is not None:
        asked.tools.setdefault(name, schema)
