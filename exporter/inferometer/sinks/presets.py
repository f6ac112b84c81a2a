"""Where traces, logs and metrics can be sent on to, and what each service asks for.

Each row is from the service's own documentation, whose page and date of reading it names.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from inferometer.sinks.feedback_places import (
    DATADOG,
    LANGFUSE,
    LANGSMITH,
    LOG,
    PHOENIX,
    FeedbackPlace,
)
from inferometer.sinks.outbox import FEEDBACK

_TRACES, _LOGS, _METRICS = "traces", "logs", "metrics"
_ALL = (_TRACES, _LOGS, _METRICS, FEEDBACK)
_READ = "2026-11-30"


@dataclass(frozen=True, slots=True)
class Preset:
    """One service, or one kind of receiver."""

    name: str
    title: str
    docs: str  # the page that this row is from
    read: str  # when, as YYYY-MM-DD
    url: str = ""  # base of the paths below; empty where everybody has an address of their own
    url_example: str = ""  # how such an address looks
    signals: tuple[str, ...] = _ALL
    key_header: str = ""  # empty: no key is asked for
    key_prefix: str = ""  # what stands before the key in that header
    key_in_base64: bool = False  # a key of two parts with a colon between, as HTTP Basic has it
    key_needed: bool = True  # the service refuses whoever has none
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    asked: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    optional: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    encoding: str = ""  # the only one that is taken; empty: as it came
    gzip: bool = True
    feedback: FeedbackPlace = LOG  # where votes go, if they are among its signals
    link: str = ""  # to a trace: {origin} is that of the URL, {trace_id} has 32 hex digits
    link_example: str = ""  # where the link needs more than these two

    def url_of(self, signal: str, url: str = "") -> str:
        """Where this signal is posted; `url` in the place of the preset's own."""
        base = (url or self.url).rstrip("/")
        return self.feedback.url_of(base) if signal == FEEDBACK else f"{base}/v1/{signal}"

    def headers_with(self, key: str) -> dict[str, str]:
        """The headers that are always sent, and the one with the key, where there is one."""
        made = dict(self.headers)
        if self.key_header and key:
            if self.key_in_base64 and ":" in key:  # else somebody has encoded it
                key = base64.b64encode(key.encode()).decode()
            made[self.key_header] = f"{self.key_prefix}{key}"
        return made

    def link_to(self, trace_id: str, url: str = "", link: str = "") -> str:
        """The address of a trace in the service; empty where none can be made.

        `link` is a template in the place of the preset's own.
        """
        parts = urlsplit(url or self.url)
        return trace_link(link or self.link, trace_id, f"{parts.scheme}://{parts.netloc}")


def trace_link(template: str, trace_id: str, origin: str = "") -> str:
    """A template with {trace_id} and {origin} filled in; nothing else in braces is touched."""
    return template.replace("{trace_id}", trace_id).replace("{origin}", origin)


