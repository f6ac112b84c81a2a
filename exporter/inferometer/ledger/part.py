"""The ledger as a part: opened where applications send telemetry, asked at each scrape."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer import heap
from inferometer.call_limits import CallLimits, CallLimitTable
from inferometer.collector import Collector
from inferometer.config import STANDARD_OUTPUT, Config, RequestLogSection
from inferometer.documents.mistakes import Document
from inferometer.facts import Fact
from inferometer.heartbeats import BeatState
from inferometer.ledger.collector import LedgerCollector, LedgerCondition
from inferometer.ledger.errors import LedgerError, LedgerFullError
from inferometer.ledger.keys import is_open_to_all
from inferometer.ledger.services import Services
from inferometer.outside import masked
from inferometer.parts import Linked, Part, Row, Watch
from inferometer.points import MetricPoint
from inferometer.pricing import Pricing, unpriced
from inferometer.receipt import Receipt
from inferometer.sinks.anomalies import AnomaliesCollector, JudgedUsages
from inferometer.sinks.destination_check import check_destinations
from inferometer.sinks.destinations import destination_of, trace_address
from inferometer.sinks.feedback import FeedbackCollector, Ratios
from inferometer.sinks.forward_families import ForwardCollector
from inferometer.sinks.metrics import CallsCollector, CounterReading
from inferometer.sinks.outbox import Conditions, SentBody
from inferometer.sinks.reconciliation import ReconciliationCollector
from inferometer.sinks.users import UsersCollector
from inferometer.threads import Loop
from inferometer.votes import Casting

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.ledger.clickhouse.shipper import Shipper
    from inferometer.ledger.database import Database
    from inferometer.ledger.hourly import HourlyReading
    from inferometer.ledger.judging.rates import JudgedRates
    from inferometer.ledger.ledger import LedgerWriter
    from inferometer.ledger.outbox_keeper import OutboxKeeper
    from inferometer.ledger.reconciliations import Reconciliations
    from inferometer.ledger.user_costs import UserCosts
    from inferometer.sinks.forwarding import Forwarding
    from inferometer.sinks.request_log import RequestLog

EXTRA = ("sqlalchemy", "alembic")  # packages of it
CLIENT = "clickhouse_connect"  # the same of a ClickHouse
STOP_SECONDS = 10.0  # for what was taken and is not committed yet
_NOTHING = CounterReading(-1, {}, {})  # before any of the ledger's

log = logging.getLogger(__name__)


class LedgerPart(Part):
    """Keeps what comes in, and counts it."""

    sections = ("ledger", "request_log", "destinations")
    noun, kind = "service", "service"

    def __init__(self, config: Config, pricing: Pricing = unpriced,
                 judging: Callable[[], CounterReading] = lambda: _NOTHING) -> None:
        self._config, self._pricing, self._judging = config, pricing, judging
        self._limits = CallLimitTable(config)
        self._ledger: LedgerWriter | None = None
        self._services = Services()
        self.title = "services" if config.takes_telemetry else ""
        self._users: UserCosts | None = None  # where somebody asked for them
        self._ratios: HourlyReading[Ratios] | None = None
        self._judged: JudgedRates | None = None
        self._anomalies: HourlyReading[JudgedUsages] | None = None
        self._reconciliations: Reconciliations | None = None
        self._shipper: Shipper | None = None  # the same of a ClickHouse
        self._request_log: RequestLog | None = None  # and of a line for each call
        self._forwarding: Forwarding | None = None  # and of destinations
        self._outbox: OutboxKeeper | None = None

    def check(self, config: Config, document: Document) -> None:
        """Report a folder that is missing, and a ledger that is not ours to write."""
        if not config.takes_telemetry or not document.good(
                "role", "intake.listen", "intake.grpc_listen", "ledger"):
            return
        check_destinations(config, document)
        place, path = "ledger.dsn_file", Path(config.ledger.path)
        if not config.ledger.dsn_file:
            place = "ledger.path"
            if not path.absolute().parent.is_dir():
                document.report(place, f"{path.absolute().parent} is no folder")
                return
        _check_request_log(config.request_log, document)
        if any(importlib.util.find_spec(package) is None for package in EXTRA):
            return  # the intake says so
        if config.ledger.clickhouse.url and importlib.util.find_spec(CLIENT) is None:
            document.report("ledger.clickhouse.url", "needs the packages of the extra: pip install "
                                                     "'inferometer[clickhouse]'")
        if config.ledger.clickhouse.url and config.ledger.dsn_file:
            document.report("ledger.clickhouse.url", "is for a ledger in a file: what is in the "
                                                     "database of ledger.dsn_file stays there")
        from inferometer.ledger.opening import examine  # here alone, as in `start`

        try:
            examine(config.ledger)
        except LedgerError as error:
            document.report(place, str(error))

    def configure(self, config: Config) -> None:
        """Keep what is kept for so long, and hold calls against these limits, from now on."""
        self._config, self._limits = config, CallLimitTable(config)
        if self._ledger is not None:
            self._ledger.configure(config.ledger.retention_days, config.ledger.rollup_days,
                                   config.ledger.max_bytes, config.content.retention_days,
                                   config.content.sample_ratio)
        if self._shipper is not None:
            self._shipper.configure(config.ledger.clickhouse.retention_days,
                                    config.ledger.clickhouse.rollup_days)
        if self._request_log is not None:
            self._request_log.configure(config.request_log.max_bytes, config.request_log.files)

    def commit(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
               body: SentBody | None = None, points: Sequence[MetricPoint] = ()
               ) -> Receipt:
        """See LedgerWriter.commit. Raises LedgerFullError, also while there is no ledger.

        Raises LoopedError for a body that was sent from here.
        """
        if self._ledger is None:
            raise LedgerFullError("the ledger is not open")
        if body is not None and body.hops and self._forwarding is not None:
            self._forwarding.require_new(body)
        return self._ledger.commit(facts, links, arrived, body, points)

    def cast(self, casting: Casting, arrived: int) -> Receipt:
        """Have a vote written. Raises LedgerFullError, also while there is no ledger."""
        if self._ledger is None:
            raise LedgerFullError("the ledger is not open")
        return self._ledger.commit((), {}, arrived, votes=(casting,))

    def beat_trace(self) -> bytes:
        """See BeatLedger."""
        if self._ledger is None:
            raise LedgerFullError("the ledger is not open")
        return self._ledger.beat_trace()

    def beat_state(self, trace_id: bytes) -> BeatState:
        """See BeatLedger."""
        from inferometer.ledger.beats import beat_state  # here alone, as in `start`

        return beat_state(self._config.ledger, trace_id)

    def collectors(self) -> Sequence[Collector]:
        """Calls and steps, and the ledger itself, where there is one; users where asked for."""
        if not self._config.takes_telemetry:
            return ()
        users = [UsersCollector(self._user_costs)] if self._config.ledger.user_costs else []
        forward = [ForwardCollector(
            lambda: self._forwarding.counts() if self._forwarding is not None else {},
            self._waiting)] if self._config.destinations else []
        votes = FeedbackCollector(self._reading, lambda: self._ratios.reading() if (
            self._ratios is not None) else {})
        from inferometer.sinks.judged_rates import EvaluationCollector  # here alone, as in `start`

        judged = EvaluationCollector(lambda: self._judged.reading() if (
            self._judged is not None) else None)
        anomalies = AnomaliesCollector(lambda: self._anomalies.reading() if (
            self._anomalies is not None) else {})
        bills = ReconciliationCollector(lambda: self._reconciliations.reading() if (
            self._reconciliations is not None) else {})
        return [CallsCollector(self._reading), LedgerCollector(self._condition), votes, judged,
                anomalies, bills, *forward, *users]

    def start(self) -> None:
        """Open it, and go on with what is pending. Raises LedgerError."""
        if not self._config.takes_telemetry:
            return
        # Here alone: who takes no telemetry is not to have a database's library in memory.
        from inferometer.ledger.anomalies import UsageHistory
        from inferometer.ledger.hourly import HourlyReading
        from inferometer.ledger.judging.rates import JudgedRates, quality_limits
        from inferometer.ledger.ledger import LedgerWriter
        from inferometer.ledger.opening import open_beside, open_to_write
        from inferometer.ledger.reconciliations import Reconciliations
        from inferometer.ledger.user_costs import UserCosts
        from inferometer.ledger.vote_ratios import ratios_of

        heap.search_seldom()  # facts that are pending are many, and in no circle
        section = self._config.ledger
        key_path = Path(section.key_path)
        database = open_to_write(section)
        if is_open_to_all(key_path):
            log.warning("every user of this machine may read the ledger's key",
                        extra={"file": str(key_path)})
        self._ledger = LedgerWriter(database, self._config.intake.settle_seconds,
                                    pricing=self._pricing, limits=self._limits_of,
                                    logs_requests=bool(self._config.request_log.path),
                                    outbox=self._begin_forwarding(database),
                                    takes_votes=bool(self._config.feedback.listen))
        self._ratios = HourlyReading("feedback", lambda: open_beside(section), ratios_of, {})
        self._judged = JudgedRates(lambda: open_beside(section),
                                   lambda: quality_limits(self._config.judge))
        self._anomalies = HourlyReading("anomalies", lambda: open_beside(section),
                                        UsageHistory().judged, {})
        self._reconciliations = Reconciliations(lambda: open_beside(section))
        if self._config.ledger.user_costs:
            self._users = UserCosts(lambda: open_beside(section))
        if self._config.ledger.clickhouse.url:
            from inferometer.ledger.clickhouse.shipper import shipper_of

            self._shipper = shipper_of(self._config.ledger)
        if self._config.request_log.path:
            from inferometer.ledger.request_queue import request_log_of

            self._request_log = request_log_of(self._config.request_log,
                                               lambda: open_beside(section))
        self.configure(self._config)
        for loop in self.loops():
            loop.start()

    def loops(self) -> Sequence[Loop]:
        """The writer, what reckons the costs of users, and what goes elsewhere."""
        forwarding = self._forwarding.loops() if self._forwarding is not None else ()
        writer = [self._ledger.loop] if self._ledger is not None else []
        senders = [one.loop for one in (self._shipper, self._request_log) if one is not None]
        return *writer, *self._reckoners(), *senders, *forwarding

    def hindrance(self) -> str:
        """Why nothing is taken now."""
        if self._ledger is None or not (refusal := self._ledger.pressure.refusal):
            return ""
        from inferometer.ledger.pressure import WHY  # here alone, as in `start`

        return WHY[refusal]

    def stop(self) -> None:
        """Commit what was taken; what is pending settles after the next start."""
        for loop in self._reckoners():
            loop.stop()
        if self._shipper is not None:
            self._shipper.stop()
        if self._request_log is not None:
            self._request_log.stop()
        if self._forwarding is not None:
            self._forwarding.stop()
        if self._ledger is not None:
            self._ledger.stop(STOP_SECONDS)

    def greeting(self, seconds: float) -> Iterable[Row]:
        """Where it is, and what waits to be counted."""
        if self._ledger is not None:
            pending = self._ledger.condition().pending
            yield "ledger", f"{self._ledger.name}, {pending} calls and steps pending"
        for entry in self._config.destinations:
            yield "forward", f"{entry.label}  {masked(entry.url)}"

    def _reckoners(self) -> Sequence[Loop]:
        """What reckons from the ledger now and then, by connections of its own."""
        return [one.loop for one in (self._users, self._ratios, self._judged, self._anomalies,
                                     self._reconciliations) if one is not None]

    def watch(self) -> Watch:
        """The services that call models."""
        self._reading()
        failed = self._ledger.failed_calls() if self._ledger is not None else {}
        return self._services.watch({service: [("Last failure", self._linked(
            call.words, call.trace_id))] for service, call in failed.items()})

    def _linked(self, words: str, trace_id: str) -> str:
        """The text, which leads to the trace where a destination shows traces."""
        address = trace_address(self._config, trace_id)
        return Linked(words, address) if address else words

    def _reading(self) -> CounterReading:
        reading = self._ledger.reading() if self._ledger is not None else _NOTHING
        self._services.note(reading)
        return reading.plus(self._judging())

    def _user_costs(self) -> Mapping[str, int]:
        return self._users.reading() if self._users is not None else {}

    def _limits_of(self, model: str) -> CallLimits:
        return self._limits.of(model)

    def _begin_forwarding(self, database: Database) -> OutboxKeeper:
        """What keeps bodies for destinations, and those that send them: they start later."""
        from inferometer.ledger.outbox_keeper import OutboxKeeper
        from inferometer.ledger.outbox_opening import open_outbox  # here alone, as in `start`
        from inferometer.sinks.forwarding import Forwarding

        config, section = self._config, self._config.ledger
        forwarding = self._forwarding = Forwarding(
            config, lambda name, signals: open_outbox(section, name, signals),
            # Gateways of one database are one to others.
            database.keys.fingerprint if section.dsn_file else database.gateway)
        self._outbox = OutboxKeeper(
            database, {one.label: destination_of(one).signals for one in config.destinations},
            section.outbox_max_bytes, section.outbox_hours, time.time_ns, forwarding.wake)
        return self._outbox

    def _waiting(self) -> Conditions:
        return self._outbox.conditions() if self._outbox is not None else {}

    def _condition(self) -> LedgerCondition:
        condition = self._ledger.condition() if self._ledger is not None else LedgerCondition(
            0, 0.0, 0, None, None, 0, 0)
        if self._shipper is not None:
            waiting, failures = self._shipper.condition()
            condition = condition._replace(waiting=waiting, failures=failures)
        if self._request_log is not None:
            condition = condition._replace(logged=self._request_log.condition())
        return condition


def _check_request_log(section: RequestLogSection, document: Document) -> None:
    """Report a folder that is missing."""
    folder = Path(section.path).absolute().parent
    if section.path not in ("", STANDARD_OUTPUT) and not folder.is_dir():
        document.report("request_log.path", f"{folder} is no folder")
