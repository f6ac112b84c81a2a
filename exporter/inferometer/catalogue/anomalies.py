"""What a request of an application costs and takes, held against the weeks before."""

from __future__ import annotations

from inferometer.catalogue.client import SERVICE_NAME
from inferometer.catalogue.model import Label, Metric

ANOMALY_SEATS = 100  # services, the busiest ones
JUDGED_HOURS, LEAST_UNEXPECTED = 3, 2  # of the last complete hours, how many are an anomaly
BAND = Label("band", "The edges of what is expected, and the median of the hours that it is "
             "expected by.", values=("lower", "median", "upper"))
USAGE_MEASURE = Label("measure", "What is held against its band.", values=("cost", "tokens"))
_OF = ("of the last complete hour, of answered calls that are no embeddings; of all gateways of a "
       "ledger. Absent below 30 of them.")
_EXPECTED = ("by the same hour (UTC) of the last four weeks. Absent where fewer than two of these "
             "had 30 calls.")


def _of_services(name: str, text: str, *labels: Label) -> Metric:
    return Metric(f"llm_client_{name}", "gauge", text, (SERVICE_NAME, *labels), ANOMALY_SEATS,
                  replaced=True)


REQUEST_COST = _of_services(
    "request_cost_usd", f"What a call to a model cost on average, {_OF}")
REQUEST_COST_EXPECTED = _of_services(
    "request_expected_cost_usd", f"What a call was expected to cost in that hour, {_EXPECTED}",
    BAND)
REQUEST_TOKENS = _of_services(
    "request_tokens", f"Tokens in and out of a call to a model on average, {_OF}")
REQUEST_TOKENS_EXPECTED = _of_services(
    "request_expected_tokens", f"Tokens in and out that were expected of a call in that hour, "
    f"{_EXPECTED}", BAND)
REQUEST_OUTLIERS = _of_services(
    "request_outliers", f"How many of the last {JUDGED_HOURS} complete hours were outside of what "
    "is expected, on one side: above it, or below it.", USAGE_MEASURE)

ANOMALY_METRICS = (REQUEST_COST, REQUEST_COST_EXPECTED, REQUEST_TOKENS, REQUEST_TOKENS_EXPECTED,
                   REQUEST_OUTLIERS)
