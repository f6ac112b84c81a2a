"""What Grafana shows: definitions only."""

from typing import Any

from dashboards import cost, exporter, fleet, gpu, latency, panels, throughput
from dashboards.model import Asked, Board, queries, replaced

__all__ = ["DASHBOARDS", "Asked", "Board", "queries", "rendered", "replaced"]

# In the order of the links between them.
DASHBOARDS: tuple[Board, ...] = (
    fleet.BOARD, latency.BOARD, throughput.BOARD, gpu.BOARD, cost.BOARD, exporter.BOARD,
)


def rendered() -> dict[str, dict[str, Any]]:
    """Every board's JSON by its uid."""
    return {board.uid: panels.render(board, DASHBOARDS) for board in DASHBOARDS}
