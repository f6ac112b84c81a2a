"""Hugging Face Text Embeddings Inference.

From core/src/{infer,queue,tokenization}.rs and router/src/{http/server,grpc/server,lib}.rs. Its
counters have no `_total`. Newer versions count single requests twice as they come and not when they
succeed: requests that ended well are those that have a duration, whatever the version. A request
of several inputs may fail once for each.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling
from inferometer.engines.table import Engine, InfoDocument, Marks, RequestCounter

ENGINE = Engine(
    name="tei",
    title="TEI",
    evidence="documented",
    spelling=Spelling("te_", r"te_"),
    marks=Marks(any_of=(
        "te_queue_size", "te_request_count", "te_request_duration", "te_request_failure",
        "te_batch_next_size", "te_embed_count", "te_predict_count",
    )),
    signals={
        c.SERVER_DURATION: (Selector("te_request_duration"),),
        c.SERVER_QUEUE: (Selector("te_request_queue_duration"),),
        c.SERVER_INPUT: (Selector("te_request_input_length", part="_sum", derived=True),),
        c.SERVER_INPUT_LENGTH: (Selector("te_request_input_length"),),
        c.SERVER_WAITING: (Selector("te_queue_size"),),
    },
    requests=(
        RequestCounter(Selector("te_request_duration", part="_count", derived=True),
                       otherwise=("success", "finished"), late=True),
        RequestCounter(
            Selector("te_request_failure"),
            label="err",
            meaning={
                "overloaded": ("rejected", "overloaded"),
                "validation": ("invalid", "validation"),
                "batch_size": ("invalid", "validation"),
                "tokenization": ("invalid", "validation"),
                "model_type": ("invalid", "validation"),  # embeddings of a classifier
                "inference": ("error", "engine_error"),
                "dropped": ("abort", "dropped"),
            },
            otherwise=("error", "engine_error"),
            late=True,
        ),
    ),
    progress=(Selector("te_request_input_length", part="_sum"),),
    documents=(
        InfoDocument("/info", {"model": ("model_id",), "version": ("version",),
                               "max_model_length": ("max_input_length",)}),
    ),
    unused={
        "twice in newer versions": ("request_count",),
        "not of single requests in newer versions": ("request_success",),
        "parts of the duration": (
            "request_tokenization_duration", "request_inference_duration",
        ),
        "inputs, not requests": tuple(
            f"{task}_{family}" for task in ("embed", "predict") for family in (
                "count", "success", "duration", "tokenization_duration", "queue_duration",
                "inference_duration")),
        "batches": ("batch_next_size", "batch_next_tokens"),
    },
)
