"""The demo's answers are judged for real: by the gateway's own part, and a past of five weeks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from inferometer.config import LedgerSection
from inferometer.demo.clock import StoryClock
from inferometer.demo.fleet import APPLICATIONS
from inferometer.demo.gateway import DemoGateway
from inferometer.demo.handbook import ORDERS, PUMPS, Handbook
from inferometer.demo.judge import MODEL, DemoJudge, verdict_on
from inferometer.demo.past_verdicts import ANSWERS_A_DAY, DAYS, SENSITIVITY, WRONG, write_past
from inferometer.demo.world import World
from inferometer.evaluations import ANSWER_RELEVANCE, FAITHFULNESS, REFUSAL, JudgementResult
from inferometer.ledger.opening import open_beside
from inferometer.quality.judge.interface import JudgeReply, JudgeRequest, JudgeUnit, JudgeVersion
from inferometer.quality.judge.prompted import PromptedJudge
from tests.exporter.support import Page, get, wait_for

JUDGED_SECONDS = 60.0  # until a judge has seen answers, on a machine that has much else to do
EVALUATIONS = (FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL)
SEARCHING = [caller for caller in APPLICATIONS if caller.index]


def replied(request: JudgeRequest) -> JudgeReply:
    return JudgeReply(json.dumps(verdict_on(request.prompt)))


def flagged(answer: str, handbook: Handbook = PUMPS, page: int = 17) -> dict[str, bool | None]:
    """What the demo's judge says of an answer to a question about a page that was found."""
    unit = JudgeUnit(handbook.asked(page), [handbook.page(3), handbook.page(page)], answer)
    verdicts = PromptedJudge(MODEL).judge(unit, EVALUATIONS, replied)
    assert {one.result for one in verdicts} == {JudgementResult.JUDGED}
    return {one.evaluation: one.flagged for one in verdicts}


@pytest.mark.parametrize("handbook", [PUMPS, ORDERS])
def test_its_judge_flags_what_was_made_up_and_lets_pass_what_was_found(handbook: Handbook) -> None:
    well = dict.fromkeys(EVALUATIONS, False)
    for page in range(0, 400, 23):
        assert flagged(handbook.page(page), handbook, page) == well
        assert flagged(handbook.invented(page), handbook, page) == well | {FAITHFULNESS: True}


def test_its_judge_flags_a_refusal() -> None:
    assert flagged("I'm sorry, but I can't help with that.")[REFUSAL] is True


def test_its_judge_answers_over_http_with_the_tokens_that_it_read() -> None:
    judge = DemoJudge()
    judge.start()
    try:
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x" * 400}]})
        with urlopen(Request(f"{judge.url}/chat/completions", body.encode()), timeout=30) as answer:
            document = json.load(answer)
    finally:
        judge.stop()
    assert (document["model"], document["usage"]["prompt_tokens"]) == (MODEL, 100)


def test_its_past_has_as_many_answers_of_each_application_and_labels_of_the_first(
        tmp_path: Path) -> None:
    section = LedgerSection(path=str(tmp_path / "ledger.db"), key_file=str(tmp_path / "key"))
    callers = [("shop", "m"), ("bot", "n")]
    write_past(section, JudgeVersion("judge", "p"), callers, time.time_ns())
    with closing(open_beside(section)) as database:
        ask = database.connection.execute
        units = dict(ask("SELECT service_name, count(*) FROM judged_units GROUP BY 1").fetchall())
        assert units == dict.fromkeys(("shop", "bot"), (DAYS - 1) * ANSWERS_A_DAY)
        of_all, labels = (ask(f"SELECT count(*) FROM {table}").fetchone()[0]
                          for table in ("judgements", "answer_labels"))
        assert of_all == 2 * (DAYS - 1) * ANSWERS_A_DAY * len(WRONG)
        both = "answer_labels JOIN judgements USING (unit, evaluation)"
        of_both = dict(ask(f"SELECT judgements.flagged, count(*) FROM {both} GROUP BY 1"))
        assert labels == sum(of_both.values())
        assert min(of_both.values()) >= 20
        (wrong, caught) = ask(
            f"SELECT sum(answer_labels.flagged), sum(answer_labels.flagged * judgements.flagged) "
            f"FROM {both}").fetchone()
        assert caught / wrong > SENSITIVITY - 0.2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoGateway]:
    world = World(StoryClock(60))
    world.start()
    gateway = DemoGateway(world, tmp_path_factory.mktemp("gateway"), "127.0.0.1:0")
    gateway.start()
    yield gateway
    gateway.stop()
    world.stop()


def page(gateway: DemoGateway) -> Page:
    return Page(get(urlsplit(gateway.url).port or 0).text)


def test_answers_are_judged_and_priced_while_the_applications_call(gateway: DemoGateway) -> None:
    wait_for(lambda: sum(page(gateway).values("llm_judgements_total", result="judged")) >= 6,
             JUDGED_SECONDS)
    wait_for(lambda: sum(page(gateway).values("llm_judge_cost_usd_total", model=MODEL)) > 0,
             JUDGED_SECONDS)
    shown = page(gateway)
    for result in ("nonsense", "timeout", "failed"):
        assert not sum(shown.values("llm_judgements_total", result=result))
    (judge,) = shown.find("llm_judge_info")
    assert judge.labels["model"] == MODEL
    assert shown.value("llm_judge_budget_spent_ratio") is not None


def test_rates_of_the_past_stand_beside_their_intervals_and_are_corrected_where_labelled(
        gateway: DemoGateway) -> None:
    wait_for(lambda: list(page(gateway).find("llm_evaluation_rate_ratio")), JUDGED_SECONDS)
    shown = page(gateway)
    for caller in SEARCHING:
        labels = {"service_name": caller.service, "evaluation": FAITHFULNESS}
        lower, point, upper = (shown.value("llm_evaluation_rate_ratio", **labels, bound=bound,
                                           estimate="judged")
                               for bound in ("lower", "point", "upper"))
        assert None not in (lower, point, upper)
        assert 0 < (lower or 0) < (point or 0) < (upper or 1) < 0.1
        alarm = max(shown.values("llm_quality_alarm_ratio", **labels))
        assert alarm < 0.8  # all is well, so that no alert is there before the story has one
    corrected = {series.labels["service_name"] for series in shown.find(
        "llm_evaluation_rate_ratio", estimate="corrected", bound="point")}
    assert corrected == {SEARCHING[0].service}


def test_checks_know_what_was_found_for_an_answer(gateway: DemoGateway) -> None:
    def facts(label: str) -> float:
        return sum(page(gateway).values("llm_evaluations_total", evaluation="facts_supported",
                                        label=label, service_name=SEARCHING[0].service))

    wait_for(lambda: facts("fail") > 0, JUDGED_SECONDS)
    assert facts("pass") > 5 * facts("fail")
