"""Alarms of what a judge finds, and judges that are blind: each fires, is silent, and ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from alerts import evaluation
from alerts.model import Alert
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.client_inputs import CALL, GATEWAY, SECOND, calls
from tests.bundle.promtool import VERSIONS, Series, growing, series

ANSWER = {"service_name": CALL["service_name"], "model": CALL["model"]}
WHOM = {"cluster": "east", **ANSWER}
_CALLER = "calls by shop to gpt-4o-mini in east"
MINUTES = 60
HOUR = 60
RESULTS = c.JUDGEMENT_RESULT.values


def shown(metric: Metric, values: str, suffix: str = "", scrape: Mapping[str, str] = GATEWAY, /,
          **labels: str) -> Series:
    return series(metric, values, scrape=scrape, suffix=suffix, **labels)


def lasting(value: float, minutes: int = MINUTES) -> str:
    return f"{value:g}x{minutes}"


# --- alarms ----------------------------------------------------------------------------------


def alarm(values: str, evaluated: str = "faithfulness", detector: str = "rate",
          estimate: str = "judged", scrape: Mapping[str, str] = GATEWAY) -> Series:
    return shown(c.QUALITY_ALARM, values, "", scrape, **ANSWER, evaluation=evaluated,
                 detector=detector, estimate=estimate)


def limit(value: float, evaluated: str = "faithfulness", detector: str = "rate") -> Series:
    return shown(c.EVALUATION_LIMIT, lasting(value), evaluation=evaluated, detector=detector)


def rates(estimate: str, bounds: Iterable[float], evaluated: str = "faithfulness"
          ) -> tuple[Series, ...]:
    """A rate, with the ends of its interval."""
    return tuple(shown(c.EVALUATION_RATE, lasting(value), **ANSWER, evaluation=evaluated,
                       estimate=estimate, bound=bound)
                 for bound, value in zip(c.BOUND.values, bounds, strict=True))


def sample(judged: int, labelled: int = 0, evaluated: str = "faithfulness") -> tuple[Series, ...]:
    return tuple(shown(c.EVALUATION_SAMPLE_SIZE, lasting(number), **ANSWER, evaluation=evaluated,
                       kind=kind) for kind, number in (("judged", judged), ("labelled", labelled)))


def scored(mean: float) -> tuple[Series, ...]:
    """Scores of answers: ten a minute."""
    of = {**ANSWER, "evaluation": "faithfulness"}
    return (shown(c.EVALUATION_SCORE, growing(10 * mean, MINUTES), "_sum", **of),
            shown(c.EVALUATION_SCORE, growing(10, MINUTES), "_count", **of))


CORRECTED = (*rates("corrected", (0.091, 0.078, 0.105)), *rates("judged", (0.125, 0.11, 0.14)),
             *sample(3000, 200), limit(0.05))
AS_JUDGED = (*rates("judged", (0.125, 0.11, 0.14)), *sample(3000), limit(0.05))
REFUSING = (*rates("judged", (0.08, 0.07, 0.09), "refusal"), *sample(900, 0, "refusal"),
            limit(0.05, "refusal"))
FALLEN = (*scored(0.71), limit(0.05, detector="mean"))
OF = {evaluation.HALLUCINATIONS: ("faithfulness", "rate"), evaluation.REFUSALS: ("refusal", "rate"),
      evaluation.FELL: ("faithfulness", "mean")}
FOUND = {evaluation.HALLUCINATIONS: AS_JUDGED, evaluation.REFUSALS: REFUSING,
         evaluation.FELL: FALLEN}


def text(alert: Alert, strength: str) -> str:
    """What it says of what is found."""
    texts = {
        evaluation.HALLUCINATIONS:
            f"12.5% of the answers to {_CALLER} state what their documents do not support (11% to "
            "14%, of 3000 that were judged; as the judge has it), limit 5%, as judged.",
        evaluation.REFUSALS:
            f"8% of the answers to {_CALLER} refuse what was asked (7% to 9%, of 900 that were "
            "judged; as the judge has it), limit 5%, as judged.",
        evaluation.FELL:
            f"The mean faithfulness of answers to {_CALLER} fell, to 0.71 over 1d, limit 0.05 "
            "below its own past."}
    return f"{texts[alert]} The evidence is {strength} times what an alarm takes."


def alarm_cases(alert: Alert) -> Iterable[Case]:
    evaluated, detector = OF[alert]

    def case(title: str, values: str, strength: str = "", minute: int = 40) -> Case:
        expected = (Firing(WHOM, text(alert, strength)),) if strength else ()
        return Case(title, alert, (alarm(values, evaluated, detector), *FOUND[alert]), expected,
                    minute)

    yield case("evidence for an alarm", lasting(1.4), "1.4")
    yield case("exactly what an alarm takes", lasting(1), "1")
    yield case("evidence that comes and goes, always below", " ".join(["0.3 0.9 0.6 0.98"] * 15))
    yield case("a spike of 8 minutes", "0.4x20 1.9x7 0.4x40", minute=32)
    yield case("evidence that was never enough, for long", lasting(0.95))
    yield case("evidence that fell a little", "1.6x30 0.85x30", "0.85", minute=58)
    yield case("evidence that fell to what ends it", "1.6x30 0.8x30", "0.8", minute=58)
    yield case("evidence that fell below what ends it", "1.6x30 0.79x30", minute=42)
    yield case("evidence that rises a little after its end", "1.6x20 0.5x15 0.95x30", minute=58)
    yield case("a gateway that was away, and has less evidence then", "1.6x20 _x15 0.9x30",
               minute=58)
    yield case("no evidence yet", lasting(0))
    yield Case("calls, and no judge at all", alert, (calls("success", growing(60, MINUTES)),),
               minute=40)
    others = {(name, kind) for name in c.JUDGED_EVALUATION.values for kind in c.DETECTOR.values}
    yield Case("evidence of all else", alert, tuple(
        alarm(lasting(2), *other) for other in sorted(others - {OF[alert]})), minute=40)


ALARMS = (
    Case("corrected by labels", evaluation.HALLUCINATIONS,
         (alarm(lasting(1.4), estimate="corrected"), *CORRECTED), (Firing(
             WHOM, f"9.1% of the answers to {_CALLER} state what their documents do not support "
             "(7.8% to 10.5%, of 3000 that were judged; corrected by 200 labels of people), limit "
             "5%, carried through the judge's errors. The evidence is 1.4 times what an alarm "
             "takes."),), 40),
    *(case for alert in OF for case in alarm_cases(alert)),
    Case("no rate, as too many could not be judged", evaluation.HALLUCINATIONS,
         (alarm(lasting(1.4)), limit(0.05)), (Firing(
             WHOM, f"Too many of the answers to {_CALLER} state what their documents do not "
             "support, limit 5%, as judged. The evidence is 1.4 times what an alarm takes."),), 40),
    Case("the same at two gateways of a ledger", evaluation.HALLUCINATIONS,
         (alarm(lasting(1.4)), alarm(lasting(1.4), scrape=SECOND), *AS_JUDGED),
         (Firing(WHOM, text(evaluation.HALLUCINATIONS, "1.4")),), 40),
)

# --- the judge -------------------------------------------------------------------------------

STEP = 4  # minutes
HOURS = 12


def verdicts(**a_step: float | str) -> tuple[Series, ...]:
    """Verdicts by what came of asking, in a step of four minutes, or as promtool has them."""
    steps = HOURS * HOUR // STEP
    values = {result: number if isinstance(number, str) else f"0+{number:g}x{steps}"
              for result, number in ({**dict.fromkeys(RESULTS, 0.0), **a_step}).items()}
    return tuple(shown(c.JUDGEMENTS, number, **ANSWER, result=result)
                 for result, number in values.items())


def blind_case(title: str, inputs: tuple[Series, ...], share: str = "", cause: str = "",
               hours: float = 8, before: str = "") -> Case:
    of = (f"{{}} of the verdicts that a judge was asked for on answers to {_CALLER} in the last "
          f"6h were not given, limit 10%. Most of these came to: {cause}. Nobody sees whether "
          "these answers are good.")
    expected = Firing(WHOM, of.format(share), of.format(before) if before else "")
    return Case(title, evaluation.BLIND, inputs, (expected,) if share else (), int(hours * HOUR),
                STEP)


BLIND = (
    blind_case("one of five verdicts too late", verdicts(judged=4, timeout=0.75, nonsense=0.25),
               "20%", "timeout"),
    blind_case("a judge that is gone", verdicts(failed=5), "100%", "failed"),
    blind_case("one of 20 too late", verdicts(judged=19, timeout=1)),
    blind_case("all of 18 in 6 hours failed", verdicts(failed=0.2)),
    blind_case("failures of 20 minutes", verdicts(
        judged="0+5x75 375+0x5 375+5x100", failed="0x75 5+5x5 30x100"), hours=6),
    blind_case("failures of 2 hours", verdicts(
        judged="0+5x75 375+0x30 375+5x100", failed="0x75 5+5x30 155x100"), "33.46%", "failed",
        hours=7, before="33.33%"),
    blind_case("failures of 2 hours, 6 hours ago", verdicts(
        judged="0+5x15 75+0x30 75+5x150", failed="0x15 5+5x30 155x150"), hours=10),
    blind_case("a gateway that begins its counters anew", verdicts(
        judged="0+5x100 0+5x100", timeout="0+0.25x100 0+0.25x100")),
    blind_case("nothing asked", verdicts()),
    blind_case("calls, and no judge at all", (calls("success", f"0+60x{HOURS * HOUR // STEP}"),)),
)


def unjudged(value: float) -> Series:
    return shown(c.UNJUDGED, lasting(value), **ANSWER, evaluation="faithfulness")


NO_RATE = (
    Case("15 % of 200 not judged", evaluation.NO_RATE, (unjudged(0.15), *sample(170)), (Firing(
        {**WHOM, "evaluation": "faithfulness"},
        f"15% of the sample of answers to {_CALLER} could not be judged for faithfulness, limit "
        "10%. There is no rate of it until fewer are."),), 40),
    Case("8 % not judged", evaluation.NO_RATE, (unjudged(0.08), *sample(184)), minute=40),
    Case("half of 10 not judged", evaluation.NO_RATE, (unjudged(0.5), *sample(5)), minute=40),
    Case("a spike of 8 minutes", evaluation.NO_RATE, (
        shown(c.UNJUDGED, "0.05x20 0.3x7 0.05x40", **ANSWER, evaluation="faithfulness"),
        *sample(170)), minute=32),
    Case("no judge at all", evaluation.NO_RATE, (calls("success", growing(60, MINUTES)),),
         minute=40),
)


def gone_case(title: str, waiting: str, judged: str, waits: int = 0, hours: float = 8,
              more: tuple[Series, ...] = ()) -> Case:
    expected = (Firing({"cluster": "east"},
                       f"{waits} answers in east wait for the judge, and more come. In the last 1h "
                       "it has judged none."),) if waits else ()
    return Case(title, evaluation.GONE,
                (shown(c.JUDGE_WAITING, waiting), *verdicts(judged=judged), *more), expected,
                int(hours * HOUR), STEP)


_LONG = HOURS * HOUR // STEP
GONE = (
    gone_case("a judge that is gone for 2 hours", "0x89 1+1x90", "0+5x90 450x90", 31),
    gone_case("the same once it has been back for a while", "0x89 1+1x30 1x60",
              "0+5x90 450x30 455+5x60", hours=9),
    gone_case("a judge that is too slow", "0+1x180", "0+1x180"),
    gone_case("a judge that is away for 40 minutes", "0x109 1+1x90", "0+5x110 550x90"),
    gone_case("one answer that is tried again and again, and no other", "1x180", "0+0x180"),
    gone_case("nothing to be judged", "0x180", "0+0x180"),
    gone_case("a budget that is spent", "0x89 1+1x90", "0+5x90 450x90",
              more=(shown(c.JUDGE_BUDGET_SPENT, "1x180"),)),
    gone_case("a budget of which less is left than a call costs", "0x89 1+1x90", "0+5x90 450x90",
              more=(shown(c.JUDGE_BUDGET_SPENT, "0.99x180"), shown(c.JUDGE_SAMPLING, "0x180"))),
    gone_case("a judge that is gone, and a budget that is not spent", "0x89 1+1x90",
              "0+5x90 450x90", 31, more=(shown(c.JUDGE_BUDGET_SPENT, "0.4x180"),
                                         shown(c.JUDGE_SAMPLING, "0.01x180"))),
    gone_case("a gateway that begins its counters anew", "0+1x180", "0+5x110 0+5x70"),
    Case("no judge at all", evaluation.GONE, (calls("success", f"0+60x{_LONG}"),), (), 8 * HOUR,
         STEP),
)


def spent_case(title: str, values: str, share: str = "", minute: int = 40,
               more: tuple[Series, ...] = (shown(c.JUDGE_SAMPLING, lasting(0.01)),)) -> Case:
    of = (f"{share} of the judge's budget of the day (UTC) in east is spent, limit 100%. No "
          "further answer comes into its sample today.")
    return Case(title, evaluation.SPENT, (shown(c.JUDGE_BUDGET_SPENT, values), *more),
                (Firing({"cluster": "east"}, of),) if share else (), minute)


SPENT = (
    spent_case("a budget that is spent", lasting(1), "100%"),
    spent_case("a budget of which less is left than a call costs", lasting(0.998), "99.8%",
               more=(shown(c.JUDGE_SAMPLING, lasting(0)),)),
    spent_case("a sample that falls, so that the budget lasts", lasting(0.97),
               more=(shown(c.JUDGE_SAMPLING, "0.01x20 0.0001x40"),)),
    spent_case("a budget that lasts", "0.5+0.01x49 0.99x20", minute=60),
    spent_case("spent 4 minutes before midnight", "0.9x20 1x3 0x40"),
    spent_case("after midnight", "1x30 0x30", minute=42),
    Case("no judge at all", evaluation.SPENT, (calls("success", growing(60, MINUTES)),), minute=40),
)
CASES = (*ALARMS, *BLIND, *NO_RATE, *GONE, *SPENT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*evaluation.GROUP.alerts, *evaluation.JUDGE_GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts
