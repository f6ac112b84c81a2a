"""NVIDIA Dynamo's worker, where the engine in it shows no families of its own on the page.

From lib/runtime/src/metrics/prometheus_names.rs and the page of 1.6.1. Its requests are counted as
they come, and its cancelled ones as errors as well: how they ended is unknown. Those in flight
include those that wait.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine

ENGINE = Engine(
    name="dynamo_worker",
    title="Dynamo worker",
    evidence="run",
    spelling=Spelling(
        "dynamo_", r"dynamo_(?!frontend_)", models=("model", "model_name"), rank="dp_rank"),
    signals={
        # A component has other endpoints, which do no inference.
        c.SERVER_DURATION: (
            Selector("dynamo_component_request_duration_seconds",
                     where={"dynamo_endpoint": ("generate",)}),
        ),
        c.SERVER_KV_USAGE: (
            Selector("dynamo_component_gpu_cache_usage_percent", combine=max),
            Selector("dynamo_component_kvstats_gpu_cache_usage_percent", combine=max),
        ),
    },
    unused={
        "not needed": (
            "component_*", "work_handler_*", "engine_*", "rejection_*", "request_*", "router_*",
            "routing_*", "tokio_*", "transport_*", "kvindexer_*", "preprocessor_*",
        ),
    },
)
