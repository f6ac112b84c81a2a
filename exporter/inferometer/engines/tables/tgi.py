"""Hugging Face Text Generation Inference, v2 and v3.

From TGI's router/src/server.rs, router/src/infer/mod.rs and backends/{v2,v3}/src (3.3.7). Its
counters have no `_total`; there is no time to first token, and its mean time per token includes
the prefill, so TGI has neither TTFT nor TPOT. A completion of several prompts is counted once for
each of them, and the page does not tell.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Quotient, Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument, RequestCounter

ENGINE = Engine(
    name="tgi",
    title="TGI",
    evidence="captured",
    spelling=Spelling("tgi_", r"tgi_"),
    signals={
        c.SERVER_DURATION: (Selector("tgi_request_duration"),),
        c.SERVER_QUEUE: (Selector("tgi_request_queue_duration"),),
        c.SERVER_INPUT_LENGTH: (Selector("tgi_request_input_length"),),
        c.SERVER_OUTPUT_LENGTH: (Selector("tgi_request_generated_tokens"),),
        c.SERVER_INPUT: (Selector("tgi_request_input_length", part="_sum", derived=True),),
        c.SERVER_OUTPUT: (Selector("tgi_request_generated_tokens", part="_sum", derived=True),),
        c.SERVER_RUNNING: (Selector("tgi_batch_current_size"),),
        # The one queue there is: beyond its limit of requests under way TGI refuses.
        c.SERVER_WAITING: (Selector("tgi_queue_size"),),
        # Tokens reserved for the running batch: what TGI itself admits requests by.
        c.SERVER_KV_USAGE: (
            Quotient(Selector("tgi_batch_current_max_tokens"),
                     Selector("tgi_batch_max_total_tokens")),
        ),
        c.SERVER_KV_CAPACITY: (Selector("tgi_batch_max_total_tokens"),),
        c.SERVER_ACCEPTED: (Selector("tgi_request_skipped_tokens", part="_sum", derived=True),),
    },
    # tgi_request_count is not taken: chat and completion requests are in it twice.
    requests=(
        RequestCounter(Selector("tgi_request_success"), otherwise=("success", "finished"),
                       late=True),
        RequestCounter(
            Selector("tgi_request_failure"),
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
    documents=(
        InfoDocument("/info", {"model": ("model_id",), "version": ("version",),
                               "max_model_length": ("max_total_tokens",)}),
    ),
    unused={
        "some requests are in it twice": ("request_count",),
        "prefill and decode as one": ("request_inference_duration",),
        "with the prefill in it": ("request_mean_time_per_token_duration",),
        "before a request waits": ("request_validation_duration",),
        "what a request asked for": ("request_max_new_tokens",),
        "of batches, not of requests": (
            "batch_next_size", "batch_concat", "batch_concat_duration", "batch_total_tokens",
            "batch_inference_count", "batch_inference_success", "batch_inference_failure",
            "batch_forward_duration", "batch_decode_duration", "batch_filter_duration",
            "batch_inference_duration",
        ),
    },
    unseen=frozenset({"kv_cache_usage", "kv_cache_capacity_tokens"}),
)
