"""Hugging Face Text Generation Inference, v2 and v3.

From TGI's router/src/server.rs, router/src/infer/mod.rs and backends/{v2,v3}/src (3.3.7). Its
counters have no `_total`; there is no time to first token, and its mean time per token includes
the prefill, so neither TTFT nor TPOT is said.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Quotient, Series
from inferometer.engines.table import Engine, Fact, Request

ENGINE = Engine(
    name="tgi",
    title="TGI",
    evidence="captured",
    prefix="tgi_",
    spelling=re.compile(r"tgi_"),
    signals={
        c.SERVER_DURATION: (Series("tgi_request_duration"),),
        c.SERVER_QUEUE: (Series("tgi_request_queue_duration"),),
        c.SERVER_INPUT: (Series("tgi_request_input_length", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Series("tgi_request_generated_tokens", part="_sum", derived=True),),
        c.SERVER_RUNNING: (Series("tgi_batch_current_size"),),
        c.SERVER_WAITING: (Series("tgi_queue_size"),),
        # Tokens reserved for the running batch: what TGI itself admits requests by.
        c.SERVER_KV_USAGE: (
            Quotient(Series("tgi_batch_current_max_tokens"), Series("tgi_batch_max_total_tokens")),
        ),
        c.SERVER_KV_CAPACITY: (Series("tgi_batch_max_total_tokens"),),
        c.SERVER_ACCEPTED: (Series("tgi_request_skipped_tokens", part="_sum", derived=True),),
        c.SERVER_START: (Series("process_start_time_seconds"),),
    },
    # tgi_request_count is not taken: chat and completion requests are in it twice.
    requests=(
        Request(Series("tgi_request_success"), otherwise=("success", "finished"), late=True),
        Request(
            Series("tgi_request_failure"),
            label="err",
            meaning={
                "overloaded": ("rejected", "overloaded"),
                "validation": ("invalid", "validation"),
                "template": ("invalid", "template"),
                "incomplete": ("error", "incomplete"),
                "generation": ("error", "generation"),
                "dropped": ("abort", "dropped"),
            },
            otherwise=("error", "engine_error"),
            late=True,
        ),
    ),
    facts=(
        Fact("/info", {"model": ("model_id",), "version": ("version",),
                       "max_model_length": ("max_total_tokens",)}),
    ),
    unused=(
        r"request_(?:count|validation_duration|inference_duration|max_new_tokens"
        r"|mean_time_per_token_duration)"
        r"|batch_(?:next_size|concat|concat_duration|total_tokens)"
        r"|batch_inference_(?:count|success|failure)"
        r"|batch_(?:forward|decode|filter|inference)_duration"
    ),
    unseen=frozenset({"kv_cache_usage", "kv_cache_capacity_tokens", "start_time"}),
)
