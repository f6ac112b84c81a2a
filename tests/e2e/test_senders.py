"""Real senders: what the gateway counts of each is what its provider answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.senders.__main__ import comparisons
from tests.e2e.senders.comparing import compare
from tests.e2e.senders.kinds import KINDS, Kind
from tests.e2e.senders.playing import APPLICATION, Span
from tests.e2e.senders.provider import Call
from tests.exporter.support import Page

CALL = Call("chat", "model", "success", "", {"input": 1201, "output": 241})
SPANS = (Span("1", APPLICATION, "chat", "{}"), Span("1", "sdk", "call", '{"in": 1201, "out": 241}'))


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_what_is_counted_of_every_sender_is_what_its_provider_answered(tmp_path: Path) -> None:
    compared = [*comparisons([*KINDS], tmp_path)]
    assert [one.sender for one in compared] == [*KINDS]
    assert {one.sender: one.wrong for one in compared if one.wrong} == {}


def wrong(requests: int = 1, entry: int = 1201, spans: tuple[Span, ...] = SPANS) -> list[str]:
    """What is wrong about a page with these figures of one call."""
    labels = '{service_name="sender-one",model="model"'
    page = Page(f"# TYPE llm_client_requests_total counter\n"
                f'llm_client_requests_total{labels},outcome="success",error_type=""}} {requests}\n'
                f"# TYPE llm_client_input_tokens_total counter\n"
                f"llm_client_input_tokens_total{labels}}} {entry}\n"
                f"# TYPE llm_client_output_tokens_total counter\n"
                f"llm_client_output_tokens_total{labels}}} 241\n")
    return compare(Kind("one", ("chat",), ()), [CALL], spans, page).wrong


def test_a_figure_that_is_not_what_was_answered_is_noticed() -> None:
    assert wrong() == []
    assert wrong(requests=2) == ["chat is 2 success for 1 success"]
    assert wrong(entry=1200) == ["chat input is 1200 for 1201"]
    assert wrong(entry=2402) == ["chat input is 2402 for 1201"]


def test_a_figure_that_no_span_has_is_noticed_where_it_should_be_there() -> None:
    bare = (SPANS[0], Span("1", "sdk", "call", '{"in": 11201, "out": 241}'))
    assert wrong(entry=0, spans=bare) == ["spans are said to lack nothing"]
    assert wrong(requests=0, entry=0, spans=SPANS[:1])[-1] == "spans are said to lack nothing"
