"""Alerts about what a gateway sends on, each shown to fire and to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import forward
from inferometer import catalogue as c
from recording_rules.promql import EXPORTER
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.client_inputs import GATEWAY
from tests.bundle.promtool import VERSIONS, Series, series

WHOSE = {**{name: GATEWAY[name] for name in EXPORTER}, "destination": "langsmith"}


def bodies(result: str, values: str) -> Series:
    return series(c.FORWARD_BODIES, values, scrape=GATEWAY, destination="langsmith", result=result)


def oldest(values: str) -> Series:
    return series(c.FORWARD_OLDEST, values, scrape=GATEWAY, destination="langsmith")


def langsmith(text: str) -> tuple[Firing, ...]:
    return (Firing(WHOSE, text),)


CASES = (
    Case("a destination that has been away for an hour", forward.LATE, (oldest("1x60"),),
         langsmith("The oldest body that gateway-0 in east/inferometer has for the destination "
                   "langsmith came 59m 59s ago, limit 15m. What follows waits behind it, and is "
                   "dropped beyond the bounds of the outbox. The gateway's log says why."),
         minute=60),
    Case("a destination that is a minute behind", forward.LATE, (oldest("1+60x60"),)),
    Case("bodies that are dropped", forward.DROPPING, (bodies("dropped", "0+3x60"),),
         langsmith("gateway-0 in east/inferometer dropped 45 bodies in the last 15m that the "
                   "destination langsmith was to have: they waited for too long, or were too "
                   "many. They are lost to it.")),
    Case("bodies that arrive", forward.DROPPING, (
        bodies("dropped", "7x60"), bodies("forwarded", "0+3x60"))),
    Case("a key that is not let in any more", forward.REFUSED, (bodies("refused", "0+3x60"),),
         langsmith("The destination langsmith refused 45 bodies of gateway-0 in east/inferometer "
                   "for good in the last 15m. They are set aside: inferometer outbox list says "
                   "why, retry sends them again.")),
    Case("a destination that takes all", forward.REFUSED, (
        bodies("refused", "7x60"), bodies("forwarded", "0+3x60"))),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*forward.GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts
