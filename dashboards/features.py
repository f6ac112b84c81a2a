"""What only some engines tell: the exporter's own series, asked once a row is opened.

No rule records them, so a panel sums them itself, by model and by what its lines differ in.
"""

from __future__ import annotations

from dashboards.lines import BY_MODEL, line
from dashboards.model import Panel, PanelRow, Query
from dashboards.panels import TOKENS_PER_SECOND, timeseries
from dashboards.variables import of_replicas
from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules.promql import ENDPOINT, MODEL, NODE, WINDOW, by, on

_NOT_TOLD = "No data: no engine here tells it; the exporter board shows what each tells."
_REPLICA = (*MODEL, *(label for label in ENDPOINT if label not in MODEL))
BYTES_PER_SECOND = "Bps"


def _unused(feature: str) -> str:
    return f"No data: no engine here {feature}, or none tells it."


def _keys(*labels: Label) -> tuple[str, ...]:
    return (*MODEL, *(label.name for label in labels))


def _rate(metric: Metric | str, *labels: Label, pick: str = "sum") -> str:
    name = metric if isinstance(metric, str) else metric.name
    return f"{pick} {by(_keys(*labels))} (rate({of_replicas(name)}[{WINDOW}]))"


def _now(metric: Metric, *labels: Label, pick: str = "sum") -> str:
    return f"{pick} {by(_keys(*labels))} ({of_replicas(metric.name)})"


def _share(part: Metric, total: Metric) -> str:
    return f"{_rate(part)} / ({_rate(total)} > 0)"


def _replicas(metric: Metric, *labels: Label) -> str:
    """How many replicas have a 1; ranks of one are not told apart."""
    keys = (*_REPLICA, *(label.name for label in labels))
    return f"sum {by(_keys(*labels))} (max {by(keys)} ({of_replicas(metric.name)}))"


def _split(metric: Metric, label: Label) -> Query:
    """A line for each value of the label, of all that is chosen together."""
    return Query(f"sum {by((label.name,))} (rate({of_replicas(metric.name)}[{WINDOW}]))",
                 f"{{{{{label.name}}}}}")


def _lines(expr: str, *labels: Label, word: str = "") -> Query:
    """A line for each model, and for each value of these labels; `word` comes first."""
    legend = " ".join((*filter(None, (word,)), *(f"{{{{{label.name}}}}}" for label in labels),
                       BY_MODEL))
    return line(expr, legend, _keys(*labels))


def _panel(title: str, description: str, unit: str, *queries: Query, empty: str = _NOT_TOLD,
           width: int = 8, maximum: float | None = None, stacked: bool = False) -> Panel:
    return timeseries(title, description, unit, *queries, empty=empty, width=width,
                      maximum=maximum, stacked=stacked)


def _size(metric: Metric, title: str, description: str) -> Panel:
    """Bounds may differ between replicas, so that each has a p95 of its own: the largest."""
    buckets = f"rate({of_replicas(f'{metric.name}_bucket')}[{WINDOW}])"
    summed = f"sum {by((*_REPLICA, 'le'))} ({buckets})"
    largest = f"max {by(MODEL)} (histogram_quantile(0.95, {summed}) >= 0)"
    mean = f"{_rate(f'{metric.name}_sum')} / ({_rate(f'{metric.name}_count')} > 0)"
    return _panel(title, description, "short", _lines(mean, word="mean"),
                  _lines(largest, word="p95"), width=24)


