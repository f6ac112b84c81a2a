"""Talks with a gateway's doors: nothing breaks them, and what counts is what they took."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.doors import over_http
from tests.e2e.doors.account import Account, compared
from tests.e2e.doors.fuzzing import DOORS, gateway_to_talk_to, talk
from tests.e2e.drills.bodies import INPUT, OUTPUT
from tests.e2e.fuzz_doors import main
from tests.e2e.gateways import Gateway

pytestmark = pytest.mark.timeout(900)
TALKS = 40  # with each door


@pytest.fixture(scope="module")
def account() -> Account:
    """Of all that is sent to the gateway."""
    return Account()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway_to_talk_to(tmp_path_factory.mktemp("doors")) as running:
        yield running


def test_no_talk_breaks_a_door_or_a_count(running: Gateway, account: Account) -> None:
    for door in DOORS:
        talk(running, door, account, TALKS)
    assert min(len(account.must), len(account.may), len(account.never)) > TALKS
    assert compared(running, account) == []


@pytest.mark.heavy
@pytest.mark.parametrize("door", DOORS)
def test_no_longer_talks_do(door: str) -> None:
    assert main([door, "--seconds", "90"]) == 0


IDS = {bytes([number]) * 24 for number in range(4)}
TOKENS = (4.0 * INPUT, 4.0 * OUTPUT)


@pytest.mark.parametrize(("sent", "kept", "counted", "tokens", "mistake"), [
    (Account(must=IDS), [*IDS], 4, TOKENS, ""),
    (Account(may=IDS), [*IDS], 4, TOKENS, ""),
    (Account(must=IDS | {b"more"}), [*IDS], 4, TOKENS, "1 calls were answered as taken"),
    (Account(never=IDS), [*IDS], 4, TOKENS, "4 calls are there that no whole request"),
    (Account(), [*IDS], 4, TOKENS, "4 calls are there that nobody sent"),
    (Account(must=IDS), [*IDS, *IDS], 4, TOKENS, "4 calls have two rows"),
    (Account(must=IDS), [*IDS], 5, TOKENS, "4 calls are there and 5 are counted"),
    (Account(must=IDS), [*IDS], 4, (1.0, 1.0), "4 calls are there and have"),
], ids=["right", "no answer", "missing", "refused", "unknown", "doubled", "counted", "tokens"])
def test_each_mistake_of_a_count_is_noticed(
        sent: Account, kept: list[bytes], counted: float, tokens: tuple[float, float],
        mistake: str) -> None:
    wrong = sent.mistakes(kept, counted, tokens)
    assert len(wrong) == bool(mistake)
    assert mistake in "".join(wrong)


def test_a_door_that_takes_what_it_should_refuse_is_noticed(
        running: Gateway, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called broken here is whole, and so is taken."""
    monkeypatch.setitem(over_http.KINDS, "no gzip", lambda body, n: over_http.Manner().write(body))
    one = over_http.HttpTalk((), "no gzip", 0, pipelined=False, cuts=(), reset=False)
    broken = Account()
    with pytest.raises(AssertionError, match="no gzip"):
        over_http.have(running.intake, one, broken)
    account.may |= broken.never
