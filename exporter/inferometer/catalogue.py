"""What we say: every metric and label, its kind, unit, help, and how much of it there may be.

Names and meanings are the stable contract. A label is either closed (`values`) or open with a
`budget`; a family holds at most `seats` tuples of open label values, and at most `bounds` bounds
where it is a histogram. The guard enforces both at run time; `max_series` is what they add up to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

OTHER = "_other"


@dataclass(frozen=True, eq=False)
class Label:
    """A label name with what bounds it: the closed set of its values, or a budget of them."""

    name: str
    help: str
    values: tuple[str, ...] = ()
    budget: int = 0
    optional: bool = False  # left out of the page where it is empty
    folds: bool = False  # values that come from outside and become `_other` over the cap


@dataclass(frozen=True, eq=False)
class Metric:
    """One family: name with prefix and base unit, kind, help, labels and caps."""

    name: str
    kind: str  # gauge, counter or histogram
    help: str
    labels: tuple[Label, ...] = ()
    seats: int = 1
    bounds: int = 0
    otel: str = ""
    subjects: int = 0  # what the labels that do not fold tell apart; 0: all their budgets make

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The label names in the order of every point's key."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def signal(self) -> str:
        """The family's name without subject prefix and unit: what a table maps to."""
        stem = self.name.removeprefix("llm_server_")
        for suffix in ("_total", "_seconds", "_ratio"):
            stem = stem.removesuffix(suffix)
        return stem

    @property
    def max_series(self) -> int:
        """The most series this family can hold on one exporter's page."""
        closed = math.prod(len(label.values) for label in self.labels if label.values)
        overflow = 1 if any(label.folds for label in self.labels) else 0
        return (self.seats + overflow * TARGETS) * closed * (self.bounds + 3 if self.bounds else 1)


TARGETS = 100  # engine endpoints one exporter may watch
GPUS = 64
GPU_SEATS = GPUS * 8  # each board alone or as its MIG instances, seven at most
PODS = 1000  # that may have had a GPU or a part of one within an hour

# XIDs after which NVIDIA's catalogue asks for a drain or a reset of the GPU: always shown.
XIDS_DRAIN = (
    "48", "62", "63", "64", "74", "79", "92", "94", "95", "109", "110", "119", "120", "121",
    "136", "140", "142", "143", "154", "155", "156",
)
# Known ones that do not: shown from their first event on.
XIDS_KNOWN = (
    "8", "13", "16", "31", "32", "38", "43", "44", "45", "61", "68", "69", "78", "80", "81",
    "88", "96", "97", "98", "99", "100", "101", "102", "104", "105", "106", "107", "108", "137",
    "144", "145", "146", "147", "148", "149", "150",
)

ENGINES = (
    "vllm", "tgi", "sglang", "llama_cpp", "tensorrt_llm", "triton", "lmdeploy", "nim", "kserve",
    "dynamo", "dynamo_worker", "sglang_router", "unknown",
)
# They stand in front of engines, whose own pages count the same requests and tokens once more:
# no sum may hold both.
ROUTERS = ("dynamo", "sglang_router")
OUTCOMES = ("success", "error", "rejected", "invalid", "abort")
REASONS = (
    "stop", "length", "repetition", "finished",
    "engine_error", "generation", "incomplete", "timeout", "unavailable", "http_5xx",
    "queue_requests", "queue_tokens", "queue_timeout", "overloaded", "http_429", "http_503",
    "validation", "template", "not_found", "http_4xx",
    "abort", "cancelled", "dropped",
    OTHER,
)
COST_CATEGORIES = ("gpu", "api", "storage", "vector_db", "network", "other", "overhead")

TARGET = Label("target", "One engine endpoint: its configured name, or host:port.", budget=TARGETS)
ENGINE = Label("engine", "The engine's kind, as its page shows it.", values=ENGINES)
MODEL = Label("model", "The served model's name.", budget=400, folds=True)
RANK = Label("rank", "Data-parallel rank, where there are several.", budget=64,
             optional=True, folds=True)
OUTCOME = Label("outcome", "How the request ended.", values=OUTCOMES)
REASON = Label("reason", "Why, in the engine's terms.", values=REASONS)
CODE_CLASS = Label("code_class", "HTTP status class.", values=("2xx", "3xx", "4xx", "5xx"))
SOURCE = Label("source", "Where the signal comes from.",
               values=("native", "derived", "unavailable"))
VERSION = Label("version", "The software's own version.", budget=200, folds=True)

