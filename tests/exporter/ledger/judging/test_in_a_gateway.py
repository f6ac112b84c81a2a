"""A gateway whose configuration names a judge: verdicts are on its page, whoever judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.e2e.gateways import Gateway, gateway
from tests.exporter.ledger.judging.judged import BAD, GOOD
from tests.exporter.ledger.judging.posting import configured, post
from tests.exporter.process import command
from tests.exporter.support import wait_for
from tests.scripted_judge import ScriptedJudge

pytestmark = pytest.mark.timeout(300)
OF_SHOP = {"service_name": "shop", "model": "m"}


@pytest.fixture
def judge() -> Iterator[ScriptedJudge]:
    with ScriptedJudge() as judge:
        yield judge


def judged(gateway: Gateway) -> float:
    return sum(series.value for series in gateway.page().find(c.JUDGEMENTS.name))


def test_another_process_judges_beside_the_gateway_which_shows_it(tmp_path: Path,
                                                                   judge: ScriptedJudge) -> None:
    with gateway(tmp_path, more=configured(judge)) as running:
        post(running.intake, [GOOD, BAD])

        def judge_once() -> bool:
            done = command("judge", "run", "--once", "--config", running.config)
            assert done.returncode == 0, done.stderr
            return judged(running) == 6

        wait_for(judge_once, 120.0, 1.0)
        page = running.page()
        assert page.value(c.JUDGEMENTS.name, **OF_SHOP, result="judged") == 6
        assert page.value(c.REFUSALS.name, **OF_SHOP, source="judge") == 0
        assert page.value(c.EVALUATION_SAMPLE.name, **OF_SHOP, evaluation="faithfulness",
                          kind="judged") == 2
        for label, number in (("pass", 1), ("fail", 1), ("unknown", 0)):
            assert page.value(c.EVALUATIONS.name, **OF_SHOP, evaluation="faithfulness",
                              label=label) == number
        assert page.value(f"{c.EVALUATION_SCORE.name}_count", **OF_SHOP,
                          evaluation="faithfulness") == 2
        assert page.value(c.JUDGE_WAITING.name) == 0
        assert page.value(c.JUDGE_SAMPLING.name) == 1
        assert (page.value(c.JUDGE_INPUT.name, model="judge-model") or 0) > 100
        cost = page.value(c.JUDGE_COST.name, model="judge-model")
        assert cost
        assert cost == page.value(c.COST.name, category="api", model="judge-model")
        assert running.verb("verify").returncode == 0
    assert len(judge.asked) == 8  # two for faithfulness, of each of the answers


def test_the_gateway_judges_itself_and_goes_on_after_a_restart(tmp_path: Path,
                                                               judge: ScriptedJudge) -> None:
    with gateway(tmp_path, more=configured(judge, enabled=True)) as running:
        post(running.intake, [GOOD])
        wait_for(lambda: judged(running) == 3, 120.0, 0.5)
    with gateway(tmp_path, more=configured(judge, enabled=True)) as running:
        wait_for(lambda: judged(running) == 3, 120.0, 0.5)
        post(running.intake, [BAD])
        wait_for(lambda: judged(running) == 6, 120.0, 0.5)
    assert len(judge.asked) == 8
