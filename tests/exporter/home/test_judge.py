"""Figures against their limits, and since when: by the formulae of the rules."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.config import Config, parse
from inferometer.home.judge.tracks import HOUR, WINDOW, GrowthTrack, Track
from inferometer.home.judge.verdicts import Judge
from inferometer.home.problems import rows, state_of
from inferometer.values import Histogram
from tests.exporter.home.html_check import Checked
from tests.exporter.home.scene import NOW, Scene

BOUNDS = (0.5, 1.0, 2.0, 4.0)
TARGET = ("chat", "vllm", "tiny", "")


class Load:
    """An engine under load: every step so many requests of the same duration end."""

    def __init__(self, text: str = "", role: str = "") -> None:
        self.scene = Scene()
        self.scene.judge = Judge(parse(text or "{}", "test", role))
        self.counts = [0.0] * 5
        self.outcomes = dict.fromkeys(("success", "error", "rejected", "invalid", "abort"), 0.0)
        self.scene.engine()

    def step(self, times: int, requests: float = 10.0, seconds: float = 0.4,
             **outcomes: float) -> None:
        for _ in range(times):
            self.counts = [count + requests * (bound >= seconds)
                           for count, bound in zip(self.counts, (*BOUNDS, 9e9), strict=True)]
            self.outcomes["success"] += requests
            for outcome, many in outcomes.items():
                self.outcomes[outcome] += many
            for metric in (c.SERVER_DURATION, c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_QUEUE):
                self.scene.say(metric, TARGET, Histogram(BOUNDS, tuple(self.counts), 0.0))
            for outcome, many in self.outcomes.items():
                self.scene.say(c.SERVER_REQUESTS, (*TARGET, outcome, "_other"), many)
            self.scene.record()

    def alerts(self) -> dict[str, str]:
        return {problem.alert: problem.severity for problem in self.scene.content().problems}


LAX = """
fleet:
  limits: {request_duration_p95_seconds: 3, time_to_first_token_p95_seconds: 3,
           time_per_output_token_p95_seconds: 3, request_queue_p95_seconds: 3,
           output_tokens_per_second: 0}
