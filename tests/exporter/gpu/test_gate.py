"""Who may be in the driver, and when it may be closed."""

from __future__ import annotations

import threading

import pytest

from inferometer.gpu.gate import Gate, SessionEndedError
from tests.exporter.support import wait_for


def test_the_gate_lets_in_only_those_whose_session_lasts() -> None:
    gate = Gate()
    with pytest.raises(SessionEndedError), gate.inside("early", gate.session):
        pytest.fail("there is no session yet")
    gate.begin()
    first = gate.session
    with gate.inside("first", first):
        assert gate.since("first") is not None
    assert gate.since("first") is None
    gate.end()
    gate.begin()
    with pytest.raises(SessionEndedError), gate.inside("first", first):
        pytest.fail("its session has ended")


def test_the_gate_closes_once_all_are_out_and_keeps_new_ones_waiting() -> None:
    gate = Gate()
    gate.begin()
    leave, done = threading.Event(), threading.Event()

    def visit() -> None:
        with gate.inside("visitor", gate.session):
            leave.wait(5)

    def come_late(session: int) -> None:
        with gate.inside("late", session):
            done.set()

    visitor = threading.Thread(target=visit)
    visitor.start()
    wait_for(lambda: gate.since("visitor"))
    with gate.closed(0.05) as quiet:
        assert not quiet
        late = threading.Thread(target=come_late, args=(gate.session,))
        late.start()
        assert not done.wait(0.1)
    assert done.wait(5)
    leave.set()
    with gate.closed(5) as quiet:
        assert quiet
    visitor.join()
    late.join()
