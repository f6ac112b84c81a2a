"""SGLang's router, now the Shepherd Model Gateway, which stands in front of its workers.

From sgl-model-gateway's metrics.rs; sglang-router 0.3.2 and smg 1.13.0 were run. The durations of
what is streamed end with the head of the response: none is taken. Until responses had a path
(0.3), those to health checks cannot be told apart.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, Http, RequestCounter

RESPONSES = "smg_http_responses_total"
INFERENCE = (
    "/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages",
    "/v1/embeddings", "/v1/classify", "/v1/rerank", "/rerank", "/v1/score",
    "/v1/audio/transcriptions",
)
OWN = {"backend_type": ("regular",)}  # split over workers, the clock starts at the second
INVALID = ("400", "401", "403", "404", "405", "408", "409", "413", "415", "422")
MEANING = {
    "200": ("success", "finished"),
    "429": ("rejected", "http_429"),
    "499": ("abort", "cancelled"),
    **dict.fromkeys(INVALID, ("invalid", "http_4xx")),
    **dict.fromkeys(("500", "501", "502", "504"), ("error", "http_5xx")),
}

ENGINE = Engine(
    name="sglang_router",
    title="SGLang router",
    evidence="run",
    spelling=Spelling(
        "smg_", r"smg_", models=("model",), nameless=frozenset({"unknown", "other"})),
    signals={
        # Both with gRPC workers alone, and of what is streamed.
        c.SERVER_TTFT: (Selector("smg_router_ttft_seconds", where=OWN),),
        c.SERVER_TPOT: (Selector("smg_router_tpot_seconds", where=OWN),),
        # At the router. What it has sent on waits for its worker or is worked on by it.
        c.SERVER_WAITING: (Selector("smg_admission_queue_depth"),),
    },
    requests=(
        RequestCounter(
            Selector(RESPONSES, where={"path": INFERENCE, "status_code": tuple(MEANING)}),
            label="status_code",
            meaning=MEANING,
            otherwise=("error", "http_5xx"),
        ),
        RequestCounter(
            Selector(RESPONSES, where={"path": INFERENCE, "status_code": ("503",)}),
            label="error_code",
            meaning=dict.fromkeys(
                (f"{where}_queue_timeout" for where in ("admission", "selection", "scheduler")),
                ("rejected", "queue_timeout")),
            otherwise=("error", "unavailable"),
        ),
    ),
    http=Http(RESPONSES, code="status_code", handler="path", endings=()),
    unused=(
        "http_*", "router_*", "worker_*", "workers_overloaded", "engine_*", "discovery_*",
        "admission_*", "policy_*", "manual_*", "consistent_hashing_*", "prefix_hash_*", "bucket_*",
        "pd_*", "routing_key_*", "scheduler_*", "cache_*", "tokenizer_*", "detokenize_*",
        "tokio_*", "responses_*", "history_*", "db_*", "mcp_*", "mesh_*", "mm_*", "rl_*",
        "wasm_*", "log_*", "allocator_*",
    ),
    unseen=frozenset({"time_to_first_token", "time_per_output_token"}),
)
