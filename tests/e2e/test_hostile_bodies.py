"""Hostile bodies posted to a real gateway: its memory stays bounded, and innocents are served."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.e2e.hostile import costs
from tests.e2e.hostile_bodies import HOSTILE

GATEWAYS = 8  # that share the bodies, so that one is not the work of a single worker
SECONDS, SENDERS = 2.0, 3


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(GATEWAYS))
def test_hostile_bodies_cost_no_more_than_their_bound(first: int) -> None:
    names = [*islice(HOSTILE, first, None, GATEWAYS)]
    assert [str(cost) for cost in costs(names, SECONDS, SENDERS) if cost.bad] == []