GPU = Label("gpu", "The driver's index of the GPU.", budget=GPUS)
UUID = Label("uuid", "The GPU's UUID, which survives a reboot.", budget=GPUS)
MIG = Label("mig", "MIG instance as GPU instance/compute instance.", budget=8, optional=True)
CLOCK = Label("clock", "Clock domain.", values=("sm", "memory", "graphics", "video"))
THROTTLE = Label(
    "reason", "What held the clocks down.",
    values=("power_cap", "sync_boost", "sw_thermal", "hw_thermal", "hw_power_brake"),
)
DIRECTION = Label("direction", "As the GPU sees it.", values=("transmit", "receive"))
ECC_KIND = Label("kind", "Whether the error was corrected.", values=("corrected", "uncorrected"))
REMAP_KIND = Label("kind", "What made the row be remapped.",
                   values=("correctable", "uncorrectable"))
PROCESS_CLASS = Label("class", "Class of process.", values=("compute", "graphics", "mps"))
POD_NAMESPACE = Label("k8s_namespace_name", "Namespace of the pod.", budget=PODS, folds=True)
POD_NAME = Label("k8s_pod_name", "Name of the pod.", budget=PODS, folds=True)
POD_CONTAINER = Label("k8s_container_name", "The pod's container.", budget=PODS, folds=True)
SHARED = Label("shared", "Whether others may use the same GPU or MIG instance.",
               values=("false", "true"))
XID = Label("xid", "The driver's error code.", values=(*XIDS_DRAIN, *XIDS_KNOWN, "other"))

COLLECTOR = Label("collector", "Part of the exporter.", values=("gpu", "pods", "engines", "cost"))
CATEGORY = Label("category", "What the money went to.", values=COST_CATEGORIES)
PERIOD = Label("period", "Calendar period, UTC.", values=("day", "month"))
RESULT = Label("result", "How it went.", values=("success", "failure"))

LIMITS_SECONDS = (
    "request_duration_p95", "time_to_first_token_p95", "time_per_output_token_p95",
    "request_queue_p95",
)
LIMITS_RATIO = ("error", "invalid", "kv_cache_usage", "gpu_busy", "gpu_memory", "budget_used")
LIMITS_USD = ("daily_spend", "request_cost", "million_tokens_cost")

_GPU = (GPU, UUID)
_MIG = (GPU, UUID, MIG)
_SERVER = (TARGET, ENGINE, MODEL)
_RANKED = (TARGET, ENGINE, MODEL, RANK)


def _gpu(name: str, kind: str, text: str, *labels: Label, mig: bool = False,
         otel: str = "") -> Metric:
    keys = _MIG if mig else _GPU
    return Metric(name, kind, text, (*keys, *labels), GPU_SEATS if mig else GPUS, otel=otel)


def _server(name: str, kind: str, text: str, *labels: Label, otel: str = "",
            keys: tuple[Label, ...] = _RANKED) -> Metric:
    bounds = 40 if kind == "histogram" else 0
    return Metric(name, kind, text, (*keys, *labels), 400, bounds, otel)


GPU_INFO = _gpu(
    "gpu_info", "gauge", "What the GPU is; always 1.",
    Label("name", "Product name.", budget=GPUS), Label("driver_version", "Driver.", budget=4),
    Label("pci_bus_id", "Where it is plugged in.", budget=GPUS),
)
GPU_MIG_INFO = _gpu(
    "gpu_mig_info", "gauge", "What the MIG instance is; always 1.",
    Label("mig_uuid", "The instance's own UUID.", budget=GPU_SEATS),
    Label("profile", "Slice profile.", budget=32), mig=True,
)
GPU_POD_INFO = Metric(
    "gpu_pod_info", "gauge",
    "Which pod the kubelet has given the GPU or MIG instance to; always 1.",
    (*_MIG, POD_NAMESPACE, POD_NAME, POD_CONTAINER, SHARED), PODS + GPU_SEATS, subjects=GPU_SEATS,
)
GPU_UP = _gpu("gpu_up", "gauge", "1 while the GPU answers and its last sample is fresh, else 0.")
GPU_LAST_SAMPLE = _gpu("gpu_last_sample_timestamp_seconds", "gauge",
                       "When the GPU was last read.")
GPU_UTILIZATION = _gpu("gpu_utilization_ratio", "gauge",
                       "Share of the driver's last sample period in which a kernel ran.",
                       otel="hw.gpu.utilization")
GPU_MEMORY_UTILIZATION = _gpu("gpu_memory_bandwidth_utilization_ratio", "gauge",
                              "Share of that period in which memory was read or written.")
