"""Which numbers of a text are an alert's own, whatever unit they are written in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts import words
from alerts.model import AlertGroup
from deploy.build import figures, proofs
from deploy.build.bundle import Bundle
from recording_rules import limits
from recording_rules.promql import MODEL
from tests.bundle.test_proofs import ALERT, EVENT, RULE, bundle, entry


def derived(text: str) -> Bundle:
    """With this as the meaning of an alert with many figures."""
    rare = f'rate({RULE}{{model=~"48|79"}}[30m]) > 1.5'
    many = replace(
        ALERT, hold="5m", because="It is.", keep_firing="1h",
        description=f"{{{{ $value }}}} requests to {words.MODEL} wait.",
        expr=f"{RULE} > 0.05 * 20 / 300 and on ({', '.join(MODEL)}) "
             f"(min_over_time({RULE}[1d] offset 90m) > 1e6 or {rare})")
    return replace(entry("Meaning", text), alert_groups=(AlertGroup("queues", (many, EVENT)),))


@pytest.mark.parametrize("text", [
    "for 5 minutes", "300 seconds", "5m", "20 requests in 5 minutes", "5 %", "95 % of", "0.05",
    "an hour, or 60 minutes", "1 day", "24 hours", "25.5 hours ago", "1.5 times", "150 %", "50 ms",
    "1000000 tokens", "codes 48 and 79", "p95 of fp8 on H100 after 5xx", "XIDs 1, 2, 3 and 4",
    "HTTP 404", "`35 days`", "[see](https://a.example/9)", "one", "100 %", "30-minute windows",
    "1/20 of them", "2/3 of them",
])
def test_figures_of_a_text_are_the_alerts_own_in_whatever_unit(text: str) -> None:
    assert proofs.findings(derived(text)) == []


@pytest.mark.parametrize("text", [
    "6 minutes", "5 hours", "20 %", "21 requests", "2 days", "1.6 times", "p95 of 7", "500 ms",
    "9 to 5 minutes", "1/21 of them", "3/4 of them",
])
def test_a_figure_that_only_looks_like_one_of_them_is_refused(text: str) -> None:
    (finding,) = proofs.findings(derived(text))
    assert "is no figure of the alert" in finding


def test_a_limit_that_an_alert_reads_lends_it_its_default_and_no_other() -> None:
    queue, first = (limit.rule() for limit in (limits.QUEUE, limits.TTFT))
    recorded = bundle(queue, first).rules
    reading = replace(ALERT, expr=f"{RULE} > {limits.TTFT.selector}")
    own = figures.of_alerts([reading], recorded)
    (half, two) = figures.of_text("500 ms, 1000 ms")
    assert (half.derives_from(own), two.derives_from(own)) == (True, False)