LENGTHS = PanelRow("Lengths of prompts, answers and steps", (
    _size(c.SERVER_INPUT_LENGTH, "Prompt length", "Tokens of a prompt, on average and of the "
          "replica with the longest: longer prompts take more prefill and more cache."),
    _size(c.SERVER_OUTPUT_LENGTH, "Answer length", "Tokens of an answer, on average and of the "
          "replica with the longest: longer answers make requests slow, not engines."),
    _size(c.SERVER_STEP_TOKENS, "Tokens of a step", "What the engine works on at once, prompts "
          "and answers: small steps leave the GPU idle, large ones hold up each answer."),
), collapsed=True)
_NO_DRAFTS = _unused("drafts tokens")
SPECULATION = PanelRow("Speculation in depth", (
    _panel("Drafts", "Made per second: none under load, and speculation is off.", "ops",
           _lines(_rate(c.SERVER_DRAFTS)), empty=_NO_DRAFTS),
    _panel("Tokens of a step with a draft", "Of one request, the token of the engine's own "
           "included: at 1 drafting is in vain.", "short",
           _lines(f"(1 + {_share(c.SERVER_ACCEPTED, c.SERVER_DRAFTS)} or {on(MODEL)} "
                  f"{_now(c.SERVER_ACCEPT_LENGTH, pick='avg')})"), empty=_NO_DRAFTS),
    _panel("Accepted of late", "Share of drafted tokens that were kept in the engine's last "
           "steps, where it does not count them.", "percentunit",
           _lines(_now(c.SERVER_ACCEPT_RATIO, pick="avg")), empty=_NO_DRAFTS, maximum=1),
    _panel("Accepted by place in the draft", "Share of drafts of which this token was kept, the "
           "first is 0: where it nears nothing, drafts are too long.", "percentunit",
           _lines(f"{_rate(c.SERVER_ACCEPTED_AT, c.POSITION)} / {on(MODEL)} group_left () "
                  f"({_rate(c.SERVER_DRAFTS)} > 0)", c.POSITION),
           empty=_NO_DRAFTS, width=24, maximum=1),
), collapsed=True)
_NOTHING_MOVES = _unused("moves its KV cache")
CACHES = PanelRow("Caches beyond the GPU, and KV cache on the move", (
    _panel("Cached prompt tokens by tier", "Per second, by where they were: the further away, the "
           "longer they take to load.", TOKENS_PER_SECOND,
           _split(c.SERVER_TIER_HITS, c.TIER), stacked=True),
    _panel("External cache hits", "Share of the tokens looked up outside the engine that were "
           "there: low, the lookups only cost time.", "percentunit",
           _lines(_share(c.SERVER_EXTERNAL_HITS, c.SERVER_EXTERNAL_QUERIES)), maximum=1,
           empty=_unused("has a cache outside itself")),
    _panel("Multimodal cache hits", "Share of images and other items that were processed before: "
           "a miss is encoded anew.", "percentunit",
           _lines(_share(c.SERVER_MM_HITS, c.SERVER_MM_QUERIES)), maximum=1,
           empty=_unused("is given images")),
    _panel("KV cache moved", "To and from slower tiers (store, load), between them (demote, "
           "promote), to and from other engines (send, receive).", BYTES_PER_SECOND,
           _split(c.SERVER_KV_MOVED_BYTES, c.MOVEMENT),
           empty=_NOTHING_MOVES, width=12),
    _panel("Time spent moving", "Seconds of movement in each second, all replicas together: 1 is "
           "one movement at any time.", "short",
           _split(c.SERVER_KV_MOVED_SECONDS, c.MOVEMENT),
           empty=_NOTHING_MOVES, width=12),
    _panel("Failed movements", "Per second: what failed to come is computed anew, or its request "
           "fails.", "ops", _split(c.SERVER_KV_MOVE_FAILURES, c.MOVEMENT),
           empty=_NOTHING_MOVES, width=12),
    _panel("Offload memory, fullest replica", "Of what the KV cache is offloaded to: once full, it "
           "forgets what is oldest.", "percentunit",
           _lines(_now(c.SERVER_KV_OFFLOAD_USAGE, pick="max")), maximum=1,
           empty=_unused("offloads its KV cache"), width=12),
), collapsed=True)
_NO_ADAPTERS = _unused("serves LoRA adapters")
REQUESTS = PanelRow("Adapters, reasons to wait, and sleep", (
    _panel("Adapters in a batch", "Of the replica with the most: at its limit, requests for other "
           "adapters wait.", "short",
           _lines(_now(c.SERVER_LORA_RUNNING, pick="max"), word="running"),
           _lines(_now(c.SERVER_LORA_WAITING, pick="max"), word="waiting"),
           _lines(_now(c.SERVER_LORA_MAX, pick="min"), word="limit"), empty=_NO_ADAPTERS,
           width=12),
    _panel("Replicas by adapter", "With requests for it running or waiting: one on every replica "
           "may deserve replicas of its own.", "short",
           _lines(_replicas(c.SERVER_LORA_INFO, c.ADAPTER, c.ADAPTER_STATE), c.ADAPTER,
                  c.ADAPTER_STATE), empty=_NO_ADAPTERS, width=12),
    _panel("Waiting, by what for", "Capacity wants replicas; the rest waits for something else "
           "than a GPU with room.", "short",
           Query(f"sum {by((c.WAITING_FOR.name,))} ({of_replicas(c.SERVER_WAITING_WHY.name)})",
                 f"{{{{{c.WAITING_FOR.name}}}}}"), stacked=True,
           width=12),
    _panel("Awake and asleep", "Replicas by state: one that sleeps answers nothing, and one that "
           "gave up its weights takes long to wake.", "short",
           Query(f"sum {by((c.SLEEP.name,))} ({_replicas(c.SERVER_SLEEP, c.SLEEP)})",
                 f"{{{{{c.SLEEP.name}}}}}"), stacked=True,
           empty=_unused("can sleep"), width=12),
    _panel("Corrupted requests", "Per second, with logits that were not numbers: the GPU's memory, "
           "the weights or a kernel is broken.", "reqps", _lines(_rate(c.SERVER_CORRUPTED)),
           width=12),
    _panel("Migrated requests", "Per second, moved to another worker: workers fail, and their "
           "callers only wait longer.", "reqps", _lines(_rate(c.SERVER_MIGRATIONS)), width=12),
), collapsed=True)
_NO_ESTIMATE = _unused("reckons what its GPUs do")
_NO_PEAK = f"{_NO_ESTIMATE} Or its node has no GPU whose data sheet is known."
_RANK = (*_REPLICA, c.RANK.name, "node")


