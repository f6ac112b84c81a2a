"""What to do about a page that could not be had: for the log and `explain`."""

from __future__ import annotations

import re

# By the beginning of the reason; the first that fits.
_ADVICE = (
    (r"HTTP status 400.*\bmodel\b",
     "llama.cpp's server with several models wants one named: /metrics?model=NAME&autoload=false; "
     "without autoload=false each scrape loads it"),
    (r"HTTP status 40[13]", "does the target lack a token? See bearer_token_file"),
    (r"HTTP status 404",
     "is the path right, and are metrics on? SGLang: --enable-metrics; llama.cpp: --metrics; "
     "LMDeploy: --enable-metrics; NIM: /v1/metrics; trtllm-serve: /prometheus/metrics"),
    (r"an empty JSON list|JSON instead",
     "trtllm-serve has its metrics on /prometheus/metrics, with return_perf_metrics: true"),
    (r"HTML", "a web page or a proxy's sign-in is here, no engine"),
    (r"the page needs more memory",
     "a page of so many models or ranks takes an exporter of its own: what pages share is fixed"),
    (r"redirected to", "give the target the URL that answers itself"),
)


def advice(reason: str) -> str:
    """What may help where a page could not be had for this reason; empty if nothing is known."""
    return next((text for pattern, text in _ADVICE if re.match(pattern, reason)), "")
