"""What is remembered of an engine between pages is bounded, whatever its pages hold."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from inferometer import catalogue as c
from inferometer.engines.labelled import MOST_LISTED
from tests.exporter.engines.play import Player, exposition, only
from tests.exporter.engines.strangers import ADAPTERS, ENDED, TOKENS, TTFT

PAGES = 15  # that are read, after as many


def counter(name: str, *labels: str) -> str:
    return exposition(name, "counter", *(f"{name}{{{pairs}}} {number + 1}"
                                         for number, pairs in enumerate(labels)))


@pytest.mark.parametrize("page", [
    lambda turn: counter(TOKENS, *(f'model_name="{turn}",x="{n}"' for n in range(150))),
    lambda turn: counter(TOKENS, *(f'model_name="{turn}.{n}"' for n in range(150))),
    lambda turn: counter(TOKENS, *(f'model_name="m",x="{turn}.{n}"' for n in range(150))),
    lambda turn: counter(ENDED, *(f'model_name="m",finished_reason="{turn}.{n}{"x" * 9000}"'
                                  for n in range(20))),
    lambda turn: counter(TOKENS, *(f'model_name="{turn}.{n}{"x" * 9000}"' for n in range(20))),
    lambda turn: counter("http_requests_total", *(
        f'handler="/v1/completions",method="POST",status="200",x="{turn}.{n}{"x" * 999}"'
        for n in range(50))) + counter(TOKENS, 'model_name="m"'),
    lambda turn: exposition(TTFT, "histogram", *(
        f'{TTFT}_bucket{{le="+Inf",model_name="m",x="{turn}.{n}"}} 1' for n in range(150))),
    lambda turn: (counter(TOKENS, *(f'model_name="m",x="{turn}.{n}"' for n in range(150)))
                  + f"process_start_time_seconds {turn * 1000}\n"),
], ids=["children of new models", "models", "children", "long children", "long models", "responses",
        "histograms", "processes"])
def test_of_ever_new_series_no_more_is_remembered_than_of_a_few_pages(
        page: Callable[[int], str]) -> None:
    player = Player()
    sizes = []
    tracemalloc.start()
    for turn in range(2 * PAGES):
        player.play(page(turn), after=1)
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(sizes[PAGES:]) < 1.25 * max(sizes[:PAGES]) + 2**18


def test_of_a_list_of_adapters_as_many_are_read_as_may_be_told_apart() -> None:
    names = ",".join(f"a{number}" for number in range(10_000))
    labels = f'max_lora="4",running_lora_adapters="{names}",waiting_lora_adapters=""'
    reading = Player().play(exposition(ADAPTERS, "gauge", f"{ADAPTERS}{{{labels}}} 1")
                            + counter(TOKENS, 'model_name="m"'))
    assert only(reading, c.SERVER_LORA_RUNNING) == MOST_LISTED