def _of_peak(metric: Metric, peak: Metric) -> str:
    """Of the fastest GPU of the replica's node, mean of ranks and replicas."""
    done = f"sum {by(_RANK)} (rate({of_replicas(metric.name)}[{WINDOW}]))"
    most = f"max {by(NODE)} ({of_replicas(peak.name, ('cluster',))})"
    return f"avg {by(MODEL)} ({done} / {on(NODE)} group_left () {most})"


def _moved() -> str:
    """Both ways, mean of ranks and replicas."""
    done = f"sum {by(_RANK)} (rate({of_replicas(c.SERVER_MEMORY_MOVED.name)}[{WINDOW}]))"
    return f"avg {by(MODEL)} ({done})"


WORK = PanelRow("Work of each GPU, as engines reckon it", (
    _panel("Operations of each GPU", "Floating-point operations per second, mean of the replicas: "
           "what prompts and batches make of it.", "flops",
           _lines(_rate(c.SERVER_FLOPS, pick="avg")), empty=_NO_ESTIMATE, width=12),
    _panel("Share of peak operations (MFU)", "Of the BF16 peak of the node's GPU by its data "
           "sheet, mean of the replicas: under full load, low is memory-bound or small batches.",
           "percentunit", _lines(_of_peak(c.SERVER_FLOPS, c.GPU_PEAK_FLOPS)), empty=_NO_PEAK,
           width=12, maximum=1),
    _panel("Memory traffic of each GPU", "Read and written per second, mean of the replicas: what "
           "answers are bound by.", BYTES_PER_SECOND,
           _lines(_moved()), empty=_NO_ESTIMATE, width=12),
    _panel("Share of peak memory traffic (MBU)", "Read and written, of the bandwidth of the node's "
           "GPU by its data sheet: near the peak, only larger batches yield more.", "percentunit",
           _lines(_of_peak(c.SERVER_MEMORY_MOVED, c.GPU_PEAK_BANDWIDTH)), empty=_NO_PEAK,
           width=12, maximum=1),
), collapsed=True)
