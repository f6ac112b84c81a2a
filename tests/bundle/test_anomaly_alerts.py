"""Calls that cost or take what is not expected: what an alert says, and when it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerts import anomalies
from inferometer import catalogue as c
from recording_rules.anomalies import COST, TOKENS
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.client_inputs import GATEWAY, SECOND
from tests.bundle.promtool import VERSIONS, Series, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, cases, one
from tests.bundle.rule_cases import Case as RuleCase
from tests.bundle.rule_cases import prove as prove_rules

SERVICE = {"service_name": "shop"}
AT = {"cluster": "east", **SERVICE}
EDGES = {"lower": 0.8, "median": 1.0, "upper": 1.2}  # times what is usual
DEAR = ("A call by shop in east cost {} USD on average in the last complete hour, usually 0.01 "
        "USD, expected 0.008 to 0.012 USD. It took {} tokens, usually 1000: ")
ENDING = " In 2 or more of the last complete hours it was outside of that, on one side."


@dataclass(frozen=True)
class Hour:
    """What a gateway tells of the last hour; None: nothing. Hours outside are of both measures."""

    cost: float | None = 0.01
    tokens: float | None = 1000.0
    costly: int = 0
    long: int = 0
    scrape: Mapping[str, str] | None = None

    @property
    def series(self) -> tuple[Series, ...]:
        """Of a gateway."""
        return tuple(self._series())

    def _series(self) -> list[Series]:
        shown: list[Series] = []
        for value, usual, metric, band, measure, hours in (
                (self.cost, 0.01, c.REQUEST_COST, c.REQUEST_COST_EXPECTED, "cost", self.costly),
                (self.tokens, 1000.0, c.REQUEST_TOKENS, c.REQUEST_TOKENS_EXPECTED, "tokens",
                 self.long)):
            if value is not None:
                shown += [self._one(metric, value), *(self._one(band, usual * share, band=edge)
                                                     for edge, share in EDGES.items())]
                shown.append(self._one(c.REQUEST_OUTLIERS, hours, measure=measure))
        return shown

    def _one(self, metric: c.Metric, value: float, **labels: str) -> Series:
        return series(metric, f"{value:g}x30", scrape=self.scrape or GATEWAY, **SERVICE, **labels)


CASES = (
    Case("a price has changed", anomalies.COST, Hour(cost=0.02, costly=2).series, (Firing(
        AT, DEAR.format(0.02, 1000) + "these are as expected, so that a price has changed, or the "
        "model." + ENDING),)),
    Case("a prompt has grown", anomalies.COST, Hour(0.03, 3000, 3, 2).series, (Firing(
        AT, DEAR.format(0.03, 3000) + "these are unusual too." + ENDING),)),
    Case("cheaper than ever", anomalies.COST, Hour(0.002, costly=2).series, (Firing(
        AT, DEAR.format(0.002, 1000) + "these are as expected, so that a price has changed, or "
        "the model." + ENDING),)),
    Case("two gateways of a ledger", anomalies.COST, (
        *Hour(cost=0.02, costly=2).series, *Hour(cost=0.02, costly=2, scrape=SECOND).series), (
        Firing(AT, DEAR.format(0.02, 1000) + "these are as expected, so that a price has changed, "
               "or the model." + ENDING),)),
    Case("one hour", anomalies.COST, Hour(cost=0.02, costly=1).series),
    Case("tokens alone", anomalies.COST, Hour(tokens=3000, long=3).series),
    Case("hours that are over, and none now", anomalies.COST, Hour(cost=None).series),
    Case("a prompt has grown", anomalies.TOKENS, Hour(0.03, 3000, 3, 2).series, (Firing(
        AT, "A call by shop in east took 3000 tokens on average in the last complete hour, usually "
        "1000, expected 800 to 1200. It cost 0.03 USD, usually 0.01 USD." + ENDING),)),
    Case("of a model without a price", anomalies.TOKENS, Hour(None, 100, 0, 3).series, (Firing(
        AT, "A call by shop in east took 100 tokens on average in the last complete hour, usually "
        "1000, expected 800 to 1200." + ENDING),)),
    Case("a price has changed", anomalies.TOKENS, Hour(cost=0.02, costly=3).series),
    Case("one hour", anomalies.TOKENS, Hour(tokens=3000, long=1).series),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*anomalies.GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts


@BOTH_VERSIONS
@cases(
    RuleCase("two gateways of a ledger", (*Hour().series, *Hour(scrape=SECOND).series), {
        COST.value: one(0.01, **AT), COST.lower: one(0.008, **AT), COST.upper: one(0.012, **AT),
        TOKENS.value: one(1000, **AT), TOKENS.lower: one(800, **AT),
        TOKENS.upper: one(1200, **AT)}),
    RuleCase("two ledgers of one application", (
        *Hour().series, *Hour(0.04, 1000, scrape=SECOND).series), {
        COST.value: one(0.04, **AT)}),
    RuleCase("no hour that is complete", (), dict.fromkeys(
        (*COST.rules, *TOKENS.rules), NOTHING)),
)
def test_what_is_recorded(case: RuleCase, version: str, tmp_path: Path) -> None:
    prove_rules(case, version, tmp_path)
