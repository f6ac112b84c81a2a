"""Numbers as a person reads them: three digits, the unit after them."""

from __future__ import annotations

from collections.abc import Callable

from inferometer.home.markup import NBSP

GIB = 2**30

Shown = Callable[[float], str]


def number(value: float) -> str:
    """Three significant digits, in groups of thousands."""
    size = abs(value)
    if size >= 1e9:
        return f"{value:.3g}"
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    if size < 0.001:
        return "<0.001"
    return f"{value:.{3 if size < 0.1 else 2 if size < 10 else 1}f}"


def count(value: float) -> str:
    """Whole, unless it is not."""
    return number(value) if value % 1 or abs(value) >= 1e9 else f"{value:,.0f}"


def many(value: float, noun: str) -> str:
    """How many of a thing there are."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def times(value: float) -> str:
    """How often."""
    return "once" if value == 1 else f"{count(value)}{NBSP}times"


def ratio(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.0f}{NBSP}%"


def share(value: float) -> str:
    """A share whose small values matter: a digit more below a tenth, and near the whole."""
    return f"{100 * value:.{1 if value < 0.0995 or 0.98 < value < 1 else 0}f}{NBSP}%"


def gibibytes(value: float) -> str:
    """Bytes in GiB."""
    return f"{number(value / GIB)}{NBSP}GiB"


def size(value: float) -> str:
    """Bytes in MiB, and from one on in GiB."""
    return gibibytes(value) if value >= GIB else f"{number(value / 2**20)}{NBSP}MiB"


def watts(value: float) -> str:
    """Power."""
    return f"{number(value)}{NBSP}W"


def celsius(value: float) -> str:
    """A temperature."""
    return f"{number(value)}{NBSP}°C"


def seconds(value: float) -> str:
    """A short time, in the unit that suits it."""
    if 120 <= value < 1e7:
        return duration(value)
    if value >= 1 or value == 0:
        return f"{number(value)}{NBSP}s"
    return f"{number(1000 * value)}{NBSP}ms"


def duration(value: float) -> str:
    """A long time in its two largest units."""
    rounded = max(0, int(value))
    for size, unit, small, smaller in (
            (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if rounded >= size:
            rest = rounded % size // small
            return f"{rounded // size}{NBSP}{unit}" + (f" {rest}{NBSP}{smaller}" if rest else "")
    return f"{rounded}{NBSP}s"


def usd(value: float) -> str:
    """Money; amounts below a cent to a hundredth of one."""
    if 0 < value < 0.0001:
        return "<$0.0001"
    return f"${value:.4f}" if 0 < value < 0.01 else f"${value:,.2f}"


def usd_per_hour(value: float) -> str:
    """A price."""
    return f"{usd(value)} per hour"
