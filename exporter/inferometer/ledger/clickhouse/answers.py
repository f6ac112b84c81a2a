"""What is asked of ClickHouse: the same questions as of a ledger, and by the same names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from inferometer.ledger.clickhouse.tables import (
    BATCH_COPIES,
    CHUNK_COPIES,
    DAY_COPIES,
    DAY_SECONDS,
    HOUR_SECONDS,
    SUMS,
)
from inferometer.ledger.counting import MEASURES
from inferometer.ledger.questions import OF_STEPS, ONLY, TIES
from inferometer.ledger.statements import GROUPS

if TYPE_CHECKING:  # it is in an extra
    from clickhouse_connect.driver.client import Client

def _of_gateway(numbers: str) -> str:
    """The number that a row's gateway has in a list of values."""
    return ("arraySum(arrayMap((name, number) -> if(name = gateway, number, 0), "
            f"{{gateways:Array(String)}}, {{{numbers}:Array(UInt64)}}))")


# Sums of days as far as they reach, sums of hours behind them, and rows behind these; each up to
# what Extents says, as what is added up meanwhile must be in one of them alone.
_BY_DAY = f"last <= {_of_gateway('day_ends')}"
_BY_HOUR = f"last <= {_of_gateway('ends')}"
_BEHIND_DAYS = f"{_BY_HOUR} AND chunk > {_of_gateway('day_ends')}"
_BEHIND_HOURS = f"batch > {_of_gateway('ends')} AND batch <= {_of_gateway('newest')}"
_BEGIN, _MIDNIGHT = (f"toDateTime({{{name}:Int64}}, 'UTC')" for name in ("begin", "midnight"))


class Extents(NamedTuple):
    """Gateways, and of each the last chunk in sums of days, and the last batch in those of hours.

    And the last batch there is.
    """

    gateways: Sequence[str]
    day_ends: Sequence[int]
    ends: Sequence[int]
    newest: Sequence[int]


class ArchiveAnswers:
    """Answers over all gateways whose rows are there, in the way of `LedgerAnswers`.

    `ties`: at most so many groups beyond those asked for are looked at for having as much.
    """

    def __init__(self, client: Client, ties: int = TIES) -> None:
        self.client, self._ties = client, ties

    def totals(self, by: str, hour: int, most: int) -> Iterable[Sequence[Any]]:
        """See AskedStore."""
        begin, extents = hour * HOUR_SECONDS, self._extents()
        values = {**extents._asdict(), "begin": begin,
                  "midnight": -(-begin // DAY_SECONDS) * DAY_SECONDS}
        # First by what decides it: all columns of all groups would be many times that.
        names = self._first(by, most, values) if most else None
        sums = ", ".join(f"sum(sum_{name})" for name in MEASURES)
        return self.client.query(
            f"SELECT label, kind, {sums} FROM ({self._sums(by, MEASURES, names is not None)}) "
            "GROUP BY label, kind",
            parameters={**values, "names": names or []}).result_rows

    def _first(self, by: str, most: int, values: Mapping[str, Any]) -> Sequence[str]:
        """At least so many names of groups, the first ones in the order of `top`."""
        kinds = ONLY.get(by, ("call", *OF_STEPS))
        order = [(name, kind) for name, kind in (
            ("input", "call"), *(("ended", kind) for kind in ("call", *OF_STEPS))) if kind in kinds]
        # One sum decides it, but for those that have the same.
        names = self._ordered(by, kinds, order[:1], f"LIMIT {most} WITH TIES", values)
        return names if len(names) <= most + self._ties else self._ordered(
            by, kinds, order, f", label LIMIT {most}", values)

    def _ordered(self, by: str, kinds: Sequence[str], order: Sequence[tuple[str, str]],
                 limit: str, values: Mapping[str, Any]) -> Sequence[str]:
        sums = ", ".join(f"sumIf(sum_{name}, kind = '{kind}') DESC" for name, kind in order)
        measures = dict.fromkeys(name for name, _ in order)
        return [row[0] for row in self.client.query(
            f"SELECT label FROM ({self._sums(by, measures)}) "
            "WHERE kind IN {kinds:Array(String)} "
            f"GROUP BY label ORDER BY {sums} {limit}",
            parameters={**values, "kinds": [*kinds]}).result_rows]

    def _sums(self, by: str, measures: Iterable[str], named: bool = False) -> str:
        """A query for these sums with their group and kind, from sums and rows; of some names."""
        label = GROUPS[by] or "user"
        some = f"AND {label} IN {{names:Array(String)}} " if named else ""
        of_sums = ", ".join(f"`{name}` AS `sum_{name}`" for name in measures)
        # A sum of nothing but NULL is NULL, and a count has no sign.
        of_rows = ", ".join(f"toInt64(ifNull({SUMS[name]}, 0)) AS `sum_{name}`"
                            for name in measures)
        return " UNION ALL ".join(
            f"SELECT {label} AS label, kind, {measured} FROM {table} WHERE {since} {some}"
            f"AND copy IN ({copies}){grouped}"
            for table, since, copies, measured, grouped in (
                ("days", f"day >= {_MIDNIGHT}", self.days(_BY_DAY), of_sums, ""),
                ("rollups", f"hour >= {_BEGIN} AND hour < {_MIDNIGHT}",
                 self.chunks(_BY_HOUR), of_sums, ""),
                ("rollups", f"hour >= {_MIDNIGHT}", self.chunks(_BEHIND_DAYS), of_sums, ""),
                ("calls", f"arrived >= {_BEGIN} AND {self.arrivals(_BEHIND_HOURS)}",
                 self.batches(_BEHIND_HOURS), of_rows, " GROUP BY label, kind")))

    def arrivals(self, where: str) -> str:
        """What rows of these batches meet, to spare days before them; nothing where none are."""
        return f"arrived >= (SELECT minOrNull(first_arrived) FROM batches WHERE {where})"

    def batches(self, where: str) -> str:
        """A query for the copies of batches that count."""
        return BATCH_COPIES.format(where)

    def chunks(self, where: str) -> str:
        """The same of sums of hours."""
        return CHUNK_COPIES.format(where)

    def days(self, where: str) -> str:
        """The same of sums of days."""
        return DAY_COPIES.format(where)

    def _extents(self) -> Extents:
        """As far as all of it reaches; first that of days, which must not reach past the hours'."""
        day_ends = {row[0]: row[1] for row in self.client.query(
            "SELECT gateway, max(last) FROM day_chunks GROUP BY gateway").result_rows}
        rows = self.client.query(  # each of the two may be the newer one
            "SELECT gateway, max(end), max(newest) FROM (SELECT gateway, last AS end, 0 AS newest "
            "FROM chunks UNION ALL SELECT gateway, 0, batch FROM batches) GROUP BY gateway"
        ).result_rows
        return Extents([row[0] for row in rows], [day_ends.get(row[0], 0) for row in rows],
                       [row[1] for row in rows], [row[2] for row in rows])