GPU_ENCODER_UTILIZATION = _gpu("gpu_encoder_utilization_ratio", "gauge",
                               "Share of its sample period in which the video encoder was busy.",
                               otel="hw.gpu.utilization{hw.gpu.task=encoder}")
GPU_DECODER_UTILIZATION = _gpu("gpu_decoder_utilization_ratio", "gauge",
                               "Share of its sample period in which the video decoder was busy.",
                               otel="hw.gpu.utilization{hw.gpu.task=decoder}")
GPU_BUSY = _gpu("gpu_busy_seconds_total", "counter",
                "Seconds in which a kernel ran: utilization integrated between samples.")
GPU_OBSERVED = _gpu("gpu_observed_seconds_total", "counter",
                    "Seconds over which busy seconds were integrated; gaps are left out.")
GPU_MEMORY_USED = _gpu("gpu_memory_used_bytes", "gauge", "Device memory in use.", mig=True,
                       otel="hw.gpu.memory.usage")
GPU_MEMORY_TOTAL = _gpu("gpu_memory_total_bytes", "gauge", "Device memory there is.", mig=True,
                        otel="hw.gpu.memory.limit")
GPU_PROCESS_MEMORY = _gpu("gpu_process_memory_bytes", "gauge",
                          "Device memory held by processes of a class.", PROCESS_CLASS, mig=True)
GPU_PROCESSES = _gpu("gpu_processes", "gauge", "Processes of a class on the GPU.", PROCESS_CLASS,
                     mig=True)
GPU_POWER = _gpu("gpu_power_watts", "gauge", "Power drawn by the board.", otel="hw.power")
GPU_POWER_LIMIT = _gpu("gpu_power_limit_watts", "gauge", "Power limit in force.")
GPU_ENERGY = _gpu("gpu_energy_joules_total", "counter", "Energy used since the driver loaded.",
                  otel="hw.energy")
GPU_TEMPERATURE = _gpu("gpu_temperature_celsius", "gauge", "Temperature of the GPU core.")
GPU_MEMORY_TEMPERATURE = _gpu("gpu_memory_temperature_celsius", "gauge",
                              "Temperature of the device memory.")
GPU_SLOWDOWN = _gpu("gpu_temperature_slowdown_celsius", "gauge",
                    "Core temperature at which the hardware slows itself down.")
GPU_CLOCK = _gpu("gpu_clock_hertz", "gauge", "Present clock.", CLOCK)
GPU_THROTTLED = _gpu("gpu_throttled_seconds_total", "counter",
                     "Seconds for which clocks were held down, by reason.", THROTTLE)
GPU_ECC = _gpu("gpu_ecc_errors_total", "counter", "Memory errors over the board's life.", ECC_KIND,
               otel="hw.errors")
GPU_REMAPPED = _gpu("gpu_remapped_rows_total", "counter", "Memory rows remapped.", REMAP_KIND)
GPU_REMAP_PENDING = _gpu("gpu_remapped_rows_pending", "gauge",
                         "1 while a remapping waits for a reset of the GPU.")
GPU_REMAP_FAILED = _gpu("gpu_remapped_rows_failed", "gauge", "1 once a remapping has failed.")
GPU_XID = _gpu("gpu_xid_errors_total", "counter",
               "XID events by code, since this exporter started.", XID)
GPU_XID_LAST = _gpu("gpu_xid_last_timestamp_seconds", "gauge", "When the last XID event came.")
GPU_PCIE = _gpu("gpu_pcie_bytes_total", "counter", "Bytes over PCIe.", DIRECTION, otel="hw.gpu.io")
GPU_NVLINK = _gpu("gpu_nvlink_bytes_total", "counter", "Payload bytes over all NVLinks.", DIRECTION)

SERVER_UP = _server("llm_server_up", "gauge",
                    "1 if the engine's page was read in this scrape, else 0.", keys=_SERVER)
SERVER_INFO = _server("llm_server_info", "gauge", "What the engine is; always 1.", VERSION,
                      keys=_SERVER)
SERVER_START = _server("llm_server_start_time_seconds", "gauge",
                       "When the engine's process started.", keys=_SERVER)
SERVER_LAST_SCRAPE = _server("llm_server_last_scrape_timestamp_seconds", "gauge",
                             "When the engine's page was last read.", keys=_SERVER)
SERVER_LAST_PROGRESS = _server(
    "llm_server_last_progress_timestamp_seconds", "gauge",
    "When a live token counter of the engine was last seen to move, or first seen at all.",
    keys=_SERVER,
)
SERVER_REQUESTS = _server("llm_server_requests_total", "counter",
                          "Requests that ended, by how and why.", OUTCOME, REASON)
