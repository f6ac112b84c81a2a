"""No alert needs a series that its own failure takes away.

What shows a failure is all that an alert rests on: every other family is taken out of its cases,
from their beginning, and it fires still. A reader of the table asks of each line whether the
failure could take one of these families along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.bundle.alert_cases import Case, prove
from tests.bundle.promtool import VERSIONS, Series
from tests.bundle.test_alerts import ALERTS, cases

PARTS = ("_bucket", "_count", "_sum")  # of a histogram
# A default limit is in force for the models that llm_server_up has, and the clusters that
# inferometer_build_info has; limits and prices are of the fleet's exporter, and remembered.
EVIDENCE: Mapping[str, str] = yaml.safe_load("""
LLMServiceDegraded: llm_server_requests_total inferometer_limit_seconds
    llm_server_request_duration_seconds
LLMRequestsSlow: llm_server_up llm_server_request_duration_seconds inferometer_limit_seconds
LLMFirstTokenSlow: llm_server_up llm_server_time_to_first_token_seconds inferometer_limit_seconds
LLMOutputTokensSlow: llm_server_up llm_server_time_per_output_token_seconds
    inferometer_limit_seconds
LLMQueueTimeLong: llm_server_up llm_server_request_queue_seconds
LLMOutputSpeedLow: llm_server_up llm_server_time_per_output_token_seconds
    inferometer_limit_tokens_per_second
LLMLimitBeyondHistogram: llm_server_up llm_server_request_duration_seconds
LLMRequestsFailing: llm_server_requests_total
LLMErrorBudgetBurning: llm_server_requests_total llm_server_up
    model:llm_server_requests_failed:rate5m model:llm_server_requests_judged:rate5m
LLMRequestsInvalid: llm_server_requests_total
LLMGoodputLow: inferometer_limit_ratio llm_server_requests_total
    llm_server_time_to_first_token_seconds llm_server_time_per_output_token_seconds
    llm_server_request_duration_seconds
LLMQueueGrowing: llm_server_requests_waiting
LLMKvCacheFull: llm_server_up llm_server_kv_cache_usage_ratio
LLMRequestsPreempted: llm_server_preemptions_total
LLMReplicaSlow: llm_server_request_duration_seconds
LLMModelDown: llm_server_up
LLMWorkloadDown: llm_server_up
LLMEngineDown: llm_server_up
LLMEngineHung: llm_server_last_scrape_timestamp_seconds llm_server_requests_running
    llm_server_last_progress_timestamp_seconds
LLMReplicasBelowLimit: inferometer_limit_replicas llm_server_up
LLMModelMissing: inferometer_limit_replicas llm_server_up
LLMEngineRestarting: llm_server_start_time_seconds llm_server_up
LLMServingNothing: llm_server_up model:llm_server_requests:rate5m
LLMSignalLost: llm_server_requests_total llm_server_signal_info
LLMFamiliesUnknown: inferometer_unknown_families
LLMHistogramBoundsMixed: llm_server_time_to_first_token_seconds
LLMClientCallsFailing: llm_client_requests_total
LLMClientCallsSlow: llm_client_requests_total llm_client_request_duration_seconds
    inferometer_limit_seconds
LLMClientFirstTokenSlow: llm_client_requests_total llm_client_time_to_first_token_seconds
    inferometer_limit_seconds
LLMClientUsageMissing: llm_client_requests_total llm_client_usage_missing_total
LLMClientPriceUnknown: llm_client_requests_total llm_client_price_unknown_total
LLMClientCallDear: llm_client_requests_total llm_client_requests_over_cost_total
LLMAgentLooping: llm_client_long_traces_total llm_client_cost_usd_total
LLMRetrievalEmpty: rag_retrievals_total
LLMRerankDisagrees: rag_rerank_disagreement_ratio
LLMAnswersUnreadable: llm_parse_checks_total llm_parse_failures_total
LLMAnswersRefused: llm_client_requests_total llm_refusals_total
LLMThumbsDown: llm_feedback_total
LLMAnswersRegenerated: llm_client_requests_total llm_feedback_total
HallucinationsHigh: llm_quality_alarm_ratio llm_evaluation_rate_ratio
    llm_evaluation_sample_answers llm_evaluation_limit_ratio
FaithfulnessFell: llm_quality_alarm_ratio llm_evaluation_score llm_evaluation_limit_ratio
RefusalsHigh: llm_quality_alarm_ratio llm_evaluation_rate_ratio llm_evaluation_sample_answers
    llm_evaluation_limit_ratio
JudgeBlind: llm_judgements_total llm_evaluation_unjudged_ratio llm_evaluation_sample_answers
    llm_judge_waiting
JudgeBudgetSpent: llm_judge_budget_spent_ratio
GpuDriverDown: gpu_driver_up
GpuLost: gpu_up
GpusFewerThanBefore: gpu_info
GpuDevicesUnlisted: gpu_unlisted_devices
GpuXidNeedsDrain: gpu_xid_errors_total gpu_xid_last_timestamp_seconds
GpuXidUnusual: gpu_xid_errors_total gpu_xid_last_timestamp_seconds
GpuXidOfApplication: gpu_xid_errors_total gpu_xid_last_timestamp_seconds
GpuXidRecorded: gpu_xid_errors_total gpu_xid_last_timestamp_seconds
GpuMemoryErrorUncorrected: gpu_ecc_errors_total
GpuRemapFailed: gpu_remapped_rows_failed
GpuRemapPending: gpu_remapped_rows_pending
GpuHeldDownByHardware: gpu_throttled_seconds_total
GpuMemoryNearlyFull: inferometer_build_info gpu_info gpu_memory_used_bytes gpu_memory_total_bytes
GpusUnderused: inferometer_build_info gpu_info gpu_busy_seconds_total gpu_observed_seconds_total
CostOfTheDayHigh: inferometer_build_info llm_cost_usd_total
CostOfIdleGpusHigh: llm_cost_usd_total llm_cost_gpu_idle_usd_total inferometer_build_info
    inferometer_limit_ratio
