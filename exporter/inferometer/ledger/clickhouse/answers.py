"""What is asked of ClickHouse: the same questions as of a ledger, and by the same names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from inferometer.ledger.clickhouse.tables import (
    BATCH_COPIES,
    CHUNK_COPIES,
    HOUR_SECONDS,
    SUMS,
)
from inferometer.ledger.counting import MEASURES
from inferometer.ledger.questions import OF_STEPS, ONLY
from inferometer.ledger.statements import GROUPS

if TYPE_CHECKING:  # it is in an extra
    from clickhouse_connect.driver.client import Client

# Sums as far as they reach, and rows of the batches behind them; both up to what `ends` says, as
# what is added up meanwhile must be in one of the two alone.
_LAST = ("arraySum(arrayMap((name, last) -> if(name = gateway, last, 0), "
         "{gateways:Array(String)}, {ends:Array(UInt64)}))")
_SUMMED, _BEHIND = f"last <= {_LAST}", f"batch > {_LAST}"
_BEGIN = "toDateTime({begin:Int64}, 'UTC')"


class ArchiveAnswers:
    """Answers over all gateways whose rows are there, in the way of `LedgerAnswers`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def totals(self, by: str, hour: int, most: int) -> Iterable[Sequence[Any]]:
        """See AskedStore."""
        gateways, ends = self._ends()
        values = {"begin": hour * HOUR_SECONDS, "gateways": gateways, "ends": ends}
        names = None
        if most:  # first by the few columns that decide it: the others of all are many times that
            kinds = [ONLY[by]] if by in ONLY else ["call", *OF_STEPS]
            order = ", ".join(f"sumIf({sums}, kind = '{kind}') DESC" for sums, kind in (
                ("sum_input", "call"), *(("sum_ended", kind) for kind in ("call", *OF_STEPS))))
            names = [row[0] for row in self._client.query(
                f"SELECT label FROM ({self._sums(by, ('input', 'ended'))}) "
                "WHERE kind IN {kinds:Array(String)} GROUP BY label "
                f"ORDER BY {order}, label LIMIT {most}",
                parameters={**values, "kinds": kinds}).result_rows]
        sums = ", ".join(f"sum(sum_{name})" for name in MEASURES)
        return self._client.query(
            f"SELECT label, kind, {sums} FROM ({self._sums(by, MEASURES, names is not None)}) "
            "GROUP BY label, kind",
            parameters={**values, "names": names or []}).result_rows

    def _sums(self, by: str, measures: Iterable[str], named: bool = False) -> str:
        """A query for these sums by group and kind, from sums and rows; of some names alone."""
        label = GROUPS[by] or "user"
        some = f"AND {label} IN {{names:Array(String)}} " if named else ""
        of_sums = ", ".join(f"sum(`{name}`) AS `sum_{name}`" for name in measures)
        # A sum of nothing but NULL is NULL, and a count has no sign.
        of_rows = ", ".join(f"toInt64(ifNull({SUMS[name]}, 0)) AS `sum_{name}`"
                            for name in measures)
        return (
            f"SELECT {label} AS label, kind, {of_sums} FROM rollups WHERE hour >= {_BEGIN} {some}"
            f"AND copy IN ({self.chunks(_SUMMED)}) GROUP BY label, kind UNION ALL "
            f"SELECT {label} AS label, kind, {of_rows} FROM calls WHERE arrived >= {_BEGIN} {some}"
            f"AND copy IN ({self.batches(_BEHIND)}) GROUP BY label, kind")

    def batches(self, where: str) -> str:
        """A query for the copies of batches that count."""
        return BATCH_COPIES.format(where)

    def chunks(self, where: str) -> str:
        """The same of sums."""
        return CHUNK_COPIES.format(where)

    def _ends(self) -> tuple[list[str], list[int]]:
        """The gateways, and the last batch of each that is in its sums."""
        rows = self._client.query(
            "SELECT gateway, max(last) FROM chunks GROUP BY gateway").result_rows
        return [row[0] for row in rows], [row[1] for row in rows]
