"""What is asked of ClickHouse: the same questions as of a ledger, and by the same names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from inferometer.ledger.clickhouse.tables import (
    BATCH_COPIES,
    CHUNK_COPIES,
    HOUR_SECONDS,
    OF_ROWS,
    OF_SUMS,
)
from inferometer.ledger.counting import MEASURES
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

    def totals(self, by: str, hour: int) -> Iterable[Sequence[Any]]:
        """Of each group and kind of row its sums, by the names of MEASURES, since this hour."""
        gateways, ends = self._ends()
        label = GROUPS[by] or "user"
        sums = ", ".join(f"sum(sum_{name})" for name in MEASURES)
        return self._client.query(
            f"SELECT label, kind, {sums} FROM ("
            f"SELECT {label} AS label, kind, {OF_SUMS} FROM rollups WHERE hour >= {_BEGIN} "
            f"AND copy IN ({self.chunks(_SUMMED)}) GROUP BY label, kind UNION ALL "
            f"SELECT {label} AS label, kind, {OF_ROWS} FROM calls WHERE arrived >= {_BEGIN} "
            f"AND copy IN ({self.batches(_BEHIND)}) GROUP BY label, kind) GROUP BY label, kind",
            parameters={"begin": hour * HOUR_SECONDS, "gateways": gateways, "ends": ends}
        ).result_rows

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
