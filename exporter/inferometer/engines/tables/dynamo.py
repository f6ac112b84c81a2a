"""NVIDIA Dynamo's frontend, which stands in front of its workers.

From lib/llm/src/http/service/metrics.rs and the page of 1.6.1. Bodies that are no request at all
are in no count. Until 1.0 errors had no type and requests the model's name in lower case.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Difference, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, RequestCounter

REQUESTS = "dynamo_frontend_requests_total"

ENGINE = Engine(
    name="dynamo",
    title="Dynamo frontend",
    evidence="run",
    spelling=Spelling(
        "dynamo_frontend_", r"dynamo_frontend_", models=("model",),
        nameless=frozenset({"unknown_model"}),  # any that is not served
    ),
    signals={
        c.SERVER_TTFT: (Selector("dynamo_frontend_time_to_first_token_seconds"),),
        c.SERVER_ITL: (Selector("dynamo_frontend_inter_token_latency_seconds"),),
        # Failed ones too.
        c.SERVER_DURATION: (Selector("dynamo_frontend_request_duration_seconds"),),
        c.SERVER_INPUT: (
            Selector("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_INPUT_CACHED: (
            Selector("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        c.SERVER_OUTPUT: (Selector("dynamo_frontend_output_tokens_total"),),
        # A queued request has no token yet, but may be in prefill: those that wait are unknown.
        # Requests in flight less the queued ones are being decoded.
        c.SERVER_RUNNING: (
            Difference(Selector("dynamo_frontend_inflight_requests"),
                       Selector("dynamo_frontend_queued_requests")),
        ),
        c.SERVER_PREFIX_QUERIES: (
            Selector("dynamo_frontend_input_sequence_tokens", part="_sum", derived=True),
        ),
        c.SERVER_PREFIX_HITS: (
            Selector("dynamo_frontend_cached_tokens", part="_sum", derived=True),
        ),
        # The KV cache of a model is that of its first worker alone: not taken.
        c.SERVER_MAX_LENGTH: (Selector("dynamo_frontend_model_context_length", combine=max),),
    },
    requests=(
        RequestCounter(Selector(REQUESTS, where={"status": ("success",)}),
                       otherwise=("success", "finished")),
        RequestCounter(
            Selector(REQUESTS, where={"status": ("error",)}),
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
    progress=(Selector("dynamo_frontend_output_tokens_total"),),
    unused=(
        "active_requests", "requests_started_total", "failures_total", "disconnected_clients",
        "output_sequence_tokens", "cached_sequence_length", "embedding_latency_seconds",
        "images_per_request", "videos_per_request", "audio_per_request",
        "image_tokens_per_request", "tokenizer_*", "tokenize_*", "detokenize_*",
        "template_seconds", "event_loop_*", "stage_*", "worker_*", "router_*", "admission_*",
        "model_*", "lora_*", "kv_*", "shared_cache_*", "fastokens_*",
    ),
)