_ROWS = (
    Preset(
        "otlp", "An OpenTelemetry Collector, Grafana Alloy, Jaeger, or whatever takes OTLP",
        docs="https://github.com/open-telemetry/opentelemetry-collector/blob/main/receiver/otlpreceiver/README.md",
        read=_READ, url_example="http://collector:4318",
        key_header="authorization", key_prefix="Bearer ", key_needed=False,
        link_example="http://jaeger:16686/trace/{trace_id}",
    ),
    Preset(
        "langsmith", "LangSmith",
        docs="https://docs.langchain.com/langsmith/trace-with-opentelemetry", read=_READ,
        url="https://api.smith.langchain.com/otel",  # eu. and aws. before it, or /api/v1/otel
        url_example="https://eu.api.smith.langchain.com/otel", signals=(_TRACES, FEEDBACK),
        key_header="x-api-key", feedback=LANGSMITH,
        optional={"langsmith-project": "the project; `default` where it is not said"},
    ),
    Preset(
        "phoenix", "Arize Phoenix",
        docs="https://arize.com/docs/phoenix/release-notes/05-2026/05-08-2026-otlp-project-header",
        read=_READ, url_example="http://phoenix:6006", signals=(_TRACES, FEEDBACK),
        feedback=PHOENIX,
        key_header="authorization", key_prefix="Bearer ", key_needed=False,
        optional={"x-project-name": "the project; else the attribute openinference.project.name "
                                    "of the resource"},
        encoding="protobuf", link="{origin}/redirects/traces/{trace_id}",
    ),
    Preset(
        "honeycomb", "Honeycomb",
        docs="https://docs.honeycomb.io/send-data/opentelemetry/", read=_READ,
        url="https://api.honeycomb.io", url_example="https://api.eu1.honeycomb.io",
        key_header="x-honeycomb-team",
        optional={"x-honeycomb-dataset": "the dataset of metrics, and of all in Classic"},
        link_example="https://ui.honeycomb.io/TEAM/environments/ENVIRONMENT/trace"
                     "?trace_id={trace_id}",
    ),
    Preset(
        "datadog", "Datadog's LLM Observability, without an Agent",
        docs="https://docs.datadoghq.com/llm_observability/instrumentation/otel_instrumentation",
        read=_READ, url="https://otlp.datadoghq.com", url_example="https://otlp.datadoghq.eu",
        signals=(_TRACES, FEEDBACK), feedback=DATADOG,
        key_header="dd-api-key", headers={"dd-otlp-source": "llmobs"},
        encoding="protobuf", link="https://app.datadoghq.com/apm/trace/{trace_id}",
        link_example="https://app.datadoghq.eu/apm/trace/{trace_id}",
    ),
    Preset(
        "datadog-agent", "A Datadog Agent",
        docs="https://docs.datadoghq.com/opentelemetry/setup/otlp_ingest_in_the_agent/",
        read=_READ, url_example="http://datadog-agent:4318", encoding="protobuf",
        link="https://app.datadoghq.com/apm/trace/{trace_id}",
        link_example="https://app.datadoghq.eu/apm/trace/{trace_id}",
    ),
    Preset(
        "langfuse", "Langfuse",
        docs="https://langfuse.com/integrations/native/opentelemetry", read=_READ,
        url="https://cloud.langfuse.com/api/public/otel",
        url_example="https://us.cloud.langfuse.com/api/public/otel", signals=(_TRACES, FEEDBACK),
        feedback=LANGFUSE,
        key_header="authorization", key_prefix="Basic ", key_in_base64=True,
        headers={"x-langfuse-ingestion-version": "4"},  # without it minutes pass before it is seen
        link_example="https://cloud.langfuse.com/project/PROJECT/traces/{trace_id}",
    ),
    Preset(
        "grafana-cloud", "Grafana Cloud",
        docs="https://grafana.com/docs/grafana-cloud/send-data/otlp/send-data-otlp/", read=_READ,
        url_example="https://otlp-gateway-prod-eu-west-2.grafana.net/otlp",
        key_header="authorization", key_prefix="Basic ", key_in_base64=True,
        link_example='https://STACK.grafana.net/explore?schemaVersion=1&panes='
                     '{"t":{"datasource":"grafanacloud-traces","queries":[{"refId":"A",'
                     '"queryType":"traceql","query":"{trace_id}"}],'
                     '"range":{"from":"now-7d","to":"now"}}}',
    ),
    Preset(
        "elasticsearch", "Elasticsearch, or Elastic's managed OTLP endpoint",
        docs="https://www.elastic.co/docs/manage-data/ingest/otlp-endpoint", read=_READ,
        url_example="https://elasticsearch:9200/_otlp",
        key_header="authorization", key_prefix="ApiKey ", encoding="protobuf",
        link_example="https://KIBANA/app/apm/link-to/trace/{trace_id}",
    ),
    Preset(
        "mlflow", "MLflow",
        docs="https://mlflow.org/docs/latest/genai/tracing/opentelemetry/ingest", read=_READ,
        url_example="http://mlflow:5000", signals=(_TRACES,), encoding="protobuf",
        asked={"x-mlflow-experiment-id": "the experiment; `0` is the one that is always there"},
        link_example="http://mlflow:5000/#/experiments/EXPERIMENT/traces"
                     "?selectedEvaluationId=tr-{trace_id}",
    ),
)
PRESETS: Mapping[str, Preset] = MappingProxyType({row.name: row for row in _ROWS})
