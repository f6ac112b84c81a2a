"""What a gateway says of its ledger."""

from __future__ import annotations

from inferometer.catalogue.model import FLAG, Label, Metric

REFUSAL = Label("reason", "Why a ledger takes nothing now.",
                values=("write_failed", "disk_full", "max_bytes"))

LEDGER_PENDING = Metric(
    "inferometer_ledger_pending_facts", "gauge",
    "Calls and steps that are kept and not counted yet, as their traces are not quiet.",
    unread="It follows the load.")
LEDGER_LAG = Metric(
    "inferometer_ledger_settle_lag_seconds", "gauge",
    "By how much counting is behind: since when the next trace should have been counted.")
LEDGER_BYTES = Metric(
    "inferometer_ledger_size_bytes", "gauge", "Size of the ledger's file and its log.")
LEDGER_FREE = Metric(
    "inferometer_ledger_free_bytes", "gauge",
    "What is left on the ledger's disk for it to grow.")
LEDGER_COMMIT_LAG = Metric(
    "inferometer_ledger_commit_lag_seconds", "gauge",
    "For how long the oldest body has waited for the disk, or nothing could be written; senders "
    "are told to come again after as long.", unread="Heartbeats tell of what it comes to.")
LEDGER_REFUSING = Metric(
    "inferometer_ledger_refusing", "gauge",
    "1 while nothing is taken for this reason, else 0; senders are put off, and the gateway is not "
    "ready.", (REFUSAL,), stated_range=FLAG,
    unread="InferometerIntakeRefusing tells of it where something is sent; this says why.")
LEDGER_COMMIT = Metric(
    "inferometer_ledger_last_commit_timestamp_seconds", "gauge",
    "When facts were last made durable.", unread="It follows the load.")
LEDGER_SKEWED = Metric(
    "inferometer_ledger_skewed_facts_total", "counter",
    "Calls and steps that had ended more than 10 minutes before they arrived, or ended after it, "
    "by the sender's clock; they are accounted by their arrival all the same.",
    unread="It is asked when an hour's figures surprise.")
LEDGER_REUSED_IDS = Metric(
    "inferometer_ledger_reused_ids_total", "counter",
    "Calls and steps that came under the trace id and span id of another one that is kept, each "
    "time they came: the first is counted, they are not. The same one sent again is not here.",
    unread="The log names one of them every ten minutes.")
LEDGER_FAILED = Metric(
    "inferometer_ledger_failed_traces_total", "counter",
    "Traces that could not be counted, by a fault of ours; their facts are kept.",
    unread="The log has the fault.")
CLICKHOUSE_WAITING = Metric(
    "inferometer_clickhouse_waiting_rows", "gauge",
    "Calls and steps that are counted, and are not in ClickHouse yet. Only where the ledger has "
    "one.", unread="It follows the load; an alert asks whether what waits gets through.")
CLICKHOUSE_FAILURES = Metric(
    "inferometer_clickhouse_failures_total", "counter",
    "Attempts to bring to ClickHouse what waits for it that failed. Only where the ledger has one.")
REQUEST_LOG_LINES = Metric(
    "inferometer_request_log_lines_total", "counter",
    "Lines that were written to the request log. Only where a gateway has one.",
    unread="It follows the load.")
REQUEST_LOG_WAITING = Metric(
    "inferometer_request_log_waiting_calls", "gauge",
    "Calls that are counted, and have no line in the request log yet. Only where there is one.",
    unread="It follows the load; an alert asks whether lines can be written.")
REQUEST_LOG_FAILURES = Metric(
    "inferometer_request_log_failures_total", "counter",
    "Attempts to write what waits for the request log that failed. Only where there is one.")
LEDGER_METRICS = (LEDGER_PENDING, LEDGER_LAG, LEDGER_BYTES, LEDGER_FREE, LEDGER_COMMIT,
                  LEDGER_SKEWED, LEDGER_REUSED_IDS, LEDGER_FAILED, LEDGER_COMMIT_LAG,
                  LEDGER_REFUSING, CLICKHOUSE_WAITING, CLICKHOUSE_FAILURES,
                  REQUEST_LOG_LINES, REQUEST_LOG_WAITING, REQUEST_LOG_FAILURES)
