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


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with gateway_in(tmp_path) as running:
        yield running


def evaluations(gateway: Gateway, evaluation: str) -> Counter[tuple[str, str]]:
    """By service and label, over its models."""
    sums: Counter[tuple[str, str]] = Counter()
    for key, value in gateway.points(c.EVALUATIONS.name).items():
        service, _, name, label = key
        if name == evaluation and isinstance(value, float):
            sums[service, label] += int(value)
    return sums


def wait_for_calls(gateway: Gateway, number: int) -> None:
    wait_for(lambda: sum(
        value for value in gateway.points(c.CLIENT_REQUESTS.name).values()
        if isinstance(value, float)) >= number, seconds=60)


def test_facts_of_every_sender_are_held_against_the_documents_of_their_prompts(
        gateway: Gateway) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for sender in SENDERS:
        sent = []
        for label, texts in (("pass", SUPPORTED), ("fail", UNSUPPORTED)):
            sent += [planted(sender, sender.folder, text, prompt=DOCUMENTS) for text in texts]
            expected[sender.folder, label] += len(texts)
        sent.append(planted(sender, sender.folder, "It has 1665 steps.", prompt="How many steps?"))
        expected[sender.folder, "unknown"] += 1  # no documents: nobody can say
        assert post(gateway.intake.url, b"".join(sent)) == 200
    wait_for_calls(gateway, expected.total())
    assert evaluations(gateway, "facts_supported") == expected
