"""The largest pages that are taken, and more names than any engine has."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inferometer.engines.parser import MOST_LINES
from inferometer.engines.room import LIMIT_BYTES
from tests.exporter.hostile import BUSY, family, made_bed, models, served, tokens, total, totals

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]

LIMIT = 0.8 * LIMIT_BYTES / 2**20  # MiB
SEATS = 301  # models of one target: those for all, and the one kept back for it
SLOWLY = 30.0  # seconds: such pages are taken whole, if there is time
OUTPUT = "llm_server_output_tokens_total"


def test_of_3000_models_at_once_every_token_is_counted(tmp_path: Path) -> None:
    start = 0.0
    with made_bed(tmp_path, megabytes=LIMIT, seconds=SLOWLY) as bed:
        for value in (1, 3, 2, 10):  # the third is a restart
            start = time.time() if value in (1, 2) else start
            bed.serve(models((f"m{number}" for number in range(3000)), value)
                      + f"process_start_time_seconds {start}\n")
            page = bed.scrape(SLOWLY)
            counts = totals(page)
            grown = {1: 1, 3: 3, 2: 5, 10: 13}[value]  # the count goes on after a restart
            assert counts == [SEATS * value + (3000 - SEATS) * grown] * 8
            assert len(served(page)) == SEATS + 1
        bed.prove()
        bed.serve(BUSY)
        assert bed.scrape().value("llm_server_up", target="bad") == 1


def test_100000_models_one_after_the_other_cost_no_memory_and_no_count(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=130, seconds=SLOWLY) as bed:
        for turn in range(100):
            bed.serve(models(f"m{turn}-{number}" for number in range(1000)))
            counts = totals(bed.scrape(SLOWLY))
            assert counts == [1000 * (turn + 1) - (SEATS if turn else 0)] * 8
        assert len(served(bed.scrape(SLOWLY))) == 1  # all together
        bed.prove()


@pytest.mark.parametrize("labels", [
    lambda n: f'l{n}="{n}",model_name="m"',
    lambda n: f'engine="{n}",model_name="m"',
    lambda n: f'model_name="{n}"',
    lambda n: f'x="{"y" * 100}{n}",model_name="m"',
], ids=["label names", "ranks", "models", "long values"])
def test_a_page_of_many_lines_is_read_in_full_or_down_with_the_reason(
        tmp_path: Path, labels: Callable[[int], str]) -> None:
    with made_bed(tmp_path, megabytes=LIMIT, seconds=SLOWLY) as bed:
        for lines in (20_000, MOST_LINES - 10):
            for value in (1, 2):
                bed.serve(family("vllm:generation_tokens_total", "counter",
                                 *((labels(n), value) for n in range(lines))))
                page = bed.scrape(SLOWLY)
                up = page.value("llm_server_up", target="bad")
                assert up or lines > 20_000
                assert total(page, OUTPUT) == (lines * value if up else 0)
                assert up or "MiB that all pages share" in bed.why()
        bed.prove()


def test_a_page_that_takes_too_long_is_left_out_and_never_half_of_it(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=LIMIT, seconds=0.5) as bed:
        bed.serve(tokens(*((f"m{n}", 1) for n in range(50_000))))
        for _ in range(3):
            page = bed.scrape(10)
            up = page.value("llm_server_up", target="bad")
            assert total(page, OUTPUT) == (50_000 if up else 0)
