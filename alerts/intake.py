"""The gateway: it turns telemetry away, cannot keep up, or has no room left for what it keeps."""

from __future__ import annotations

from alerts import words
from alerts.model import HAPPENED, SELF, Alert, AlertGroup
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.promql import any_of, by

LAG_SECONDS = 60
LEAST_FREE = 0.1  # of what the ledger has and may still have
LEAST_FREE_MEBIBYTES = 256
_WINDOW = "15m"
_BODIES = c.INTAKE_BODIES.name


def _increase(window: str, *results: str) -> str:
    return (f"sum {by(SELF.scope)} "
            f"(increase({_BODIES}{{{any_of(c.BODY_RESULT, *results)}}}[{window}]))")


def _of(metric: Metric) -> str:
    return f"max {by(SELF.scope)} ({metric.name})"


_FREE = _of(c.LEDGER_FREE)
REFUSING = Alert(
    "InferometerIntakeRefusing", SELF, "warning", f"{_increase('5m', 'put_off', 'failed')} > 0",
    summary="A gateway cannot keep what applications send.",
    description=f'{words.EXPORTER} put off or failed {{{{ $value | printf "%.0f" }}}} bodies in '
                "the last 5m. Senders try again for some seconds, and then drop them. Its log says "
                "why.",
    board="exporter")
TOO_LARGE = Alert(
    "InferometerIntakeTooLarge", SELF, "warning", f"{_increase(_WINDOW, 'too_large')} > 0",
    summary="A gateway refuses bodies that are too large.",
    description=f'{words.EXPORTER} refused {{{{ $value | printf "%.0f" }}}} bodies in the last '
                f"{_WINDOW} as too large. What is in them is lost: the sender has to send fewer "
                "spans at a time, by OTEL_BSP_MAX_EXPORT_BATCH_SIZE.",
    board="exporter", hold="0m", because=HAPPENED)
LAGGING = Alert(
    "InferometerLedgerLagging", SELF, "warning", f"{_of(c.LEDGER_LAG)} > {LAG_SECONDS}",
    summary="A gateway counts calls too late.",
    description=f"{words.EXPORTER} counts calls {{{{ $value | humanizeDuration }}}} too late, "
                f"limit {LAG_SECONDS}s. Rates and error ratios of applications are that old.",
    board="exporter")
NEARLY_FULL = Alert(
    "InferometerLedgerNearlyFull", SELF, "warning",
    f"{_FREE} < {LEAST_FREE} * ({_FREE} + {_of(c.LEDGER_BYTES)}) "
    f"or {_FREE} < {LEAST_FREE_MEBIBYTES} * 2 ^ 20",
    summary="The disk of a gateway's ledger is nearly full.",
    description=f"The ledger of {words.EXPORTER} has {{{{ $value | humanize1024 }}}}B left, limit "
                f"{LEAST_FREE:.0%} of its disk or {LEAST_FREE_MEBIBYTES} MiB. Once it is full, "
                "senders are put off, and what they drop is lost.",
    board="exporter")
HEARTBEAT_LOST = Alert(
    "InferometerHeartbeatLost", SELF, "warning",
    f"sum {by(SELF.scope)} (increase({c.HEARTBEAT_LOST.name}[{_WINDOW}])) > 0",
    summary="Calls that a gateway sends to itself do not come back.",
    description=f'Of the calls that {words.EXPORTER} sends to itself, one a minute, '
                f'{{{{ $value | printf "%.0f" }}}} were lost in the last {_WINDOW}. Calls of '
                "applications went the same way. Its log says where.",
    board="exporter", hold="0m", because=HAPPENED)

NOT_SHIPPED = Alert(
    "InferometerClickHouseFailing", SELF, "warning",
    f"sum {by(SELF.scope)} (increase({c.CLICKHOUSE_FAILURES.name}[5m])) > 0",
    summary="What a gateway counts does not reach ClickHouse.",
    description=f'{words.EXPORTER} tried {{{{ $value | printf "%.0f" }}}} times in the last 5m to '
                "bring to ClickHouse what waits for it, and failed. Calls wait in the ledger until "
                "ledger.retention_days. Its log says why.",
    board="exporter")

NOT_LOGGED = Alert(
    "InferometerRequestLogFailing", SELF, "warning",
    f"sum {by(SELF.scope)} (increase({c.REQUEST_LOG_FAILURES.name}[5m])) > 0",
    summary="What a gateway counts does not reach its request log.",
    description=f'{words.EXPORTER} tried {{{{ $value | printf "%.0f" }}}} times in the last 5m to '
                "write what waits for its request log, and failed. Calls wait in the ledger until "
                "ledger.retention_days. Its log says why.",
    board="exporter")

GROUP = AlertGroup("inferometer-intake-alerts", (
    REFUSING, TOO_LARGE, LAGGING, NEARLY_FULL, HEARTBEAT_LOST, NOT_SHIPPED, NOT_LOGGED))
