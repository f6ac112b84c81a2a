"""The memory of a real exporter among strangers: never near its limit, whatever they print."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from inferometer.engines.room import LIMIT_BYTES
from inferometer.engines.target import DOCUMENT_BYTES
from tests.exporter.engines.strangers import SERIES, Stranger, made_crowd, megabytes

LIMIT = LIMIT_BYTES / 2**20
MODELS = ("models", "histograms", "escapes")  # pages that name more models than one target may
MOST = 0.8 * LIMIT  # MiB that are ever used: the rest is for the kernel's part, and for luck


@pytest.mark.timeout(60)
def test_four_large_pages_at_a_time_of_any_shape_leave_memory_and_the_good_engine_alone(
        tmp_path: Path) -> None:
    stranger = Stranger(2 * 2**20)
    with made_crowd(tmp_path, 4) as crowd:
        for first in range(0, len(SERIES), 4):
            for engine, shape in zip(crowd.engines, [*SERIES][first:], strict=False):
                packed = engine is crowd.engines[0]
                engine.serve(stranger.packed(shape) if packed else stranger.page(shape))
            crowd.scrape()
        assert any("MiB that all pages share" in why for why in crowd.reasons())
        crowd.heal(whole_again=False)  # some have named models until no seat is left
        assert megabytes(crowd.running) < MOST
        print(f"{megabytes(crowd.running):.0f} MiB at most")


def test_engines_that_turn_strange_at_random_are_well_again_when_they_like(tmp_path: Path) -> None:
    dice, stranger = random.Random(3), Stranger(2**18)
    with made_crowd(tmp_path, 3, seconds=2.0) as crowd:
        for _ in range(10):
            for engine in crowd.engines:
                stranger.spoil(engine, dice)
            crowd.scrape()
        crowd.heal(whole_again=False)
        assert megabytes(crowd.running) < MOST


@pytest.mark.parametrize("item", ['{"":{}}', *(
    pytest.param(item, marks=pytest.mark.heavy) for item in ("[]", "{}", "[0]", '"aé"', "1e5",
                                                             "[" * 900 + "]" * 900))])
def test_documents_beside_the_pages_take_turns_and_are_bounded(tmp_path: Path, item: str) -> None:
    number = (DOCUMENT_BYTES - 40) // (len(item.encode()) + 1)
    document = '{"data": [' + ",".join([item] * number) + "]}"
    with made_crowd(tmp_path, 8) as crowd:
        before = megabytes(crowd.running)
        for engine in crowd.engines:
            engine.paths |= dict.fromkeys(("/version", "/v1/models"), document)
        assert crowd.are_up(crowd.scrape()) == [1] * 8
        assert megabytes(crowd.running) < before + 80
        asked = [path for engine in crowd.engines for path, _ in engine.asked]
        assert asked.count("/v1/models") == 8


@pytest.mark.heavy
@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", [2**19 - 2**14, 12 * 2**20])
@pytest.mark.parametrize("shape", SERIES)
def test_eight_pages_at_once_of_any_shape_stay_below_the_limit(tmp_path: Path, shape: str,
                                                               size: int) -> None:
    stranger = Stranger(size)
    for turn in (0, 1):
        stranger.page(shape, turn)  # it is made before anybody waits for it
    with made_crowd(tmp_path, 8) as crowd:
        for engine in crowd.engines:
            engine.serve(stranger.answer(shape))
        for _ in range(4):
            crowd.scrape()
        crowd.heal(whole_again=shape not in MODELS)
        assert megabytes(crowd.running) < MOST
        print(f"{shape}: {megabytes(crowd.running):.0f} MiB at most, "
              f"{megabytes(crowd.running, 'VmRSS'):.0f} after it")
