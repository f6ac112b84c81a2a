"""Runs real senders against a real gateway, and says of each whether it counts what was sent.

    python -m tests.e2e.senders [KIND...]

`make senders` installs what they need. Each calls a provider that answers by a script and writes
down what it answered; its instrumentation's spans go to a gateway, whose /metrics are then read.
Figures are to be equal where any span has them, and never above.

Exit codes: 0 all is equal, 1 something is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.e2e.gateways import gateway
from tests.e2e.seen import seen_by
from tests.e2e.senders.comparing import Comparison, compare
from tests.e2e.senders.kinds import KINDS
from tests.e2e.senders.playing import play
from tests.e2e.senders.provider import provider

SETTLE_SECONDS = 10.0  # as it is by default


def comparisons(names: Sequence[str], folder: Path) -> Iterator[Comparison]:
    """Play the senders of these names one after another, and compare all with one page."""
    with provider() as asked, gateway(folder, SETTLE_SECONDS) as running:
        played = []
        for name in names:
            before = len(asked.log.calls)
            spans = play(KINDS[name], asked.url, f"http://127.0.0.1:{running.intake}", folder)
            played.append((KINDS[name], asked.log.calls[before:], spans))
        page, top = running.settled()
        for kind, calls, spans in played:
            compared = compare(kind, calls, spans, page)
            seen_by(page, [kind.service], top)  # the ledger has what the page has
            yield compared


def main(arguments: Sequence[str]) -> int:
    """Play them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.senders", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    names = parser.parse_args(arguments).kinds or [*KINDS]
    if unknown := [name for name in names if name not in KINDS]:
        parser.error(f"no sender is called {', '.join(unknown)}; there are {', '.join(KINDS)}")
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for compared in comparisons(names, Path(name)):
            print(compared, flush=True)
            wrong += bool(compared.wrong)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
