"""An application that ends a call's span again and again; run by a Python of its own.

    python steady.py

OTEL_* are the SDK's own: all it does with a span is as it does by default. Each span that ends is
a line of the file JOURNAL (its trace id, its span id), RATE a second, until there is a file UNTIL.
Then it flushes, and prints as JSON how many spans each of its exporter's results was of.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind

ATTRIBUTES = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}


class TellingExporter(OTLPSpanExporter):
    """Counts spans by what became of their batch: a batch that failed is not sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.results: Counter[str] = Counter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self.results[result.name] += len(spans)
        return result


def main() -> None:
    pause, until = 1 / float(os.environ["RATE"]), os.environ["UNTIL"]
    exporter = TellingExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("steady")
    with open(os.environ["JOURNAL"], "a", encoding="ascii", buffering=1) as journal:
        while not os.path.exists(until):
            with tracer.start_as_current_span(
                    "chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=ATTRIBUTES) as span:
                time.sleep(pause)  # the call that it is of
            context = span.get_span_context()
            journal.write(f"{context.trace_id:032x} {context.span_id:016x}\n")
    provider.shutdown()
    print(json.dumps(exporter.results))


if __name__ == "__main__":
    main()
