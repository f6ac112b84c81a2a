"""What answers are looked at for, as senders send them: counted exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.quality.planting import SENDERS, planted
from tests.exporter.sinks.sending import post
from tests.exporter.support import wait_for

DOCUMENTS = """Answer from these documents.

[1] The tower is 1,083 feet (330 m) high. It was opened on 31 March 1889.
[2] Guests call +33 1 44 11 23 23, or write to Visits@tower.example. A ticket is 29.40 \u20ac.
"""
SUPPORTED = ("It is 1083 feet high.", "It opened in 1889 [1].", "A ticket is \u20ac29.4.",
             "Write to visits@tower.example, or call 01 44 11 23 23.",
             "They say \u201cthe tower is 1,083 feet\u201d high.")
UNSUPPORTED = "It is 1084 feet high.", "Write to visit@tower.example.", "A ticket is 29.45 \u20ac."


LOOP = "The tower stands on the left bank of the river and is open all day. " * 40
# By check and label, answers to DOCUMENTS; all are answers, and no refusal but the last.
ANSWERS = {
    ("facts_supported", "pass"): SUPPORTED, ("facts_supported", "fail"): UNSUPPORTED,
    ("citations_known", "pass"): ("It is high [1], and dear [2].",),
    ("citations_known", "fail"): ("It is high [3].", "It is dear [1-4]."),
    ("not_repetitive", "fail"): (LOOP,), ("not_empty", "fail"): (" ",),
    ("not_refused", "fail"): ("I'm sorry, but I can't help with that.",),
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with gateway_in(tmp_path) as running:
        yield running


def evaluations(gateway: Gateway) -> Counter[tuple[str, str, str]]:
    """By service, evaluation and label, over its models."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for (service, _, *rest), value in gateway.points(c.EVALUATIONS.name).items():
        if isinstance(value, float):
            sums[service, rest[0], rest[1]] += int(value)
    return +sums


def wait_for_calls(gateway: Gateway, number: int) -> None:
    wait_for(lambda: sum(
        value for value in gateway.points(c.CLIENT_REQUESTS.name).values()
        if isinstance(value, float)) >= number, seconds=60)


def test_planted_answers_of_every_sender_are_looked_at_to_the_digit(gateway: Gateway) -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    calls = 0
    for sender in SENDERS:
        service = sender.folder
        sent = []
        for (check, label), texts in ANSWERS.items():
            sent += [planted(sender, service, text, prompt=DOCUMENTS) for text in texts]
            expected[service, check, label] += len(texts)
        sent.append(planted(sender, service, "It has 1665 steps.", prompt="How many steps?"))
        expected[service, "facts_supported", "unknown"] += 1  # no documents: nobody can say
        # An answer that is known to cite has [1] in it.
        expected[service, "citations_known", "pass"] += 1
        expected[service, "not_empty", "pass"] += len(sent) - 1
        expected[service, "not_refused", "pass"] += len(sent) - 1
        expected[service, "not_repetitive", "unknown"] += len(sent) - 2
        calls += len(sent)
        assert post(gateway.intake.url, b"".join(sent)) == 200
    wait_for_calls(gateway, calls)
    counted = evaluations(gateway)
    for sender in SENDERS:
        own = {key: value for key, value in expected.items() if key[0] == sender.folder}
        assert {key: value for key, value in counted.items() if key[0] == sender.folder} == own
    assert counted == expected
