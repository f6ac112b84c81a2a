"""How much is measured: enough to be repeatable, or a quick look."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """How often and how long things are measured."""

    rounds: int = 5
    sampling_seconds: float = 12.0
    rest_seconds: float = 5.0
    scrapes: int = 60
    paced_scrapes: int = 6
    volleys: int = 3
    large_scrapes: int = 40
    long_scrapes: int = 1000
    day_scrapes: int = 5760  # one every 15 s
    replicas: int = 100
    fleet_hours: int = 24
    fleet_seconds: int = 30  # between two scrapes of the fleet
    board_rounds: int = 4
    intake_spans: int = 200_000
    door_bodies: int = 20_000
    steady_seconds: float = 600.0
    hostile_seconds: float = 60.0
    scrape_seconds: int = 30  # between two scrapes by a Prometheus that runs
    live_seconds: int = 600  # for which it does
    years: int = 1000  # of answers that are judged
    judged_a_day: tuple[int, ...] = (30, 100, 1000)
    coverage_runs: int = 4000  # of each cell of the corrected rate's table
    peers: bool = True  # whether the boards of others are asked too
    rules_percent: float = 1.0  # what all rules may take of their intervals
    query_ms: float = 100.0  # what the slowest query may take


FULL = Sizes()
QUICK = Sizes(rounds=2, sampling_seconds=5.0, rest_seconds=2.0, scrapes=15, paced_scrapes=3,
              volleys=1, large_scrapes=8, long_scrapes=400, day_scrapes=1200, replicas=10,
              fleet_hours=2, board_rounds=2, scrape_seconds=5, live_seconds=30,
               intake_spans=50_000, door_bodies=5000, steady_seconds=60.0, hostile_seconds=15.0,
              years=50, judged_a_day=(30, 100), coverage_runs=50)
# Others' boards would touch more samples than the machine can read in a day.
LARGE = replace(FULL, replicas=1000, fleet_hours=1, fleet_seconds=60, board_rounds=3, peers=False,
                rules_percent=5.0, query_ms=1000.0)
SIZES = {"full": FULL, "quick": QUICK, "large": LARGE}
