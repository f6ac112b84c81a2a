"""What Grafana shows: definitions only."""

from typing import Any

from dashboards import (
    cost,
    exporter,
    feedback,
    fleet,
    gpu,
    latency,
    panels,
    quality,
    rag,
    requests,
    throughput,
)
from dashboards.model import Board, BoardQuery, queries, substitute

__all__ = ["DASHBOARDS", "Board", "BoardQuery", "queries", "render_all", "substitute"]

# In the order of the links between them.
DASHBOARDS: tuple[Board, ...] = (
    fleet.BOARD, latency.BOARD, throughput.BOARD, requests.BOARD, rag.BOARD,
    feedback.BOARD, quality.BOARD, gpu.BOARD, cost.BOARD, exporter.BOARD,
)


def render_all() -> dict[str, dict[str, Any]]:
    """Every board's JSON by its uid."""
    return {board.uid: panels.render(board, DASHBOARDS) for board in DASHBOARDS}
