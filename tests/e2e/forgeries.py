"""Capabilities that are forged, used or expired, offered to a gateway: none may be taken.

    python -m tests.e2e.forgeries [--count N] [--sabotage]

First good ones are used, each for one vote; all that is offered then is worth nothing. Votes are
counted in the ledger's file without Inferometer, beside the answers. With --sabotage the gateway
does not write down which capabilities were used, and the drill is good that notices it.

Exit codes: 0 all is so, 1 something is not.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from inferometer.capabilities import MOST_SECONDS, sign
from tests.exporter.support import free_port, wait_for

GOOD = 100  # capabilities that are used first
START_SECONDS = 120.0  # on a machine that has much else to do
KEY = b"6d1f0f3a2a7e4f0fb3a1d0c9c8b7a6958473625140fedcba"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Offer(NamedTuple):
    """A capability, and the vote that comes with it."""

    kind: str
    token: str
    trace: str
    name: str = "thumbs_up"
    id: str = ""


def good(trace: str, seconds: float = 3600, key: bytes = KEY) -> str:
    """One that lets in, unless said otherwise."""
    return sign(key, ("thumbs_up", "thumbs_down"), f"trace:{trace}", int(time.time() + seconds))


def changed(token: str, place: int, chance: random.Random) -> str:
    """The token with another part, which its signature is not of."""
    parts = token.split(".")
    others = {1: str(int(parts[1]) + 1000), 2: "thumbs_up+copy",
              3: good(secrets.token_hex(16)).split(".")[3], 4: secrets.token_urlsafe(16)}
    if place in others:
        parts[place] = others[place]
    else:
        i = chance.randrange(len(parts[5]))
        parts[5] = parts[5][:i] + chance.choice(LETTERS.replace(parts[5][i], "")) + parts[5][i + 1:]
    return ".".join(parts)


def offers(used: Sequence[Offer], count: int, chance: random.Random) -> Iterator[Offer]:
    """So many that are worth nothing, of each kind as many."""
    kinds: Sequence[Callable[[str], Offer]] = (
        lambda trace: chance.choice(used)._replace(kind="used", id=secrets.token_hex(8)),
        lambda trace: chance.choice(used)._replace(kind="used, other name", name="thumbs_down",
                                                   id=secrets.token_hex(8)),
        lambda trace: Offer("expired", good(trace, -chance.randint(1, 10**6)), trace),
        lambda trace: Offer("good for too long", good(trace, MOST_SECONDS + 60), trace),
        lambda trace: Offer("other key", good(trace, key=secrets.token_bytes(32)), trace),
        lambda trace: Offer("changed", changed(good(trace), chance.randint(1, 5), chance), trace),
        lambda trace: Offer("cut", good(trace)[:-chance.randint(1, 60)], trace),
        lambda trace: Offer("other name", good(trace), trace, "copy"),
        lambda trace: Offer("other subject", good(secrets.token_hex(16)), trace),
        lambda trace: Offer("unsigned", good(trace).rpartition(".")[0] + ".", trace),
    )
    for number in range(count):
        yield kinds[number % len(kinds)](secrets.token_hex(16))


def post(connection: HTTPConnection, offer: Offer) -> int:
    """The answer's status."""
    vote = {"name": offer.name, "trace_id": offer.trace} | ({"id": offer.id} if offer.id else {})
    connection.request("POST", "/v1/feedback", json.dumps(vote), {
        "Content-Type": "application/json", "Authorization": f"Bearer {offer.token}"})
    reply = connection.getresponse()
    reply.read()
    if reply.getheader("Connection") == "close":
        connection.close()
    return reply.status


@contextmanager
def gateway(folder: Path, fault: str) -> Iterator[int]:
    """The port of a real one, ended by SIGKILL."""
    port = free_port()
    (folder / "key").write_bytes(KEY)
    config = folder / "gateway.yml"
    config.write_text(
        "role: gateway\nweb: {listen: '127.0.0.1:0'}\nintake: {listen: '127.0.0.1:0'}\n"
        f"ledger: {{path: ledger.db}}\n"
        f"feedback: {{listen: '127.0.0.1:{port}', capability_key_file: key}}\n")
    command = ("tests.e2e.drills.faulty", fault) if fault else ("inferometer",)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "run", "--config", str(config)],
            stdout=log, stderr=log)
    try:
        wait_for(lambda: _answers(port), START_SECONDS)
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            return post(connection, Offer("", "", "")) == 401
    except OSError:
        return False


def kept(folder: Path) -> int:
    """Votes in the ledger's file."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM votes").fetchone()[0])


def act(folder: Path, count: int, fault: str) -> int:
    """How many are taken that should not be; prints what came of each kind."""
    chance = random.Random(count)
    taken: Counter[str] = Counter()
    offered: Counter[str] = Counter()
    with gateway(folder, fault) as port, closing(
            HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        traces = [secrets.token_hex(16) for _ in range(GOOD)]
        used = [Offer("good", good(trace), trace) for trace in traces]
        statuses = Counter(post(connection, offer) for offer in used)
        assert statuses == {202: GOOD}, f"good ones are not taken: {statuses}"
        for offer in offers(used, count, chance):
            offered[offer.kind] += 1
            taken[offer.kind] += post(connection, offer) in (200, 202)
        too_many = kept(folder) - GOOD
    for kind, number in offered.items():
        print(f"{kind:<18} {number:>6} offered {taken[kind]:>6} taken", flush=True)
    print(f"{'all':<18} {sum(offered.values()):>6} offered {taken.total():>6} taken, "
          f"{too_many} more votes in the ledger", flush=True)
    return max(taken.total(), too_many)


def main(arguments: Sequence[str]) -> int:
    """Do it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.forgeries", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="that are offered (10000)")
    parser.add_argument("--sabotage", action="store_true", help="with a faulty gateway")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        taken = act(Path(folder), options.count, "forgets-nonces" if options.sabotage else "")
    if options.sabotage:
        print("used capabilities: noticed" if taken else "used capabilities: NOT NOTICED")
    return int(bool(taken) != options.sabotage)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
