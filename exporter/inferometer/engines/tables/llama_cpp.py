"""llama.cpp's server, started with --metrics.

From llama.cpp's tools/server (README.md and the page of 0.6). No labels, no histograms, no count
of requests. Its prompt_tokens_total leaves out what came from the cache.
"""

from inferometer import catalogue as c
from inferometer.engines.labelled import by_position
from inferometer.engines.sources import Selector, Total
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument

AT = "llamacpp:spec_decode_num_accepted_tokens_per_pos_total"

ENGINE = Engine(
    name="llama_cpp",
    title="llama.cpp",
    evidence="run",
    # With a label only in router mode, of several models.
    spelling=Spelling("llamacpp:", r"llamacpp(?::|_(?!router[:_]))", models=("model",)),
    signals={
        c.SERVER_INPUT: (
            Total((Selector("llamacpp:prompt_tokens_total"),
                   Selector("llamacpp:prompt_tokens_cached_total"))),
            Selector("llamacpp:prompt_tokens_total"),
        ),
        c.SERVER_INPUT_CACHED: (Selector("llamacpp:prompt_tokens_cached_total"),),
        c.SERVER_OUTPUT: (Selector("llamacpp:tokens_predicted_total"),),
        c.SERVER_RUNNING: (Selector("llamacpp:requests_processing"),),
        # Those without a slot: there is no other queue.
        c.SERVER_WAITING: (Selector("llamacpp:requests_deferred"),),
        # Removed in 2025.
        c.SERVER_KV_USAGE: (Selector("llamacpp:kv_cache_usage_ratio"),),
        c.SERVER_DRAFTS: (Selector("llamacpp:spec_decode_num_drafts_total"),),
        c.SERVER_DRAFT: (Selector("llamacpp:spec_decode_num_draft_tokens_total"),),
        c.SERVER_ACCEPTED: (Selector("llamacpp:spec_decode_num_accepted_tokens_total"),),
        c.SERVER_ACCEPTED_AT: (by_position(AT),),
    },
    # Tokens are counted when a request ends; decode calls while it runs.
    progress=(Selector("llamacpp:n_decode_total"),),
    documents=(
        InfoDocument("/props", {"version": ("build_info",),
                                "max_model_length": ("default_generation_settings", "n_ctx")}),
        InfoDocument("/v1/models", {"model": ("data", 0, "id")}),
    ),
    unused={
        "averages that whoever reads the page resets": (
            "prompt_tokens_seconds", "predicted_tokens_seconds",
        ),
        "totals, of which there is no distribution": (
            "prompt_seconds_total", "tokens_predicted_seconds_total",
        ),
        "an average over its life": ("n_busy_slots_per_decode",),
        "the most there ever was": ("n_tokens_max",),
        "told as a share of the cache": ("kv_cache_tokens",),
    },
    unseen=frozenset({"kv_cache_usage", "spec_decode_accepted_at_tokens"}),
)
