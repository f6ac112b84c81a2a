"""llama.cpp's server, started with --metrics.

From llama.cpp's tools/server (README.md and the page of 0.6). No labels, no histograms, no count
of requests. Its prompt_tokens_total leaves out what came from the cache.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument

ENGINE = Engine(
    name="llama_cpp",
    title="llama.cpp",
    evidence="run",
    spelling=Spelling("llamacpp:", r"llamacpp[:_]"),
    signals={
        c.SERVER_INPUT: (
            Total((Selector("llamacpp:prompt_tokens_total"),
                   Selector("llamacpp:prompt_tokens_cached_total"))),
            Selector("llamacpp:prompt_tokens_total"),
        ),
        c.SERVER_INPUT_CACHED: (Selector("llamacpp:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Selector("llamacpp:tokens_predicted_total"),),
        c.SERVER_RUNNING: (Selector("llamacpp:requests_processing"),),
        c.SERVER_WAITING: (Selector("llamacpp:requests_deferred"),),
        c.SERVER_KV_USAGE: (Selector("llamacpp:kv_cache_usage_ratio", most=1.0),),
        c.SERVER_DRAFT: (Selector("llamacpp:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("llamacpp:spec_decode_num_accepted_tokens_total"),),
    },
    # Tokens are counted when a request ends; decode calls while it runs.
    progress=(Selector("llamacpp:n_decode_total"),),
    documents=(
        InfoDocument("/props", {"version": ("build_info",),
                                "max_model_length": ("default_generation_settings", "n_ctx")}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id")}),
    ),
    # The two averages in tokens/s are reset by whoever reads the page: never taken.
    unused=(
        "prompt_seconds_total", "tokens_predicted_seconds_total",
        "prompt_tokens_seconds", "predicted_tokens_seconds",
        "n_tokens_max", "n_busy_slots_per_decode", "kv_cache_tokens",
        "spec_decode_num_drafts_total", "spec_decode_num_accepted_tokens_per_pos_total",
    ),
    unseen=frozenset({"kv_cache_usage"}),  # removed in 2025
)