SERVER_HTTP = _server("llm_server_http_responses_total", "counter",
                      "HTTP responses of inference endpoints.", CODE_CLASS, keys=_SERVER)
SERVER_TTFT = _server("llm_server_time_to_first_token_seconds", "histogram",
                      "From arrival to the first output token.",
                      otel="gen_ai.server.time_to_first_token")
SERVER_TPOT = _server("llm_server_time_per_output_token_seconds", "histogram",
                      "Decode time per output token after the first, one value per request.",
                      otel="gen_ai.server.time_per_output_token")
SERVER_ITL = _server("llm_server_inter_token_latency_seconds", "histogram",
                     "Time between outputs of a request, one value per token or step.")
SERVER_DURATION = _server("llm_server_request_duration_seconds", "histogram",
                          "From arrival to the last token.",
                          otel="gen_ai.server.request.duration")
SERVER_QUEUE = _server("llm_server_request_queue_seconds", "histogram",
                       "From arrival to being scheduled.")
SERVER_PREFILL = _server("llm_server_request_prefill_seconds", "histogram",
                         "From being scheduled to the first token.")
SERVER_DECODE = _server("llm_server_request_decode_seconds", "histogram",
                        "From the first token to the last.")
SERVER_INPUT = _server("llm_server_input_tokens_total", "counter",
                       "Prompt tokens, cached ones included.")
SERVER_INPUT_CACHED = _server("llm_server_input_tokens_cached_total", "counter",
                              "Prompt tokens that came from a cache.")
SERVER_OUTPUT = _server("llm_server_output_tokens_total", "counter", "Tokens generated.")
SERVER_RUNNING = _server("llm_server_requests_running", "gauge", "Requests being worked on.")
SERVER_WAITING = _server("llm_server_requests_waiting", "gauge", "Requests waiting their turn.")
SERVER_KV_USAGE = _server("llm_server_kv_cache_usage_ratio", "gauge",
                          "Share of the KV cache in use.")
SERVER_KV_CAPACITY = _server("llm_server_kv_cache_capacity_tokens", "gauge",
                             "Tokens that fit into the KV cache.")
SERVER_PREFIX_QUERIES = _server("llm_server_prefix_cache_query_tokens_total", "counter",
                                "Tokens looked up in the prefix cache.")
SERVER_PREFIX_HITS = _server("llm_server_prefix_cache_hit_tokens_total", "counter",
                             "Tokens found in the prefix cache.")
SERVER_PREEMPTIONS = _server("llm_server_preemptions_total", "counter",
                             "Requests put back into the queue for want of KV cache.")
SERVER_DRAFT = _server("llm_server_spec_decode_draft_tokens_total", "counter",
                       "Tokens proposed by speculative decoding.")
SERVER_ACCEPTED = _server("llm_server_spec_decode_accepted_tokens_total", "counter",
                          "Proposed tokens that were accepted.")
SERVER_MAX_LENGTH = _server("llm_server_max_model_length_tokens", "gauge",
                            "Longest sequence the engine takes, prompt and output.")

# What an engine's table says in signals, in the order they are shown.
SIGNAL_METRICS = (
    SERVER_HTTP, SERVER_TTFT, SERVER_TPOT, SERVER_ITL, SERVER_DURATION, SERVER_QUEUE,
    SERVER_PREFILL, SERVER_DECODE, SERVER_INPUT, SERVER_INPUT_CACHED, SERVER_OUTPUT,
    SERVER_RUNNING, SERVER_WAITING, SERVER_KV_USAGE, SERVER_KV_CAPACITY, SERVER_PREFIX_QUERIES,
    SERVER_PREFIX_HITS, SERVER_PREEMPTIONS, SERVER_DRAFT, SERVER_ACCEPTED, SERVER_MAX_LENGTH,
    SERVER_START, SERVER_LAST_PROGRESS,
)
SIGNALS = (
    *(f"requests_{outcome}" for outcome in OUTCOMES),
    *(metric.signal for metric in SIGNAL_METRICS),
)
SERVER_SIGNAL = Metric(
    "llm_server_signal_info", "gauge",
    "Where each signal of the engine comes from, if it comes at all; always 1.",
    (*_SERVER, Label("signal", "What is measured.", values=SIGNALS), SOURCE), 200,
)

