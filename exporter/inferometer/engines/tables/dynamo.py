"""NVIDIA Dynamo's frontend, which stands in front of its workers.

From lib/llm/src/http/service/metrics.rs and the page of 1.6.1. Bodies that are no request at all
are in no count. Until 1.0 errors had no type and requests the model's name in lower case.
"""

import re

from inferometer import catalogue as c
from inferometer.engines.sources import Difference, Series
from inferometer.engines.table import Engine, Request

REQUESTS = "dynamo_frontend_requests_total"

ENGINE = Engine(
    name="dynamo",
    title="Dynamo frontend",
    evidence="run",
    prefix="dynamo_frontend_",
    spelling=re.compile(r"dynamo_frontend_"),
    models=("model",),
    nameless=frozenset({"unknown_model"}),  # any that is not served
    signals={
        c.SERVER_TTFT: (Series("dynamo_frontend_time_to_first_token_seconds"),),
        c.SERVER_ITL: (Series("dynamo_frontend_inter_token_latency_seconds"),),
        c.SERVER_DURATION: (Series("dynamo_frontend_request_duration_seconds"),),  # failed ones too
        c.SERVER_INPUT: (
            Series("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_INPUT_CACHED: (
            Series("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        c.SERVER_OUTPUT: (Series("dynamo_frontend_output_tokens_total"),),
        # What is queued has no token yet: it may be in prefill, so nothing tells what waits. Less
        # those, what is in flight is being decoded.
        c.SERVER_RUNNING: (
            Difference(Series("dynamo_frontend_inflight_requests"),
                       Series("dynamo_frontend_queued_requests")),
        ),
        c.SERVER_PREFIX_QUERIES: (
            Series("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_PREFIX_HITS: (
            Series("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        # The KV cache of a model is that of its first worker alone: not taken.
        c.SERVER_MAX_LENGTH: (Series("dynamo_frontend_model_context_length", combine=max),),
    },
    requests=(
        Request(Series(REQUESTS, where={"status": ("success",)}),
                otherwise=("success", "finished")),
        Request(
            Series(REQUESTS, where={"status": ("error",)}),
            label="error_type",
            meaning={
                "validation": ("invalid", "validation"),
                "not_found": ("invalid", "not_found"),
                "overload": ("rejected", "overloaded"),  # 429 and 529
                "unavailable": ("error", "unavailable"),  # no worker can serve it
                "response_timeout": ("error", "timeout"),
                "internal": ("error", "engine_error"),
                "not_implemented": ("error", "http_5xx"),
                "cancelled": ("abort", "cancelled"),
            },
            otherwise=("error", "engine_error"),
            late=True,
            labelled=True,
        ),
    ),
    progress=(Series("dynamo_frontend_output_tokens_total"),),
    unused=(
        r"(?:active_requests|requests_started_total|failures_total|disconnected_clients)"
        r"|output_sequence_tokens|cached_sequence_length|embedding_latency_seconds|model_.*"
        r"|tokenizer_.*|(?:de)?tokenize_.*|template_seconds|event_loop_.*|stage_.*|worker_.*"
        r"|(?:images|videos|audio|image_tokens)_per_request|router_.*|lora_.*|admission_.*"
        r"|kv_.*|shared_cache_.*|fastokens_.*"
    ),
)
