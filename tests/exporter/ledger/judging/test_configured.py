"""What a configuration must have so that somebody judges, and what a reload changes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.config import Config, JudgeSection, parse
from inferometer.documents.mistakes import Document
from inferometer.facts import ModelCall
from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.judging.making import limits_of, price_of, runner_of
from inferometer.ledger.judging.part import JudgePart
from inferometer.pricing import CallToPrice, PricedCall, PriceSource
from tests.exporter.ledger.judging.judged import ALL, judge_all, runner, send, settle
from tests.exporter.ledger.judging.judged import GOOD as GOOD_ANSWER
from tests.exporter.ledger.making import ledger_in, section
from tests.exporter.process import command
from tests.scripted_judge import ScriptedJudge

GATEWAY = "role: gateway\nledger: {path: %s}\n"
GOOD = "content: {store: true}\njudge: {url: 'http://127.0.0.1:1', model: m}\n"


def mistakes(text: str) -> list[str]:
    config = parse(f"role: gateway\n{text}", "x")
    document = Document("x")
    JudgePart(config).check(config, document)
    error = document.error()
    return str(error).splitlines() if error else []


@pytest.mark.parametrize(("text", "mistake"), [
    (GOOD, ""), ("", ""), ("judge: {sample_ratio: 0.5}", ""),
    ("judge: {url: 'http://a', model: m}", "judge.url: needs content.store: true, as a judge "
                                           "reads what was said"),
    ("content: {store: true}\njudge: {url: 'http://a'}",
     "judge.url: needs judge.model, which says what to ask for"),
    ("judge: {enabled: true}", "judge.enabled: needs judge.url, which says whom to ask"),
    ("content: {store: true}\njudge: {url: 'http://a', model: m, evaluations: []}",
     "judge.evaluations: must have one at least"),
    ("content: {store: true}\njudge: {url: 'http://a', model: m, key_file: /nowhere/key}",
     "judge.key_file: /nowhere/key: No such file or directory"),
])
def test_what_a_judge_needs_is_said_in_one_line(text: str, mistake: str) -> None:
    assert [line.partition(": ")[2] for line in mistakes(text)] == ([mistake] if mistake else [])


def test_without_a_url_nothing_is_shown_and_nothing_begins() -> None:
    part = JudgePart(parse("role: gateway\n", "x"))
    part.start()
    assert part.loops() == []
    assert [*part.collectors()] == []
    assert part.reading().seats == {}


def test_a_price_is_that_of_the_model_and_of_the_host_that_is_asked() -> None:
    asked: list[CallToPrice] = []

    def pricing(one: CallToPrice) -> PricedCall:
        asked.append(one)
        return PricedCall(PriceSource.SELF_HOSTED if len(asked) > 1 else PriceSource.HOSTED, 7)

    price = price_of(JudgeSection(url="https://api.example.com/v1", model="judge"), pricing)
    assert price(10, 2, 5) == (7, True)
    assert price(10, 2, 5) == (7, False)  # what its GPUs cost is spent already
    call = asked[0].call
    assert isinstance(call, ModelCall)
    assert (call.model, call.server_address, asked[0].usage.input, asked[0].usage.output) == (
        "judge", "api.example.com", 10, 2)


def test_limits_are_those_of_the_section() -> None:
    config = Config(judge=replace(JudgeSection(), sample_ratio=0.2, daily_usd=3, daily_calls=4))
    assert limits_of(config.judge) == DailyLimits(0.2, 3, 4)


def test_a_reload_changes_what_a_day_may_take_of_who_judges_already(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench, ScriptedJudge() as judge, runner(bench, judge) as running:
        for number in range(3):
            send(bench, f"{GOOD_ANSWER} {number}")
        settle(bench)
        running.configure(replace(ALL, calls=4))
        judge_all(running)
        running.configure(replace(ALL, calls=8))
        judge_all(running)
        assert len(judge.asked) == 8


def test_a_judge_of_which_nobody_knows_the_price_is_warned_of(tmp_path: Path,
                                                              caplog: pytest.LogCaptureFixture
                                                              ) -> None:
    caplog.set_level(logging.INFO)  # whatever another test has left
    with ledger_in(tmp_path):
        config = Config(ledger=section(tmp_path),
                        judge=JudgeSection(url="http://127.0.0.1:1", model="judge"))
        runner_of(config, lambda _: PricedCall(PriceSource.SELF_HOSTED, 0))
        assert caplog.records == []
        runner_of(config, lambda _: PricedCall(PriceSource.UNKNOWN))
        (line,) = caplog.records
        assert line.message.startswith("nobody knows what the judge costs: ")


@pytest.mark.parametrize(("text", "words", "code"), [
    ("content: {store: true}", "judge.url: names no judge", 2),
    ("judge: {url: 'http://127.0.0.1:1', model: m}", "judge.url: needs content.store: true", 2),
    (GOOD, "is no file: a gateway makes it", 1),
])
def test_the_verb_says_what_is_missing_in_one_line(tmp_path: Path, text: str, words: str,
                                                    code: int) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text(GATEWAY % section(tmp_path).path + text + "\n")
    done = command("judge", "run", "--once", "--config", config)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert words in line
