from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.home import units


@pytest.mark.parametrize(("shown", "value", "text"), [
    (units.number, 0.0, "0"), (units.number, 0.0004, "<0.001"), (units.number, 0.0123, "0.012"),
    (units.number, 1.5, "1.50"), (units.number, 42.25, "42.2"), (units.number, 12345.6, "12,346"),
    (units.number, 1e300, "1e+300"), (units.number, -2.0, "-2.00"),
    (units.count, 3.0, "3"), (units.count, 2.5, "2.50"), (units.count, 1234.0, "1,234"),
    (units.times, 1.0, "once"), (units.times, 12.0, "12 times"),
    (units.share, 0.0, "0.0 %"), (units.share, 0.0123, "1.2 %"), (units.share, 0.3, "30 %"),
    (units.share, 0.992, "99.2 %"), (units.share, 1.0, "100 %"),
    (units.ratio, 0.874, "87 %"), (units.ratio, 1.0, "100 %"),
    (units.gibibytes, 61.25 * 2**30, "61.2 GiB"),
    (units.seconds, 0.0, "0 s"), (units.seconds, 0.0421, "42.1 ms"),
    (units.seconds, 0.42, "420 ms"),
    (units.seconds, 1.8, "1.80 s"), (units.seconds, 90.0, "90.0 s"),
    (units.seconds, 125.0, "2 min 5 s"), (units.seconds, 1e9, "1e+09 s"),
    (units.duration, 0.9, "0 s"), (units.duration, -5.0, "0 s"), (units.duration, 59.0, "59 s"),
    (units.duration, 3600.0, "1 h"), (units.duration, 3725.0, "1 h 2 min"),
    (units.duration, 90000.0, "1 d 1 h"),
    (units.usd, 0.0, "$0.00"), (units.usd, 0.00001, "<$0.0001"), (units.usd, 0.0012, "$0.0012"),
    (units.usd, 0.81, "$0.81"),
    (units.usd, 1234.5, "$1,234.50"), (units.usd_per_hour, 2.99, "$2.99 per hour"),
    (units.watts, 412.0, "412 W"), (units.celsius, 64.0, "64.0 °C"),
])
def test_a_number_reads_well(shown: Callable[[float], str], value: float, text: str) -> None:
    assert shown(value).replace("\u00a0", " ") == text


@settings(deadline=None, database=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([
    units.number, units.count, units.times, units.gibibytes, units.seconds, units.watts,
    units.celsius]))
def test_every_number_is_shown_shortly(value: float, shown: units.Shown) -> None:
    assert len(shown(value)) < 25


def test_a_noun_is_plural_unless_there_is_one() -> None:
    assert [units.many(number, "row") for number in (0.0, 1.0, 2.0)] == [
        "0 rows", "1 row", "2 rows"]
