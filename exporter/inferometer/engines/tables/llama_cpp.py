"""llama.cpp's server, started with --metrics.

From llama.cpp's tools/server (README.md and the page of 0.6). No labels, no histograms, no count
of requests. Its prompt_tokens_total leaves out what came from the cache.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Series, Total
from inferometer.engines.table import Engine, Fact

ENGINE = Engine(
    name="llama_cpp",
    title="llama.cpp",
    evidence="run",
    prefix="llamacpp:",
    spelling=re.compile(r"llamacpp[:_]"),
    signals={
        c.SERVER_INPUT: (
            Total((Series("llamacpp:prompt_tokens_total"),
                   Series("llamacpp:prompt_tokens_cached_total"))),
            Series("llamacpp:prompt_tokens_total"),
        ),
        c.SERVER_INPUT_CACHED: (Series("llamacpp:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Series("llamacpp:tokens_predicted_total"),),
        c.SERVER_RUNNING: (Series("llamacpp:requests_processing"),),
        c.SERVER_WAITING: (Series("llamacpp:requests_deferred"),),
        c.SERVER_KV_USAGE: (Series("llamacpp:kv_cache_usage_ratio", most=1.0),),
        c.SERVER_DRAFT: (Series("llamacpp:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Series("llamacpp:spec_decode_num_accepted_tokens_total"),),
    },
    # Tokens are counted when a request ends; decode calls while it runs.
    progress=(Series("llamacpp:n_decode_total"),),
    facts=(
        Fact("/props", {"version": ("build_info",),
                        "max_model_length": ("default_generation_settings", "n_ctx")}),
        Fact("/v1/models", {"model": ("data", 0, "id")}),
    ),
    # The two averages in tokens/s are reset by whoever reads the page: never taken.
    unused=(
        r"prompt_seconds_total|tokens_predicted_seconds_total|n_tokens_max"
        r"|prompt_tokens_seconds|predicted_tokens_seconds|n_busy_slots_per_decode"
        r"|spec_decode_num_drafts_total|spec_decode_num_accepted_tokens_per_pos_total"
        r"|kv_cache_tokens"
    ),
    unseen=frozenset({"kv_cache_usage"}),  # removed in 2025
)
