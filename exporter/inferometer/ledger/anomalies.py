"""What a request of each service costs and takes in tokens, held against the same hour of before.

Sums of hours that are over stay in memory, so that each hour only the last ones are read: in a busy
ledger the four weeks are millions of sums of users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from heapq import nlargest
from typing import NamedTuple

from inferometer.bands import WEEK, WEEKS, HourMean, band, chance_of, comparable, is_enough
from inferometer.catalogue import ANOMALY_SEATS, CLIENT_SEATS, JUDGED_HOURS, OTHER
from inferometer.ledger.anomaly_statements import statements_of
from inferometer.ledger.database import Database
from inferometer.ledger.hourly import complete_until
from inferometer.pricing import NANO
from inferometer.sinks.anomalies import COST, TOKENS, JudgedUsage, JudgedUsages

LOOKED_AT = WEEKS * WEEK + JUDGED_HOURS  # hours
HOURS_AT_ONCE = 24  # that one statement reads, as other readers wait for its end
HourMeans = Mapping[int, HourMean]  # by hours of Unix time


class UsedInHour(NamedTuple):
    """What calls of a service used in an hour. `priced` are those whose cost is known."""

    requests: int
    priced: int
    tokens: int
    cost: int  # nano-USD


class UsageHistory:
    """What services used in the last four weeks, by hour; the busiest ones of each hour."""

    def __init__(self) -> None:
        self._hours: dict[int, Mapping[str, UsedInHour]] = {}

    def judged(self, database: Database, now: int) -> JudgedUsages:
        """What the hours that are complete by `now`, Unix nanoseconds, come to."""
        until = complete_until(now)
        self._read(database, until)
        judged: dict[tuple[str, str], JudgedUsage] = {}
        for service in self._busiest():
            used = {hour: services[service] for hour, services in self._hours.items()
                    if service in services}
            for measure, means in (
                    (COST, {hour: HourMean(one.cost / NANO / one.priced, one.priced)
                            for hour, one in used.items() if one.priced > 0}),
                    (TOKENS, {hour: HourMean(one.tokens / one.requests, one.requests)
                              for hour, one in used.items()})):
                chance = chance_of(means, until - JUDGED_HOURS)
                if (usage := judged_usage(means, until, chance)) is not None:
                    judged[service, measure] = usage
        return judged

    def _read(self, database: Database, until: int) -> None:
        """Read what is not in memory, and the hours that are judged, to which calls may be added.
        """
        first = until - LOOKED_AT
        self._hours = {hour: services for hour, services in self._hours.items()
                       if first <= hour < until - JUDGED_HOURS}
        missing = [hour for hour in range(first, until) if hour not in self._hours]
        for begin in range(0, len(missing), HOURS_AT_ONCE):
            hours = missing[begin:begin + HOURS_AT_ONCE]
            self._hours |= {hour: {} for hour in hours} | _used(database, hours[0], hours[-1] + 1)

    def _busiest(self) -> list[str]:
        """As many as have series, the same ones at each gateway."""
        requests: Counter[str] = Counter()
        for services in self._hours.values():
            for service, used in services.items():
                requests[service] += used.requests
        return sorted(requests, key=lambda service: (-requests[service], service))[:ANOMALY_SEATS]


def judged_usage(means: HourMeans, until: int, chance: float) -> JudgedUsage | None:
    """The last hour before `until` beside its band; None where nothing can be told of it.

    `chance`: see `bands.chance_of`, of the weeks before the hours that are judged.
    """
    sides = [*_sides(means, until, chance)]
    outside = [side for side in sides if side]
    last = means.get(until - 1)
    value = last.mean if last is not None and is_enough(last) else None
    if value is None and not sides:
        return None
    return JudgedUsage(
        value, band(comparable(means, until - 1), last.requests, chance) if (
            last is not None and value is not None) else None,
        outside.count(outside[-1]) if outside else 0 if sides else None)


def _sides(means: HourMeans, until: int, chance: float) -> Iterator[int]:
    """On which side of their bands the last hours are, of those that can be judged."""
    for hour in range(until - JUDGED_HOURS, until):
        one = means.get(hour)
        if one is not None and is_enough(one) and (
                expected := band(comparable(means, hour), one.requests, chance)) is not None:
            yield expected.side(one.mean)


def _used(database: Database, since: int, until: int) -> dict[int, Mapping[str, UsedInHour]]:
    """What services used in these hours, of Unix time."""
    by_hour: dict[int, dict[str, UsedInHour]] = {}
    with database.snapshot() as connection:
        rows = connection.execute(
            statements_of(database.dialect).usage, (since, until)).fetchall()
    for hour, service, requests, unpriced, tokens, cost in rows:
        if service != OTHER and requests > 0:
            by_hour.setdefault(hour, {})[service] = UsedInHour(
                int(requests), int(requests - unpriced), int(tokens), int(cost))
    return {hour: dict(nlargest(CLIENT_SEATS, services.items(), lambda item: item[1].requests))
            for hour, services in by_hour.items()}
