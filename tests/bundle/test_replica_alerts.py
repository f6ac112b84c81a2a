"""The alert about one replica that is slower than its model's others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.replicas import REPLICA_SLOW
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import BARE, MODEL, emit
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, growing


def replicas(*seconds: float, per_minute: float = 12, slow_per_minute: float = 12,
             kubernetes: bool = True, ranks: tuple[str, ...] = ("",)) -> tuple[Series, ...]:
    """One for each mean request duration; of more than a second it has traffic of its own."""
    return tuple(one for number, mean in enumerate(seconds)
                 for one in replica(number, mean, slow_per_minute if mean > 1 else per_minute,
                                    kubernetes, ranks))


def replica(number: int, mean: float, per_minute: float, kubernetes: bool,
            ranks: tuple[str, ...]) -> Iterator[Series]:
    scrape = {**(SCRAPE if kubernetes else BARE), "instance": f"10.0.0.{number}:9835"}
    if kubernetes:
        scrape["pod"] = f"chat-{number}"
    for rank in ranks:
        for suffix, growth in (("_count", per_minute), ("_sum", per_minute * mean)):
            yield emit(c.SERVER_DURATION, growing(growth / len(ranks), 60), suffix=suffix,
                       scrape=scrape, **({"rank": rank} if rank else {}))


def slow(number: int, value: str = "5s", kubernetes: bool = True) -> Firing:
    text = f"is {value} over 5m, more than 3 times the median of the model's replicas."
    own = {"job": "inferometer", "instance": f"10.0.0.{number}:9835", "target": "chat"}
    if not kubernetes:
        return Firing({"engine": "vllm", "model": "tiny", **own},
                      f"Mean request duration of replica chat of tiny {text}")
    return Firing({**MODEL, **own, "pod": f"chat-{number}"},
                  f"Mean request duration of replica chat-{number} of tiny in east/chat {text}")


CASES = (
    Case("one of five is ten times slower", REPLICA_SLOW, replicas(0.5, 0.5, 0.5, 5, 0.5),
         (slow(3),)),
    Case("one of three is ten times slower", REPLICA_SLOW, replicas(0.5, 5, 0.5), (slow(1),)),
    Case("two of five are slower", REPLICA_SLOW, replicas(0.5, 5, 0.5, 2, 0.5),
         (slow(1), slow(3, "2s"))),
    Case("the slow one is given fewer requests", REPLICA_SLOW,
         replicas(0.5, 0.5, 5, slow_per_minute=1.2), (slow(2),)),
    Case("the slow one has hardly any request", REPLICA_SLOW,
         replicas(0.5, 0.5, 5, 0.5, slow_per_minute=0.8)),
    Case("one of three has several ranks", REPLICA_SLOW,
         replicas(0.5, 5, 0.5, ranks=("0", "1")), (slow(1),)),
    Case("no labels of Kubernetes", REPLICA_SLOW, replicas(0.5, 5, 0.5, kubernetes=False),
         (slow(1, kubernetes=False),)),
    Case("one is twice as slow", REPLICA_SLOW, replicas(0.6, 1.2, 0.6, 0.6)),
    Case("all are slow", REPLICA_SLOW, replicas(5, 5, 5)),
    Case("one of two is slow, and nobody knows which is unlike the other", REPLICA_SLOW,
         replicas(0.5, 5)),
    Case("the others have no traffic", REPLICA_SLOW, replicas(0.5, 0.5, 5, per_minute=0)),
    Case("other models are faster", REPLICA_SLOW, (
        *replicas(0.5, 0.5, 0.5),
        *(one for mean in (5.0,) for one in (
            emit(c.SERVER_DURATION, growing(12, 60), suffix="_count", model="large"),
            emit(c.SERVER_DURATION, growing(12 * mean, 60), suffix="_sum", model="large"))))),
    Case("slow for the first minutes only", REPLICA_SLOW, replicas(0.5, 5, 0.5), minute=9),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_replica_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
