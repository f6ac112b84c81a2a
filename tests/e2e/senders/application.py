"""An application that calls a provider under one instrumentation; run by a Python of its own.

    python application.py INSTRUMENTATION SCENE...

PROVIDER_URL and MODEL_PREFIX say who is asked for what, SPANS where the spans are also written,
one a line, as the SDK has them; OTEL_* are the SDK's own. Scenes are those of provider.py, whose
name is the text that is sent. They are played TIMES, or until there is a file UNTIL, with a PAUSE
of seconds after each.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "of a town",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}}]


class SpanFile(SpanProcessor):
    """Writes every span that ends as it ends."""

    def __init__(self, path: str) -> None:
        # As long as the process goes on.
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._lock = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        scope = span.instrumentation_scope
        line = json.dumps({**json.loads(span.to_json()), "scope": scope.name if scope else ""})
        with self._lock:
            self._file.write(f"{line}\n")

    def shutdown(self) -> None:
        self._file.close()


def _genai() -> None:
    import opentelemetry.instrumentation.genai.anthropic as for_anthropic
    import opentelemetry.instrumentation.genai.openai as for_openai
    for_openai.OpenAIInstrumentor().instrument()
    for_anthropic.AnthropicInstrumentor().instrument()


def _propagating() -> None:
    """With the instrumentation of the HTTP client below, which sends the trace on."""
    from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
    _genai()
    HTTPX2ClientInstrumentor().instrument()


def _openai_v2() -> None:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()


def _openinference() -> None:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


def _traceloop() -> None:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()


INSTRUMENTATIONS: Mapping[str, Callable[[], None]] = {
    "genai": _genai, "propagating": _propagating, "openai-v2": _openai_v2,
    "openinference": _openinference, "traceloop": _traceloop}


def ask(client: openai.OpenAI, scene: str, model: str) -> None:
    """Play a scene that is one of OpenAI's."""
    question: Any = [{"role": "user", "content": scene}]
    match scene:
        case "responses":
            client.responses.create(model=model, input=scene)
        case "responses_stream":
            for _ in client.responses.create(model=model, input=scene, stream=True):
                pass
        case "embeddings":
            client.embeddings.create(model=model, input=scene)
        case "stream" | "stream_bare":
            more: Any = {} if scene == "stream_bare" else {
                "stream_options": {"include_usage": True}}
            for _ in client.chat.completions.create(model=model, messages=question, stream=True,
                                                    max_tokens=20, **more):
                pass
        case "tools":
            client.chat.completions.create(model=model, messages=question, tools=TOOLS)
        case "again":
            client.with_options(max_retries=1).chat.completions.create(
                model=model, messages=question)
        case _:
            client.chat.completions.create(model=model, messages=question, max_tokens=20)


def ask_anthropic(url: str, scene: str, model: str) -> None:
    """Play a scene that is one of Anthropic's."""
    import anthropic
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    arguments: Any = {"model": model, "max_tokens": 20,
                      "messages": [{"role": "user", "content": scene}]}
    if scene == "messages_stream":
        with client.messages.stream(**arguments) as stream:
            stream.get_final_message()
    else:
        client.messages.create(**arguments)


def main(instrumentation: str, scenes: Sequence[str]) -> None:
    """Play the scenes, each below a span of the application's own, and export all."""
    spans = TracerProvider()
    spans.add_span_processor(SpanFile(os.environ["SPANS"]))
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    INSTRUMENTATIONS[instrumentation]()
    url = os.environ["PROVIDER_URL"]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    tracer = trace.get_tracer("application")
    until = os.environ.get("UNTIL", "")
    for _ in range(int(os.environ.get("TIMES", "1"))):
        if until and os.path.exists(until):
            break
        for scene in scenes:
            model = f"{os.environ.get('MODEL_PREFIX', '')}{scene}"
            # What fails is what the script wants to fail; the span tells of it.
            with tracer.start_as_current_span(scene), suppress(openai.APIStatusError):
                if scene.startswith("messages"):
                    ask_anthropic(url, scene, model)
                else:
                    ask(client, scene, model)
            time.sleep(float(os.environ.get("PAUSE", "0")))  # as fast as somebody asks
    spans.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
