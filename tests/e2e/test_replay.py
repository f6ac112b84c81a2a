"""Captured bodies over HTTP to a gateway: figures are true wherever a span has them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.evidence import TOKEN_KINDS
from tests.e2e.replay import Scenes, differences, judge, main, read, replay
from tests.e2e.seen import Seen
from tests.e2e.verdicts import BAD, judged

FIXTURES = Path(__file__).parents[1] / "fixtures" / "otlp"
FOLDERS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
# The encodings of Python and of Node, caches, agents, retries; and what has no truth beside it.
FEW = ("vercel-ai-7.0.173-legacy", "handwritten-genai-0.1.0", "js-otlp-http-json")
SHUFFLES = 10  # of each; `python -m tests.e2e.replay --shuffles 50` makes more


def wrong(scenes: Scenes, seen: Mapping[str, Seen]) -> list[str]:
    """Each figure that is not as it should be."""
    return [f"{name}: {one}" for name, judgements in judge(scenes, seen).items()
            for one in judgements if one.verdict in BAD]


def changed_truths(scenario: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A scenario's truth with one token more: of one call, or of all together."""
    for kind in TOKEN_KINDS:
        for i, call in enumerate(scenario["calls"]):
            changed: Any = copy.deepcopy(scenario)
            changed["calls"][i]["tokens"][kind] = call["tokens"][kind] + 1
            yield changed
        changed = copy.deepcopy(scenario)
        changed["tokens"][kind] += 1
        yield changed


def test_figures_on_the_page_are_the_true_ones_and_one_changed_token_is_noticed() -> None:
    folders = [read(FIXTURES / name) for name in FEW]
    seen = replay(folders, times=2)
    assert [wrong(*pair) for pair in zip(folders, seen, strict=True)] == [[], [], []]
    spans = folders[0].evidence()
    assert seen[0]["tool_loop"].requests == 3
    assert all(
        any(one.verdict in BAD for one in judged(seen[0][name], changed, spans[name]))
        for name, scenario in folders[0].truth.items() for changed in changed_truths(scenario))


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FOLDERS)
def test_every_captured_folder_counts_as_it_was_called(name: str) -> None:
    scenes = read(FIXTURES / name)
    assert wrong(scenes, replay([scenes], times=3)[0]) == []
    assert wrong(scenes, replay([scenes], backwards=True)[0]) == []


@pytest.mark.heavy
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", FOLDERS)
def test_order_and_split_into_bodies_change_no_figure(name: str) -> None:
    assert differences(read(FIXTURES / name), SHUFFLES) == []


def test_a_folder_without_bodies_is_refused(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