"""


def test_what_is_within_its_limits_is_no_problem() -> None:
    load = Load(LAX)
    load.step(WINDOW)
    assert load.alerts() == {}


@pytest.mark.parametrize(("limit", "severity"), [("3", "critical"), ("1.6", "critical"),
                                                 ("2.5", "warning")])
def test_far_over_a_limit_that_somebody_chose_it_is_critical_and_over_it_a_warning(
        limit: str, severity: str) -> None:
    load = Load(LAX.replace("duration_p95_seconds: 3", f"duration_p95_seconds: {limit}", 1))
    load.step(WINDOW, seconds=4.0 if limit != "3" else 9.0)
    if limit == "3":
        assert load.alerts()["LLMRequestsSlow"] == "warning"  # the histogram ends at 4
    else:
        assert load.alerts()["LLMRequestsSlow"] == severity


def test_a_default_is_never_critical() -> None:
    load = Load()
    load.step(WINDOW, seconds=9.0)
    assert load.alerts()["LLMFirstTokenSlow"] == "warning"


def test_a_models_own_limit_comes_before_the_fleets() -> None:
    load = Load(f"{LAX}  models: {{tiny: {{limits: {{request_duration_p95_seconds: 0.3}}}}}}\n")
    load.step(WINDOW)
    assert "LLMRequestsSlow" in load.alerts()
    assert "LLMFirstTokenSlow" not in load.alerts()


def test_where_the_limits_are_another_exporters_defaults_hold_and_the_page_says_so() -> None:
    load = Load("role: sidecar")
    load.step(WINDOW, seconds=1.0)
    load.scene.role = "sidecar"
    assert load.alerts()["LLMFirstTokenSlow"] == "warning"
    assert "Limits are the defaults" in Checked(load.scene.page()).text


def test_too_few_requests_are_judged_by_the_hour() -> None:
    load = Load(LAX)
    load.step(HOUR - WINDOW, requests=10.0)
    load.step(WINDOW, requests=0.5, seconds=4.0)  # slow now, but few
    assert "LLMRequestsSlow" not in load.alerts()
    fresh = Load(LAX)
    fresh.step(WINDOW, requests=1.0, seconds=4.0)
    assert "LLMRequestsSlow" not in fresh.alerts()  # fewer than 20 in the hour


def test_failures_over_the_limit_warn_and_an_outage_is_critical() -> None:
    load = Load(LAX)
    load.step(2 * WINDOW, error=1.0)
    assert load.alerts()["LLMRequestsFailing"] == "warning"
    load.step(2 * WINDOW, error=30.0)
    assert load.alerts()["LLMRequestsFailing"] == "critical"


def test_a_model_that_is_slow_and_fails_is_degraded() -> None:
    load = Load(LAX)
    load.step(WINDOW, seconds=4.0, error=5.0)
    assert load.alerts()["LLMServiceDegraded"] == "critical"


def test_goodput_is_over_its_limit_once_even_the_most_of_it_is() -> None:
    load = Load(f"{LAX.replace('_p95_seconds: 3', '_p95_seconds: 2')}".replace(
        "output_tokens_per_second: 0}", "output_tokens_per_second: 0, goodput_ratio: 0.9}"))
    load.step(WINDOW, requests=9.0)
    assert "LLMGoodputLow" not in load.alerts()
    load.step(WINDOW, requests=9.0, seconds=4.0)
    assert "LLMGoodputLow" in load.alerts()


def test_a_finding_keeps_since_when_it_is_so_and_begins_anew_after_it_ended() -> None:
    load = Load(LAX)
    load.step(WINDOW, seconds=0.4)
    load.step(2 * WINDOW, seconds=4.0)
    (problem,) = [one for one in load.scene.content().problems if one.alert == "LLMRequestsSlow"]
    assert problem.since == NOW + 30 * (WINDOW + 1)  # the second slow step makes p95 exceed 3 s
    load.step(2 * WINDOW, seconds=0.4)
    assert "LLMRequestsSlow" not in load.alerts()


def test_a_reload_takes_other_limits() -> None:
    load = Load(LAX)
    load.step(WINDOW, seconds=1.0)
    assert "LLMFirstTokenSlow" not in load.alerts()
    load.scene.judge.configure(Config())
    assert "LLMFirstTokenSlow" in load.alerts()


def test_a_gpu_is_judged_by_memory_heat_rows_and_errors() -> None:
    scene = Scene()
    scene.gpu()
    key = ("0", "GPU-0")
    scene.say(c.GPU_MEMORY_USED, (*key, ""), 23.9 * 2**30)
    scene.say(c.GPU_TEMPERATURE, key, 91.0)
    scene.say(c.GPU_SLOWDOWN, key, 87.0)
    scene.say(c.GPU_REMAP_FAILED, key, 1.0)
    for errors in (0.0, 1.0):
        scene.say(c.GPU_ECC, (*key, "uncorrected"), errors)
        scene.say(c.GPU_THROTTLED, (*key, "hw_thermal"), 100 + 30 * errors)
        scene.record()
    found_alerts = {problem.alert for problem in scene.content().problems}
    assert found_alerts == {"GpuMemoryNearlyFull", "GpuHeldDownByHardware", "GpuRemapFailed",
                            "GpuMemoryErrorUncorrected"}
    text = Checked(scene.page()).text.replace("\u00a0", " ")
    assert "it is at 91.0 °C, and slows down at 87.0 °C" in text
    assert "99.6 % of its memory is in use, limit 98 % (default)" in text


def test_a_budget_is_held_against_what_was_spent_since_the_exporter_counts() -> None:
    scene = Scene()
    budgets = "{month: 100, day: {usd: 50, page: true}}"
    scene.judge = Judge(parse(f"fleet: {{budgets_usd: {budgets}}}", "test"))
    for usd in (0.0, 90.0):
        scene.say(c.COST, ("gpu", "", "GPU-0"), usd)
        scene.record()
    problems = {(problem.alert, problem.severity) for problem in scene.content().problems}
    assert problems == {("CostBudgetExceeded", "critical"), ("CostBudgetNearlyUsed", "warning")}


@pytest.mark.parametrize(("category", "dear"), [("gpu", True), ("api", False)])
def test_a_request_costs_what_is_self_hosted_and_nothing_of_hosted_calls(
        category: str, dear: bool) -> None:
    load = Load(LAX.replace("limits: {", "limits: {request_cost_usd: 0.05, ", 1))
    for step in range(WINDOW):  # ten requests in each
        load.scene.say(c.COST, ("gpu", "", "GPU-0"), 0.1 * step)
        load.scene.say(c.COST, (category, "gpt", ""), 9.0 * step)
        load.step(1)
    assert ("CostPerRequestHigh" in load.alerts()) is dear


def test_what_only_informs_is_a_note_and_leaves_the_state_as_it_is() -> None:
    scene = Scene()
    scene.gpu()
    for seconds in (0.0, 30.0):
        scene.say(c.GPU_OBSERVED, ("0", "GPU-0"), seconds)
        scene.say(c.GPU_BUSY, ("0", "GPU-0"), seconds / 10)
        scene.record()
    (problem,) = scene.content().problems
    assert (problem.alert, problem.level, state_of([problem])) == ("GpusUnderused", "note", "ok")
    checked = Checked(scene.page())
    assert ("h2", "No problems") in checked.headings
    assert "1 note: GPUs" in checked.text


def test_engines_that_are_down_for_one_reason_are_one_line_with_all_their_alerts() -> None:
    scene = Scene()
    for name in ("a", "b"):
        scene.down(name, read_at=NOW - 5, model="tiny")
    scene.record()
    (line,) = [line for line in rows(scene.content().problems) if "Down" in line.text]
    assert ([name for name, _ in line.places], line.alerts) == (["a", "b"], ["LLMEngineDown"])


def test_a_track_has_the_numbers_of_its_steps_and_forgets_old_ones() -> None:
    track = Track(5)
    for step in (0, 1, 4):
        track.put(step, float(step))
    assert track.last(4, 5) == [0.0, 1.0, 4.0]
    assert track.last(4, 2, ago=3) == [0.0, 1.0]
    track.put(6, 6.0)
    assert track.last(6, 5) == [4.0, 6.0]
    track.add(6, 1.0)
    assert track.total(6, 1) == 7.0


def test_growth_is_kept_by_step_for_a_window_and_by_window_for_an_hour() -> None:
    track = GrowthTrack((1.0,))
    for step in range(2 * HOUR):
        track.add(step, Histogram((1.0,), (1.0, 2.0), 3.0))
    assert track.window(2 * HOUR - 1) == Histogram((1.0,), (10.0, 20.0), 30.0)
    assert track.hour(2 * HOUR - 1).counts == (HOUR, 2 * HOUR)
