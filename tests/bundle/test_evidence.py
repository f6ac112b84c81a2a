"""No alert needs a series that its own failure takes away.

What shows each failure stands in a table. All other families are taken out of the first case that
fires, from its beginning, and the alert fires still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from alerts import exporter
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import attribution, cost, requests, tokens
from recording_rules.model import Rule
from tests.bundle.alert_cases import Case, prove
from tests.bundle.promtool import VERSIONS, Series
from tests.bundle.test_alerts import ALERTS, cases

Evidence = tuple[Metric | Rule | str, ...]
PARTS = ("_bucket", "_count", "_sum")

SERVED = c.SERVER_UP  # by it a default limit holds for a model
XID = c.GPU_XID, c.GPU_XID_LAST
MONEY = c.COST, c.BUDGET
TOKENS = c.SERVER_INPUT, c.SERVER_OUTPUT
REQUEST_COST = c.COST, c.SERVER_REQUESTS, c.LIMIT_USD
EVIDENCE: Mapping[str, Evidence] = {}


def test_all_alerts_have_their_evidence() -> None:
    assert set(EVIDENCE) == {alert.name for alert in ALERTS}
