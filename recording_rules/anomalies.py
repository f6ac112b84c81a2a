"""What a call of an application costs and takes in tokens, beside what is expected of it.

Gateways of one ledger say the same. Where several ledgers have calls of one application, the
greatest figure is shown, in the widest band; each is judged by its own.
"""

from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.agents import SERVICE
from recording_rules.model import Group, Rule
from recording_rules.promql import any_of, by


@dataclass(frozen=True)
class Expectation:
    """A figure of the last complete hour, and the edges of its band."""

    value: Rule
    lower: Rule
    upper: Rule

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All of them."""
        return self.value, self.lower, self.upper


def _expectation(value: Metric, band: Metric, meaning: str) -> Expectation:
    def edge(pick: str, name: str) -> Rule:
        return Rule(f"client:{value.name}:expected_{name}",
                    f"{pick} {by(SERVICE)} ({band.name}{{{any_of(c.BAND, name)}}})", SERVICE,
                    f"{meaning}: the {name} edge of what is expected of the last complete hour.")

    return Expectation(
        Rule(f"client:{value.name}:last_hour", f"max {by(SERVICE)} ({value.name})", SERVICE,
             f"{meaning}, on average in the last complete hour. Absent below 30 calls."),
        edge("min", "lower"), edge("max", "upper"))


COST = _expectation(c.REQUEST_COST, c.REQUEST_COST_EXPECTED, "What a call cost, in USD")
TOKENS = _expectation(c.REQUEST_TOKENS, c.REQUEST_TOKENS_EXPECTED,
                      "Tokens in and out of a call")

GROUPS = (Group("inferometer-anomalies", (*COST.rules, *TOKENS.rules), interval="2m"),)
