"""Where the time of a request goes: what callers feel, its parts, and what stands behind it."""

from dashboards import features, replicas
from dashboards.lines import line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import (
    MODEL_KEYS,
    NO_GPU,
    NO_TRAFFIC,
    limit_line,
    table,
    target_line,
    timeseries,
)
from dashboards.styles import Field, band
from dashboards.variables import OF_REPLICAS, chosen
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import capacity, goodput, gpus, limits
from recording_rules.bounds import COUNT
from recording_rules.latency import MEAN, QUANTILES, QUANTILES_HOUR, RANKS
from recording_rules.promql import MODEL, on

PARTS = {c.SERVER_QUEUE: "queue", c.SERVER_PREFILL: "prefill", c.SERVER_DECODE: "decode"}


def _quantiles(metric: Metric, title: str, description: str, *lines: Query) -> Panel:
    return timeseries(f"{title}, p95", description, "s", line(QUANTILES[metric, 0.95]), *lines)


def _spread(metric: Metric, title: str, rank: float) -> Panel:
    return timeseries(f"{title}, p{rank * 100:g}", "Where the p99 is far above the median, a few "
                      "requests are slow: long ones, or stalls.", "s",
                      line(QUANTILES[metric, rank]), width=12)


def _hourly(metric: Metric, title: str) -> Panel:
    return timeseries(
        title, "95 % took no longer, each point over the hour before it: for ranges of days.", "s",
        line(QUANTILES_HOUR[metric, 0.95]))


def _mean(metric: Metric) -> str:
    """Each model's mean counts by its requests; an idle one has no mean and counts nothing."""
    count = chosen(COUNT[metric])
    return f"sum({chosen(MEAN[metric])} * {on(MODEL)} {count}) / (sum({count}) > 0)"


FELT = PanelRow("What callers feel", (
    _quantiles(c.SERVER_DURATION, "Whole request",
               "From arrival to the last token: long answers take long, so read it with the two "
               "beside it.", limit_line(limits.DURATION)),
    _quantiles(c.SERVER_TTFT, "Time to first token",
               "How long a caller waits for the first word: if it grows, look at queue and "
               "prefill below.", limit_line(limits.TTFT), target_line(limits.TARGET_TTFT_SECONDS)),
    _quantiles(c.SERVER_TPOT, "Time per output token",
               "The pace at which words come after the first: if it grows, the GPU has too much "
               "to do at once.", limit_line(limits.TPOT)),
    timeseries(
        "Goodput",
        "Share of requests that succeed within the three limits above at once, of the model worst "
        "off. Histograms count each limit by itself, so the share is known to lie in the band, and "
        "not where. All of the band below the limit is too little.", "percentunit",
        Query(f"min({chosen(goodput.UPPER)})", "at most"),
        Query(f"min({chosen(goodput.LOWER)})", "at least"), limit_line(limits.GOODPUT),
        looks=band("at least", "at most"), width=16, maximum=1),
    _quantiles(c.SERVER_ITL, "Between tokens", "One value for each token or step, not for each "
               "request: its p99 shows stalls that a caller sees as stutter."),
))
PARTS_OF_IT = PanelRow("Where the time goes", (
    timeseries(
        "Mean request, by part",
        "Over all requests of what is chosen: means add up where quantiles do not, so the part "
        "that swells is the cause.", "s",
        *(Query(_mean(metric), name) for metric, name in PARTS.items()), stacked=True),
    table(
        "Mean request now, by model",
        "The part that is largest is the one to work on: queue means too few replicas, prefill "
        "long prompts, decode long answers or a busy GPU.", MODEL_KEYS,
        [Field(name.capitalize(), chosen(MEAN[metric]), "s") for metric, name in PARTS.items()]
        + [Field("Whole", chosen(MEAN[c.SERVER_DURATION]), "s", width=85)],
        empty=NO_TRAFFIC, width=16, height=10, sort="Whole"),
    _quantiles(c.SERVER_QUEUE, "Queue", "Waiting to be scheduled: above its limit there are too "
               "few replicas, or too few places in them.", limit_line(limits.QUEUE)),
    _quantiles(c.SERVER_PREFILL, "Prefill", "Reading the prompt: grows with its length and falls "
               "with the share that comes from a cache."),
    _quantiles(c.SERVER_DECODE, "Decode", "Writing the answer: grows with its length and with "
               "the number of requests worked on at once."),
))
BEHIND = PanelRow("What stands behind it", (
    timeseries(
        "Waiting",
        "Requests in the queue: what keeps growing is load that does not fit, whatever the GPU "
        "says.", "short", line(capacity.WAITING)),
    timeseries(
        "Running",
        "Requests worked on at once: flat while some wait is the engine's maximum.", "short",
        line(capacity.RUNNING)),
    timeseries(
        "KV cache of the fullest replica",
        "At its limit new requests wait and running ones are put back into the queue.",
        "percentunit", line(capacity.KV_USAGE), limit_line(limits.KV_CACHE), maximum=1),
    timeseries(
        "GPUs busy",
        "Mean of all GPUs of the cluster: near 100 % while tokens slow down means saturated.",
        "percentunit", Query(chosen(gpus.FLEET_BUSY), "busy {{cluster}}"), empty=NO_GPU, width=24,
        height=6, maximum=1),
))
SPREAD = PanelRow("Median and p99", tuple(_spread(metric, title, rank) for metric, title in {
    c.SERVER_DURATION: "Whole request",
    c.SERVER_TTFT: "Time to first token",
    c.SERVER_TPOT: "Time per output token",
    c.SERVER_QUEUE: "Queue",
    c.SERVER_PREFILL: "Prefill",
    c.SERVER_DECODE: "Decode",
    c.SERVER_ITL: "Between tokens",
}.items() for rank in RANKS if rank != 0.95), collapsed=True)
DAYS = PanelRow("Over days, by the hour", (
    _hourly(c.SERVER_DURATION, "Whole request, hourly p95"),
    _hourly(c.SERVER_TTFT, "Time to first token, hourly p95"),
    _hourly(c.SERVER_TPOT, "Time per output token, hourly p95"),
), collapsed=True)

BOARD = Board(
    "latency", "Latency decomposition",
    "Why it is slow: the time of a request, its parts, and the queue, cache and GPU behind them.",
    OF_REPLICAS, (FELT, PARTS_OF_IT, BEHIND, replicas.LATENCY, features.LENGTHS, SPREAD, DAYS))
