"""What people make of answers, and answers that nobody can use: by application and model."""

from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules.agents import SERVICE
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, quantile, ratio
from recording_rules.shares import ANSWERS, REGENERATED


def _hour(metric: Metric, label: Label, text: str) -> Rule:
    level = (*ANSWERS, label.name)
    return Rule(f"client:{metric.name.removesuffix('_total')}:increase1h",
                f"sum {by(level)} (increase({metric.name}[{HOUR}]))", level, f"In an hour: {text}.")


VOTES = _hour(c.FEEDBACK, c.VOTE_KIND, "votes that people cast, by kind")
UNREADABLE = _hour(c.PARSE_FAILURES, c.PARSE_KIND,
                   "answers that are not what they were to be, by what that is")
REFUSALS = _hour(c.REFUSALS, c.REFUSAL_SOURCE, "answers that are refusals, by who says so")
RATIO = Rule(
    "client:llm_feedback:ratio", f"max {by((*ANSWERS, c.VOTE_RATIO.name))} "
    f"({c.FEEDBACK_RATIO.name})", (*ANSWERS, c.VOTE_RATIO.name),
    "Of the last complete hours, by the votes that hold: thumbs up of all thumbs, answers that "
    "were regenerated or copied of all. Gateways of one ledger say the same.")
COPIED = Rule(
    "client:llm_answers_copied:ratio_1h",
    ratio(f"sum {by(ANSWERS)} ({VOTES}{{{any_of(c.VOTE_KIND, 'copy')}}})",
          str(REGENERATED.total)), ANSWERS,
    "Share of answers that people copied. Over an hour; absent without any.")
TURNS = {rank: Rule(
    f"client:{c.CONVERSATION_TURNS.name}:p{round(rank * 100)}_{HOUR}",
    quantile(SERVICE, c.CONVERSATION_TURNS, rank, HOUR), SERVICE,
    f"Turns of conversations that ended: {rank * 100:g} % had no more. Absent without any.")
    for rank in (0.5, 0.95)}
UNMATCHED = Rule(
    f"fleet:{c.FEEDBACK_UNMATCHED.name.removesuffix('_total')}:increase1h",
    f"sum {by(FLEET)} (increase({c.FEEDBACK_UNMATCHED.name}[{HOUR}]))", FLEET,
    "In an hour: votes that were given up, as their call never came.")

GROUPS = (Group("inferometer-votes", (
    VOTES, UNREADABLE, REFUSALS, RATIO, COPIED, *TURNS.values(), UNMATCHED), interval="2m"),)