COST = Metric(
    "llm_cost_usd_total", "counter",
    "Money spent as this exporter accrues it; GPU money carries the GPU's uuid.",
    (CATEGORY, MODEL, Label("uuid", "The GPU the money went to.", budget=GPUS, optional=True)),
    1000, otel="",
)
COST_IDLE = _gpu("llm_cost_gpu_idle_usd_total", "counter",
                 "The part of the GPU's cost during which no kernel ran.")
GPU_PRICE = _gpu("inferometer_gpu_price_usd_per_hour", "gauge",
                 "The configured price of the GPU.")
BUDGET = Metric("inferometer_budget_usd", "gauge", "Configured budget.", (PERIOD, MODEL), 200)


def _limit(unit: str, values: tuple[str, ...]) -> Metric:
    label = Label("limit", "What is limited.", values=values)
    return Metric(f"inferometer_limit_{unit}", "gauge",
                  "Configured override of an alert's limit; no model: for the whole fleet.",
                  (label, MODEL), 200)


LIMIT_SECONDS = _limit("seconds", LIMITS_SECONDS)
LIMIT_RATIO = _limit("ratio", LIMITS_RATIO)
LIMIT_USD = _limit("usd", LIMITS_USD)

BUILD_INFO = Metric("inferometer_build_info", "gauge", "This exporter's version; always 1.",
                    (VERSION,), 1)
COLLECTOR_SUCCESS = Metric("inferometer_collector_success", "gauge",
                           "1 if the collector answered in full and in time, else 0.", (COLLECTOR,))
COLLECTOR_DURATION = Metric("inferometer_collector_duration_seconds", "gauge",
                            "How long the collector took in this scrape.", (COLLECTOR,))
UNKNOWN_FAMILIES = Metric("inferometer_unknown_families", "gauge",
                          "Families of the engine's own prefix that its table does not know.",
                          (TARGET, ENGINE), TARGETS)
CONFIG_RELOADS = Metric("inferometer_config_reloads_total", "counter",
                        "Reloads of the configuration, by result.", (RESULT,))
CONFIG_RELOAD_OK = Metric("inferometer_config_last_reload_successful", "gauge",
                          "1 if the configuration in force is the one in the file.")
CONFIG_RELOAD_TIME = Metric("inferometer_config_last_reload_success_timestamp_seconds", "gauge",
                            "When the configuration in force was loaded.")

GPU_METRICS = (
    GPU_INFO, GPU_MIG_INFO, GPU_POD_INFO, GPU_UP, GPU_LAST_SAMPLE, GPU_UTILIZATION,
    GPU_MEMORY_UTILIZATION, GPU_ENCODER_UTILIZATION, GPU_DECODER_UTILIZATION, GPU_BUSY,
    GPU_OBSERVED, GPU_MEMORY_USED, GPU_MEMORY_TOTAL, GPU_PROCESS_MEMORY, GPU_PROCESSES, GPU_POWER,
    GPU_POWER_LIMIT, GPU_ENERGY, GPU_TEMPERATURE, GPU_MEMORY_TEMPERATURE, GPU_SLOWDOWN, GPU_CLOCK,
    GPU_THROTTLED, GPU_ECC, GPU_REMAPPED, GPU_REMAP_PENDING, GPU_REMAP_FAILED, GPU_XID,
    GPU_XID_LAST, GPU_PCIE, GPU_NVLINK,
)
ENGINE_METRICS = (
    SERVER_UP, SERVER_INFO, SERVER_LAST_SCRAPE, SERVER_REQUESTS, *SIGNAL_METRICS, SERVER_SIGNAL,
    UNKNOWN_FAMILIES,
)
COST_METRICS = (COST, COST_IDLE, GPU_PRICE, BUDGET, LIMIT_SECONDS, LIMIT_RATIO, LIMIT_USD)

# Every label that can be folded, with its family: each is counted from 0 on.
FOLDING = tuple(
    (metric.name, label.name)
    for metric in (*GPU_METRICS, *ENGINE_METRICS, *COST_METRICS)
    for label in metric.labels
    if label.folds
)
LABELS_FOLDED = Metric(
    "inferometer_label_values_folded_total", "counter",
    "Label values replaced by `_other`, or whose gauge was left out, over the family's cap.",
    (Label("metric", "The family.", budget=200), Label("label", "Its label.", budget=50)), 1000,
)
SELF_METRICS = (
    BUILD_INFO, COLLECTOR_SUCCESS, COLLECTOR_DURATION, LABELS_FOLDED, CONFIG_RELOADS,
    CONFIG_RELOAD_OK, CONFIG_RELOAD_TIME,
)
METRICS = (*GPU_METRICS, *ENGINE_METRICS, *COST_METRICS, *SELF_METRICS)
