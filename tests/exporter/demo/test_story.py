"""The story names what there is: real alerts, gpus, engines and GPUs, in time that suffices."""

from __future__ import annotations

import pytest

from alerts import ALERT_GROUPS
from dashboards import DASHBOARDS
from inferometer.bundle import runbook
from inferometer.cli.demo import PARTS
from inferometer.demo.fleet import APPLICATIONS, FLEET, GPUS, HOSTED
from inferometer.demo.story import ROUND_MINUTES, STORY, Episode, without_calls
from inferometer.durations import milliseconds

ALERTS = {(alert.name, alert.severity): (alert, group)
          for group in ALERT_GROUPS for alert in group.alerts}
ENGINES = {seat.name for seat in FLEET}
RATES_MINUTES = 5  # that rules look back


@pytest.mark.parametrize("episode", STORY, ids=lambda episode: episode.title)
def test_a_chapter_names_only_what_there_is(episode: Episode) -> None:
    assert episode.board in {board.uid.removeprefix("inferometer-") for board in DASHBOARDS}
    assert {*episode.conditions, *episode.dead} <= {*ENGINES, HOSTED}
    assert set(range(GPUS)) >= {*episode.ailments, *episode.lost}
    for expected in episode.expected:
        assert (expected.alert, expected.severity) in ALERTS
        assert f"\n## {expected.alert}\n" in runbook()


@pytest.mark.parametrize("episode", STORY, ids=lambda episode: episode.title)
def test_an_alert_has_the_time_that_its_rule_takes(episode: Episode) -> None:
    for expected in episode.expected:
        alert, group = ALERTS[expected.alert, expected.severity]
        hold, interval = (milliseconds(text) / 60_000 for text in (alert.hold, group.interval))
        assert hold + 2 * interval + (RATES_MINUTES if hold > 5 else 0) <= expected.minutes
        assert expected.minutes < episode.minutes


def test_every_chapter_but_the_first_expects_an_alert() -> None:
    assert [bool(episode.expected) for episode in STORY] == [False, *[True] * (len(STORY) - 1)]


def test_a_round_of_it_takes_a_few_minutes_at_the_usual_pace() -> None:
    assert ROUND_MINUTES / 60 < 4


def test_the_command_line_has_every_part_of_it() -> None:
    assert len(PARTS) == len(STORY)
    for part, episode in zip(PARTS, STORY, strict=True):
        assert {*part.split()} & {*episode.title.lower().split()} - {"a"}


def test_every_engine_has_gpus_of_its_own() -> None:
    taken = [gpu for seat in FLEET for gpu in seat.gpus]
    assert len(set(taken)) == len(taken)
    assert set(taken) < set(range(GPUS))


def test_every_engine_and_the_hosted_model_are_called_by_one_application() -> None:
    called = [name for application in APPLICATIONS for name in application.served_by]
    assert sorted(called) == sorted([*ENGINES, HOSTED])


def test_without_a_gateway_no_alert_about_calls_is_expected() -> None:
    about_calls = {expected.alert for episode in STORY for expected in episode.expected
                   if expected.of_calls}
    assert about_calls == {alert for episode in STORY for expected in episode.expected
                           if (alert := expected.alert).startswith("LLMClient")}
    shorter = without_calls(STORY)
    assert not about_calls & {expected.alert for one in shorter for expected in one.expected}
    assert [bool(episode.expected) for episode in shorter] == [False, *[True] * (len(shorter) - 1)]
