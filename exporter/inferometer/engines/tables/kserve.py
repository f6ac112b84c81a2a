"""KServe's Python model server.

From kserve/metrics.py and model.py; 0.21 was run. Prediction is timed without what comes before
and after it, and OpenAI's routes not at all: there is no duration of requests. Of several workers
each page shows one, at random. With vLLM behind it the page is vLLM's. There is no queue on the
page; a request of any number of inputs or answers is one.
"""

from inferometer import catalogue as c
from inferometer.engines.sources import Selector
from inferometer.engines.spelling import Spelling, exactly
from inferometer.engines.table import Engine, Marks, RequestCounter

STEPS = ("preprocess", "predict", "postprocess", "explain")
NAMES = tuple(f"request_{step}_seconds" for step in STEPS)

ENGINE = Engine(
    name="kserve",
    title="KServe",
    evidence="run",
    spelling=Spelling("", exactly(NAMES), models=("model_name",)),
    marks=Marks(all_of=NAMES[:3]),  # the fourth came later
    signals={c.SERVER_START: (Selector("process_start_time_seconds"),)},
    # What a failed request does not reach; the steps before are timed even if they fail.
    requests=(
        RequestCounter(Selector("request_postprocess_seconds", part="_count", derived=True),
                       otherwise=("success", "finished")),
    ),
    unused={
        "times of one step, which no whole request has": (
            "request_preprocess_seconds", "request_predict_seconds", "request_explain_seconds",
        ),
    },
)
