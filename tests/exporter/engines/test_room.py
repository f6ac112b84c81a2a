"""The memory that pages share: nobody starves another, and all of it comes back."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest
import yaml

from inferometer.engines.page import PageError
from inferometer.engines.parser import Parser
from inferometer.engines.recognition import use_to
from inferometer.engines.room import FEW, LEAST_BYTES, LIMIT_BYTES, PAGES_BYTES, ROOM, Room
from inferometer.engines.tables import TABLES
from tests.exporter.engines.strangers import SERIES, page_of
from tests.exporter.support import fixture

ROOT = Path(__file__).parents[3]
MIB = 2**20
BUSY = fixture("vllm/0.32.0/busy.prom")


def test_the_room_is_a_part_of_the_memory_that_the_chart_grants_each_container() -> None:
    values = yaml.safe_load((ROOT / "deploy/chart/values.yaml").read_text())
    for role in ("node", "fleet", "sidecar"):
        assert values[role]["resources"]["limits"]["memory"] == f"{LIMIT_BYTES // MIB}Mi"
    assert PAGES_BYTES <= LIMIT_BYTES / 2
    assert ROOM.size == PAGES_BYTES


def test_whoever_comes_first_leaves_the_others_their_part() -> None:
    room = Room(64 * MIB)
    first, *others = (room.share() for _ in range(FEW))
    assert first.resize(36 * MIB)  # its own 4 and the half that is anybody's
    assert not first.resize(37 * MIB)
    assert first.size == 36 * MIB
    for other in others:
        assert other.resize(4 * MIB)
        assert not other.resize(5 * MIB)
    assert room.taken == room.size
    assert first.resize(10 * MIB)  # what is given back is anybody's
    assert others[0].resize(30 * MIB)


def test_of_many_each_has_enough_for_a_real_page() -> None:
    room = Room(64 * MIB)
    shares = [room.share() for _ in range(100)]
    assert all(share.resize(LEAST_BYTES) for share in shares)


def test_what_is_forgotten_is_given_back() -> None:
    room = Room(64 * MIB)
    share = room.share()
    assert share.resize(20 * MIB)
    del share
    assert room.taken == 0


def test_a_page_without_room_is_refused_and_takes_none() -> None:
    room = Room(16 * MIB)
    parser = Parser(use_to(TABLES), room)
    for body in (page_of(SERIES["models"], 4 * MIB), page_of(SERIES["histograms"], 4 * MIB)):
        with pytest.raises(PageError, match=r"of the 16 MiB that all pages share \(engines\."):
            parser.parse(body)
        assert room.taken == 0
    assert len(parser.parse(BUSY).families) > 50
    assert room.taken == parser.holds


@pytest.mark.parametrize("shape", SERIES)
def test_no_page_takes_more_than_the_room_and_none_harms_the_next_one(shape: str) -> None:
    room = Room(8 * MIB)
    parser, good = Parser(use_to(TABLES), room), Parser(use_to(TABLES), room)
    first = good.parse(BUSY)
    for turn in (0, 1):
        with contextlib.suppress(PageError):
            parser.parse(page_of(SERIES[shape], MIB, turn))
        assert room.taken <= room.size
        assert good.parse(BUSY).shape is first.shape
    assert parser.parse(BUSY).values == first.values


def test_large_pages_take_turns_within_their_deadline_and_small_ones_do_not_wait() -> None:
    room = Room()
    large, small = Parser(room=room), Parser(room=room)
    body = b"x 1\n" + b"# " + b"y" * MIB + b"\n"
    with room.turn(large=True):
        with (pytest.raises(PageError, match="too many pages at once"),
              large.begin(0.05) as arrival):
            arrival.take(body)
        with small.begin(0.05) as arrival:
            arrival.take(BUSY)
            arrival.end()
        done: list[object] = []
        thread = threading.Thread(target=lambda: done.append(large.parse(body)))
        thread.start()
        time.sleep(0.05)
        assert not done
    thread.join(10)
    assert done
