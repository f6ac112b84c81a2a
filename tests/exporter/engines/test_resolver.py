"""Names that are resolved late, wrongly or never."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from inferometer.engines import resolver
from inferometer.engines.resolver import Address, Resolver, UnresolvedError
from inferometer.threads import NoThreadError
from tests.exporter.engines.slow_names import SlowNames
from tests.exporter.process import ANYWHERE, messages, ready, started
from tests.exporter.support import Engine, Exporter, fixture, wait_for

BUSY = fixture("vllm/0.32.0/busy.prom")

HOME: Address = (socket.AF_INET, ("127.0.0.1", 0))


class Patience:
    """A look that ends when it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        self.go.wait(30)
        return [HOME]


def soon(seconds: float = 0.05) -> float:
    return time.monotonic() + seconds


def running() -> int:
    return sum(thread.name == "resolve" for thread in threading.enumerate())


def test_a_name_that_never_resolves_costs_its_deadline_and_one_thread() -> None:
    look = Patience()
    names = Resolver(look)
    before = running()
    for _ in range(5):
        began = time.monotonic()
        with pytest.raises(UnresolvedError, match="the name slow was not resolved in time"):
            names.addresses("slow", soon())
        assert 0.04 < time.monotonic() - began < 0.5
    assert look.asked == ["slow"]
    assert running() == before + 1
    with pytest.raises(UnresolvedError):
        names.addresses("other", soon())  # not behind the first
    assert look.asked == ["slow", "other"]
    look.go.set()
    assert names.addresses("slow", soon(5)) == [HOME]


def test_all_who_ask_for_a_name_meanwhile_get_its_one_answer() -> None:
    look = Patience()
    names = Resolver(look)
    answers: list[list[Address]] = []
    threads = [threading.Thread(target=lambda: answers.append(names.addresses("n", soon(10))))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    look.go.set()
    for thread in threads:
        thread.join(10)
    assert answers == [[HOME]] * 5
    assert look.asked == ["n"]


def test_an_ip_address_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Patience()
    names = Resolver(look)
    assert names.addresses("127.0.0.1", 0.0) == [HOME]
    assert names.addresses("::1", 0.0)[0][1][0] == "::1"
    assert look.asked == []


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"),
                                   UnicodeError("label empty or too long")])
def test_a_name_that_is_refused_says_why_and_is_asked_for_again(error: Exception) -> None:
    asked: list[str] = []

    def refuse(host: str) -> list[Address]:
        asked.append(host)
        raise error

    names = Resolver(refuse)
    for _ in range(2):
        with pytest.raises(type(error)):
            names.addresses("n", soon(5))
    assert asked == ["n", "n"]


def test_more_unresolved_names_than_threads_may_be_kept_for_are_refused_at_once() -> None:
    look = Patience()
    names = Resolver(look)
    for number in range(resolver.MOST_NAMES):
        with pytest.raises(UnresolvedError):
            names.addresses(f"n{number}", soon(0.001))
    with pytest.raises(UnresolvedError, match="names are not resolved yet"):
        names.addresses("one more", soon(5))
    look.go.set()


def test_without_a_thread_there_is_no_answer_and_later_there_is(
        monkeypatch: pytest.MonkeyPatch) -> None:
    names = Resolver(lambda host: [HOME])

    def starved(job: object) -> None:
        raise NoThreadError("no thread can be had")

    with monkeypatch.context() as patch:
        patch.setattr(names._threads, "run", starved)
        with pytest.raises(UnresolvedError, match="no thread"):
            names.addresses("n", soon())
    assert names.addresses("n", soon(5)) == [HOME]


def threads(running: Exporter) -> int:
    return len(list(Path(f"/proc/{running.process.pid}/task").iterdir()))


@pytest.mark.timeout(60)
def test_in_a_real_exporter_names_that_hang_cost_their_targets_patience_and_a_thread_each(
        tmp_path: Path) -> None:
    names = SlowNames(tmp_path / "names")
    names.hang()
    config = tmp_path / "inferometer.yml"
    with Engine(BUSY) as engine:
        urls = [f"http://{host}:{engine.port}" for host in ("127.0.0.1", "a.slow", "b.slow")]
        config.write_text("gpu: {enabled: false}\nengines:\n  timeout_seconds: 0.3\n  targets:\n"
                          + "".join(f"  - {{url: {url}}}\n" for url in urls)
                          + f"  - {{url: {urls[1]}, name: again}}\n")
        with started(*ANYWHERE, "--config", config, env=names.env()) as running:
            ready(running)
            counts = []
            for _ in range(7):
                began = time.monotonic()
                page = running.scrape()
                assert time.monotonic() - began < 1
                assert page.values("llm_server_up", target=f"127.0.0.1:{engine.port}") == [1]
                assert sum(page.values("llm_server_up")) == 1
                counts.append(threads(running))
            assert counts[2:] == counts[1:2] * 5  # at the first one a thread may be new
            assert {line["why"] for line in messages(running, "engine does not answer")} == {
                f"the name {name}.slow was not resolved in time" for name in "ab"}
            names.answer()
            wait_for(lambda: sum(running.scrape().values("llm_server_up")) == 4)