CostOfTheMonthIncomplete: llm_cost_usd_total
CostBudgetForecastExceeded: llm_cost_usd_total inferometer_budget_usd
CostBudgetNearlyUsed: inferometer_build_info llm_cost_usd_total inferometer_budget_usd
CostBudgetExceeded: llm_cost_usd_total inferometer_budget_usd inferometer_budget_page
CostModelBudgetNearlyUsed: inferometer_build_info llm_cost_usd_total inferometer_budget_usd
CostModelBudgetExceeded: llm_cost_usd_total inferometer_budget_usd inferometer_budget_page
CostReconciliationGapHigh: llm_cost_reconciliation_gap_ratio
    llm_cost_reconciliation_timestamp_seconds
CostPerRequestHigh: llm_cost_usd_total llm_server_requests_total inferometer_limit_usd
CostPerTokenHigh: llm_cost_usd_total llm_server_requests_total llm_server_input_tokens_total
    llm_server_output_tokens_total inferometer_limit_usd
CostModelPerRequestHigh: llm_cost_usd_total llm_server_requests_total inferometer_limit_usd
CostModelPerTokenHigh: llm_cost_usd_total llm_server_requests_total llm_server_input_tokens_total
    llm_server_output_tokens_total inferometer_limit_usd
CostPerRequestDrifting: fleet:llm_cost_usd_self_hosted:rate5m
    fleet:llm_server_requests_served:rate5m
CostPerTokenDrifting: fleet:llm_cost_usd_self_hosted:rate5m fleet:llm_server_tokens:rate5m
CostModelPerRequestDrifting: model:llm_cost_usd_self_hosted:rate5m
    model:llm_server_requests_served:rate5m
CostModelPerTokenDrifting: model:llm_cost_usd_self_hosted:rate5m model:llm_server_tokens:rate5m
LLMClientCostUnusual:
    llm_client_request_outliers llm_client_request_cost_usd llm_client_request_expected_cost_usd
    llm_client_request_tokens llm_client_request_expected_tokens
LLMClientTokensUnusual:
    llm_client_request_outliers llm_client_request_cost_usd llm_client_request_expected_cost_usd
    llm_client_request_tokens llm_client_request_expected_tokens
InferometerLimitUnused: inferometer_limit_seconds
InferometerIntakeRefusing: inferometer_intake_bodies_total
InferometerIntakeTooLarge: inferometer_intake_bodies_total
InferometerLedgerLagging: inferometer_ledger_settle_lag_seconds
InferometerLedgerNearlyFull: inferometer_ledger_free_bytes inferometer_ledger_size_bytes
InferometerHeartbeatLost: inferometer_heartbeat_lost_total
InferometerClickHouseFailing: inferometer_clickhouse_failures_total
InferometerRequestLogFailing: inferometer_request_log_failures_total
InferometerForwardingLate: inferometer_forward_oldest_timestamp_seconds
InferometerForwardingDropping: inferometer_forward_bodies_total
InferometerForwardingRefused: inferometer_forward_bodies_total
InferometerDown: up inferometer_build_info
InferometerFleetExporterGone: inferometer_build_info inferometer_collector_success
InferometersGone: inferometer_build_info
InferometerCollectorFailing: inferometer_collector_success
InferometerLabelsFolded: inferometer_label_values_folded_total
InferometerSeriesNearCap: llm_server_up
InferometerLabelValuesTooMany: llm_server_up
InferometerReloadFailed: inferometer_config_last_reload_successful
PrometheusRulesFailing: prometheus_rule_evaluation_failures_total
PrometheusRulesSlow: prometheus_rule_group_last_duration_seconds
    prometheus_rule_group_interval_seconds
PrometheusReloadFailed: prometheus_config_last_reload_successful
AlertmanagerReloadFailed: alertmanager_config_last_reload_successful
PrometheusNotificationsDropped: prometheus_notifications_dropped_total
AlertmanagerNotificationsFailing: alertmanager_notifications_failed_total
Watchdog:
""")


def family(series: Series) -> str:
    """The name of its family, or of its rule."""
    name = series["series"].partition("{")[0]
    return next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)


def bare() -> Iterator[Case]:
    """The first case of each alert that fires, with nothing in it but what shows the failure."""
    seen = set()
    for case in cases():
        if case.expected and case.alert not in seen:
            seen.add(case.alert)
            evidence = (EVIDENCE[case.alert.name] or "").split()
            yield replace(case, inputs=tuple(
                series for series in case.inputs if family(series) in evidence))


def test_every_alert_has_its_evidence() -> None:
    assert [*EVIDENCE] == [*dict.fromkeys(alert.name for alert in ALERTS)]
    assert {case.alert for case in bare()} == {*ALERTS}


@pytest.mark.parametrize("case", [*bare()], ids=str)
def test_an_alert_fires_on_what_shows_its_failure_alone(case: Case, tmp_path: Path) -> None:
    prove(case, VERSIONS[-1], tmp_path)
