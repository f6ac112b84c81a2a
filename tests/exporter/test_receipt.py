"""A receipt: what became of it comes to who waits, once, whoever is first."""

from __future__ import annotations

import threading
import time

import pytest

from inferometer.receipt import Receipt


def test_who_listens_before_or_after_is_called_once() -> None:
    receipt, calls = Receipt(), []
    receipt.add_done_callback(lambda _: calls.append("before"))
    assert (calls, receipt.done()) == ([], False)
    receipt.set_result(None)
    assert receipt.done()
    receipt.add_done_callback(lambda _: calls.append("after"))
    assert calls == ["before", "after"]


def test_who_waits_gets_why_it_could_not_be_kept() -> None:
    receipt = Receipt()
    threading.Timer(0.1, lambda: receipt.set_exception(OSError("disk full"))).start()
    assert str(receipt.exception(10)) == "disk full"
    with pytest.raises(OSError, match="disk full"):
        receipt.result(10)


def test_who_waits_too_long_is_given_a_time_out() -> None:
    receipt = Receipt()
    with pytest.raises(TimeoutError):
        receipt.result(0.05)
    receipt.set_result(None)
    assert receipt.exception(0) is None
    receipt.result(0)


def test_a_listener_is_called_once_though_it_comes_at_the_moment_it_is_kept() -> None:
    for _ in range(300):
        receipt, start = Receipt(), threading.Barrier(2)
        calls: list[Receipt] = []

        def keep() -> None:
            start.wait(10)  # noqa: B023  # ends with its turn
            receipt.set_result(None)  # noqa: B023  # the same

        thread = threading.Thread(target=keep)
        thread.start()
        start.wait(10)
        receipt.add_done_callback(calls.append)
        thread.join(10)
        deadline = time.monotonic() + 10
        while not calls and time.monotonic() < deadline:
            time.sleep(0.001)  # until the other thread has called it
        assert calls == [receipt]
