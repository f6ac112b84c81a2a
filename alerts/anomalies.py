"""Calls that cost or take more or less than in the same hour of the weeks before.

Gateways judge by their ledgers: 2 of the last complete hours outside of the band, on one side.
"""

from __future__ import annotations

from alerts import words
from alerts.model import USAGE, Alert, AlertGroup
from alerts.promql import answered, value_of
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import anomalies
from recording_rules.agents import SERVICE
from recording_rules.anomalies import Expectation
from recording_rules.promql import any_of, by, on

_USD, _NUMBER = 'printf "%.4g"', 'printf "%.0f"'


def _hours(measure: str, *matchers: str) -> str:
    """How many of the last hours were outside, by application."""
    chosen = ", ".join((any_of(c.USAGE_MEASURE, measure), *matchers))
    return f"max {by(SERVICE)} ({c.REQUEST_OUTLIERS.name}{{{chosen}}})"


def _usual(band: Metric, unit: str) -> str:
    query = f"max {by(SERVICE)} ({band.name}{{{any_of(c.BAND, 'median')}, %s}})"
    return answered(query, f"{{{{ . | first | value | {unit} }}}}", labels=SERVICE)


def _expected(of: Expectation, unit: str) -> str:
    return f"{value_of(of.lower, unit)} to {value_of(of.upper, unit)}"


_SPENT = (f"{value_of(anomalies.COST.value, _USD)} USD, usually "
          f"{_usual(c.REQUEST_COST_EXPECTED, _USD)} USD")
_TAKEN = (f"{value_of(anomalies.TOKENS.value, _NUMBER)} tokens, usually "
          f"{_usual(c.REQUEST_TOKENS_EXPECTED, _NUMBER)}")


def _unusual(name: str, measure: str, of: Expectation, summary: str, text: str) -> Alert:
    return Alert(
        name, USAGE, "warning",
        f"{of.value} and {on(SERVICE)} {_hours(measure)} >= {c.LEAST_UNEXPECTED}",
        summary=summary,
        description=f"{text} In {c.LEAST_UNEXPECTED} or more of the last complete hours it was "
                    "outside of that, on one side.",
        board="cost", hold="0m", because="It is about hours that are over.")


def _cause(measure: str, too: str, alone: str) -> str:
    """What the other figure says."""
    return answered(f"{_hours(measure, '%s')} >= {c.LEAST_UNEXPECTED}", too, alone, SERVICE)


COST = _unusual(
    "LLMClientCostUnusual", "cost", anomalies.COST,
    "Calls of an application cost more or less than in the weeks before.",
    f"A call by {words.APPLICATION} cost {{{{ $value | {_USD} }}}} USD on average in the last "
    f"complete hour, usually {_usual(c.REQUEST_COST_EXPECTED, _USD)} USD, expected "
    f"{_expected(anomalies.COST, _USD)} USD. It took {_TAKEN}: "
    + _cause("tokens", "these are unusual too.",
             "these are as expected, so that a price has changed, or the model."))
TOKENS = _unusual(
    "LLMClientTokensUnusual", "tokens", anomalies.TOKENS,
    "Calls of an application take more or fewer tokens than in the weeks before.",
    f"A call by {words.APPLICATION} took {{{{ $value | {_NUMBER} }}}} tokens on average in the "
    f"last complete hour, usually {_usual(c.REQUEST_TOKENS_EXPECTED, _NUMBER)}, expected "
    f"{_expected(anomalies.TOKENS, _NUMBER)}."
    + answered(f"{anomalies.COST.value}{{%s}}", f" It cost {_SPENT}.", labels=SERVICE))

GROUP = AlertGroup("inferometer-anomaly-alerts", (COST, TOKENS), interval="2m")
