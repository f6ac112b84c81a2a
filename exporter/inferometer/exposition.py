"""Families to bytes: Prometheus text 0.0.4 and OpenMetrics 1.0, which alone has exemplars.

Our own rather than prometheus_client's, so that the text of a series' labels is made once and
not at every scrape. Numbers and `le` are in OpenMetrics' canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.values import Exemplar, Histogram, Key

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def content_type(accept: str | None) -> str:
    """The better of the two formats for an Accept header; text where it asks for neither."""
    quality = {TEXT: 0.0, OPENMETRICS: 0.0}
    for part in (accept or "").split(","):
        media, *parameters = [piece.strip().lower() for piece in part.split(";")]
        options = dict(p.split("=", 1) for p in parameters if "=" in p)
        weight = _weight(options.get("q", "1"))
        if media == "application/openmetrics-text":
            if options.get("version", "1.0.0").strip('"') in ("1.0.0", "0.0.1"):
                quality[OPENMETRICS] = max(quality[OPENMETRICS], weight)
        elif media in ("text/plain", "text/*", "*/*"):
            quality[TEXT] = max(quality[TEXT], weight)
    return OPENMETRICS if quality[OPENMETRICS] > quality[TEXT] else TEXT


def render(families: Iterable[Family], content: str) -> bytes:
    """The page in the given content type. Families of one metric are joined, empty ones left out.
    """
    merged: dict[Metric, Family] = {}
    for family in families:
        if family.points or family.blocks:
            joined = merged.setdefault(family.metric, Family(family.metric))
            joined.points.update(family.points)
            joined.blocks += family.blocks
    lines: list[str] = []
    for metric, family in merged.items():
        lines.append(_header(metric, content))
        lines += [block.text for block in family.blocks]
        for key, value in family.points.items():
            if isinstance(value, Histogram):
                lines.append(_histogram(metric, key, value, content))
            else:
                lines.append(_beginning(metric, key) + number(value))
    if content == OPENMETRICS:
        lines.append("# EOF")
    lines.append("")
    return "\n".join(lines).encode(errors="replace")  # JSON knows characters that UTF-8 does not


def render_client(collectors: Iterable[Collector], content: str) -> bytes:
    """The page of prometheus_client's collectors, without its end."""
    lines: list[str] = []
    for collector in collectors:
        for family in collector.collect():
            plain_counter = family.type == "counter" and content != OPENMETRICS
            name = f"{family.name}_total" if plain_counter else family.name
            lines += [f"# HELP {name} {family.documentation}", f"# TYPE {name} {family.type}"]
            for sample in family.samples:
                pairs = ",".join([f'{key}="{text}"' for key, text in sample.labels.items()])
                labels = f"{{{pairs}}}" if pairs else ""
                lines.append(f"{sample.name}{labels} {number(sample.value)}")
    return "".join([f"{line}\n" for line in lines]).encode()


def beginning(metric: Metric, key: Key) -> str:
    """A line up to its number, for callers that keep it."""
    return f"{metric.name}{_labels(metric, key)} "


_beginning = lru_cache(maxsize=65536)(beginning)  # for callers that do not


def canonical(value: float) -> str:
    """A number in OpenMetrics' canonical form, as in `1.0`, `+Inf` and `1e+06`."""
    if -1e6 < value < 1e6:  # where Python and Go write the same
        return repr(float(value))
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


number = lru_cache(maxsize=8192)(canonical)  # for values that come again


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@lru_cache(maxsize=512)
def _header(metric: Metric, content: str) -> str:
    name = metric.name
    if content == OPENMETRICS and metric.kind == "counter":
        name = name.removesuffix("_total")
    text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if content == OPENMETRICS:
        text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}"


def _labels(metric: Metric, key: Key) -> str:
    pairs = [
        f'{label.name}="{_escape(value)}"'
        for label, value in zip(metric.labels, key, strict=True)
        if value or not label.optional
    ]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(metric: Metric, key: Key, value: Histogram, content: str) -> str:
    value = value.coarsened(metric.bounds)
    numbers = list(map(number, value.counts))
    has_sum = value.total is not None
    if has_sum or content != OPENMETRICS:  # which has no count without a sum
        numbers.append(numbers[-1])
    if value.total is not None:
        numbers.append(number(value.total))
    if value.exemplars and content == OPENMETRICS:
        for i, exemplar in enumerate(value.exemplars):
            if exemplar is not None:
                numbers[i] += _exemplar(exemplar)
    return _histogram_form(metric, key, value.bounds, len(numbers)) % tuple(numbers)


@lru_cache(maxsize=8192)  # most stay from page to page
def _exemplar(exemplar: Exemplar) -> str:
    """What follows a bucket's number; its label is shorter than the 128 characters allowed."""
    return (f' # {{trace_id="{exemplar.trace_id}"}} {canonical(exemplar.value)} '
            f"{exemplar.timestamp:.3f}")


@lru_cache(maxsize=8192)
def _histogram_form(metric: Metric, key: Key, bounds: tuple[float, ...], size: int) -> str:
    """A histogram's lines with `%s` for its `size` numbers: buckets, count and sum."""
    labels = _labels(metric, key).replace("%", "%%")
    inside = labels[1:-1] + "," if labels else ""
    name = metric.name
    lines = [f'{name}_bucket{{{inside}le="{number(bound)}"}} %s'
             for bound in (*bounds, float("inf"))]
    lines += [f"{name}_count{labels} %s", f"{name}_sum{labels} %s"]
    return "\n".join(lines[:size])
