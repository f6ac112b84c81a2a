"""Ollama, by what stands before it and by what is proposed for itself: no release has a page.

From ollama/ollama's pull requests 11159 and 16998, ollama_exporter.py of rbx/ollama-exporter and
midu16/ollama-exporter, and main.go of NorskHelsenett's ollama-metrics (clcollins/ollama-metrics).
Requests that ended well are those whose last chunk told how long they took: some of these pages
have no other.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, RequestCounter

INFERENCE = (
    "generate", "chat", "embed", "embeddings",
    "v1/chat/completions", "v1/completions", "v1/embeddings", "v1/responses", "v1/messages",
)
OUTPUT = tuple(Selector(f"ollama_{name}_total") for name in (
    "eval", "tokens_generated", "generated_tokens"))

ENGINE = Engine(
    name="ollama",
    title="Ollama",
    evidence="documented",
    spelling=Spelling("ollama_", r"ollama_", models=("model",)),
    signals={
        c.SERVER_TTFT: (Selector("ollama_time_to_first_token_seconds"),),
        c.SERVER_TPOT: (Selector("ollama_time_per_token_seconds"),),
        c.SERVER_DURATION: (
            Selector("ollama_response_seconds"),
            Selector("ollama_request_duration_seconds", where={"endpoint": INFERENCE}),
            Selector("ollama_request_duration_seconds", where={"api_endpoint": INFERENCE}),
        ),
        # Histograms of the exporters; the pull requests have counters under these names.
        c.SERVER_PREFILL: (Selector("ollama_prompt_eval_duration_seconds"),),
        c.SERVER_DECODE: (Selector("ollama_eval_duration_seconds"),),
        c.SERVER_INPUT: tuple(Selector(f"ollama_{name}_total") for name in (
            "prompt_eval", "tokens_processed", "prompt_tokens")),
        c.SERVER_OUTPUT: OUTPUT,
        c.SERVER_WAITING: (Selector("ollama_requests_queued"),),
        c.SERVER_START: (Selector("process_start_time_seconds"),),
    },
    requests=(
        RequestCounter(Selector("ollama_response_seconds", part="_count", derived=True),
                       otherwise=("success", "finished")),
        RequestCounter(Selector("ollama_requests_failed_total"),
                       otherwise=("error", "engine_error"), late=True,
                       since=("ollama_active_requests",)),
    ),
    progress=OUTPUT,
    unused={
        "durations added up": (
            "total_duration_total", "load_duration_total", "prompt_eval_duration_total",
            "eval_duration_total", "total_duration_seconds", "total_duration_seconds_total",
            "load_duration_seconds_total", "prompt_eval_duration_seconds_total",
            "eval_duration_seconds_total",
        ),
        "loading of models": (
            "load_duration_seconds", "models_loaded", "loaded_models", "model_loaded",
            "model_ram_mb", "models_count", "models_size_bytes", "peak_memory_bytes",
        ),
        "started, not ended": ("requests_total",),
        "those that wait are in it": ("active_requests",),
        "never set": ("request_queue_length",),
        "a limit": ("queue_capacity",),
        "all that is asked over HTTP": ("request_latency_seconds",),
        "tokens in a second": ("tokens_per_second",),
        "the machine's": (
            "system_cpu_percent", "system_memory_percent", "system_memory_available_bytes",
        ),
        "debugging": ("build_info",),
    },
)
