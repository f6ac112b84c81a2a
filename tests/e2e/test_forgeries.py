"""No forged, used or expired capability is taken, and a gateway that takes one is noticed."""

from __future__ import annotations

import pytest

from tests.e2e.forgeries import main

pytestmark = pytest.mark.timeout(900)


def test_no_capability_that_is_forged_used_or_expired_is_taken() -> None:
    assert main(["--count", "1000"]) == 0


@pytest.mark.heavy
def test_of_10000_forged_used_and_expired_capabilities_none_is_taken() -> None:
    assert main([]) == 0


def test_a_gateway_that_forgets_which_were_used_is_noticed() -> None:
    assert main(["--count", "200", "--sabotage"]) == 0
