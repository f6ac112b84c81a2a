"""Posts captured bodies to a started gateway, and holds what it counts against what was true.

    python -m tests.e2e.replay FOLDER... [--json] [--times 3] [--reversed] [--shuffles 50]

A folder has bodies of OTLP (`NNN-traces.pb`, `NNN-traces.sent.json`, also of logs), and in
TRUTH.json what was really called, scenario by scenario. Each is sent over HTTP, protobuf plain,
packed or in chunks, and read from `/metrics` and `inferometer ledger top` alone. A figure is to be
the true one wherever any span holds it, unknown only where none does, and never above it.

Exit codes: 0 all is so, 1 something is not, 2 a folder has no bodies.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.e2e.evidence import SpanEvidence, evidence_of
from tests.e2e.gateways import Gateway, Sender, gateway
from tests.e2e.otlp_entries import (
    Entry,
    as_sent,
    body_of,
    entries_of,
    renamed,
    reversed_bodies,
    shuffled,
)
from tests.e2e.seen import Seen, seen_by
from tests.e2e.verdicts import (
    BAD,
    SEEN,
    Judgement,
    completed,
    judged,
    judged_sums,
)
from tests.exporter.support import Page

BETWEEN = "|"  # a scenario and the application's own name
NO_SCENARIO = "(no scenario)"
ALL = "(all)"
SETTLE_SECONDS = 1.0
AS_SENT = bytes(16)  # ids stay what they were
TRIES = 5  # of a shuffle that took longer than a trace may be quiet
# How one body after another is sent: packed, in chunks.
WAYS = ((False, False), (True, False), (False, True), (True, True))
Bodies = list[list[Entry]]


@dataclass(frozen=True)
class Scenes:
    """A folder: its entries by scenario, and what is true of each."""

    name: str
    entries: Sequence[Entry]
    scenarios: Mapping[str, str]  # by trace
    truth: Mapping[str, Mapping[str, Any]]
    totals: Mapping[str, Any]  # what the truth says of all of it

    @property
    def prefix(self) -> str:
        """Of its applications' names, where several folders go to one gateway."""
        return f"{self.name}{BETWEEN}"

    def scenario(self, entry: Entry) -> str:
        """Of the entry's trace."""
        return self.scenarios.get(entry.trace_id, NO_SCENARIO)

    def evidence(self) -> Mapping[str, Sequence[SpanEvidence]]:
        """The spans of each scenario."""
        spans: dict[str, list[SpanEvidence]] = defaultdict(list)
        for span in evidence_of(self.entries):
            spans[self.scenario(span.entry)].append(span)
        return spans

    def named(self, twist: bytes, prefix: str = "") -> list[Entry]:
        """Entries whose applications are named by their scenario, in traces of their own."""
        return [renamed(entry, f"{prefix}{self.scenario(entry)}{BETWEEN}{entry.service()}", twist)
                for entry in self.entries]


def read(folder: Path) -> Scenes:
    """Read a folder; one without a truth has none."""
    entries = entries_of(folder)
    path = folder / "TRUTH.json"
    document = json.loads(path.read_text()) if path.is_file() else {}
    truth = {name: completed(scenario)
             for name, scenario in document.get("scenarios", {}).items()}
    return Scenes(folder.name, entries, dict(_scenarios(entries, truth)), truth,
                  document.get("totals", {}))


def _scenarios(entries: Sequence[Entry], truth: Mapping[str, Mapping[str, Any]]
               ) -> Iterator[tuple[str, str]]:
    """Traces by what their root calls the scenario, or by the id of an answer in them."""
    spans = evidence_of(entries)
    answers = {call["response_id"]: name for name, scenario in truth.items()
               for call in scenario.get("calls", ()) if call.get("response_id")}
    for span in spans:
        for text in span.texts():
            if text in answers:
                yield span.entry.trace_id, answers[text]
    for span in spans:
        for leaf in span.leaves:
            if leaf.path == "scenario" and isinstance(leaf.value, str):
                yield span.entry.trace_id, leaf.value.strip('"')


def post(running: Gateway, bodies: Bodies, times: int = 1) -> float:
    """Send them all so many times; how many seconds it took."""
    began = time.monotonic()
    with Sender(running.intake) as sender:
        for _ in range(times):
            for number, body in enumerate(bodies):
                packed, chunked = WAYS[number % len(WAYS)]
                first = body[0]
                status = sender.post(first.signal, first.encoding, body_of(body), packed=packed,
                                     chunked=chunked)
                assert status == 200, f"a body was answered {status}"
    return time.monotonic() - began


def seen_in(page: Page, top: Mapping[str, Mapping[str, Any]], scenes: Scenes
            ) -> Mapping[str, Seen]:
    """What a gateway's page and its ledger say of each scenario."""
    services: dict[str, set[str]] = defaultdict(set)
    for entry in scenes.entries:
        scenario = scenes.scenario(entry)
        services[scenario].add(f"{scenes.prefix}{scenario}{BETWEEN}{entry.service()}")
    return {scenario: seen_by(page, sorted(names), top) for scenario, names in services.items()}


def judge(scenes: Scenes, seen: Mapping[str, Seen]) -> Mapping[str, Sequence[Judgement]]:
    """All figures of all scenarios; of a folder without a truth what was seen."""
    if not scenes.truth:
        return {name: [Judgement(figure, value, "", "", SEEN)
                       for figure, value in vars(one).items()] for name, one in seen.items()}
    spans = scenes.evidence()
    judgements = {name: list(judged(seen.get(name, Seen()), true, spans.get(name, ())))
                  for name, true in scenes.truth.items()}
    judgements[ALL] = list(judged_sums([*seen.values()], [*scenes.truth.values()], scenes.totals))
    return judgements


def replay(folders: Sequence[Scenes], times: int = 1, backwards: bool = False
           ) -> Sequence[Mapping[str, Seen]]:
    """Send their bodies to a gateway, and read what it counts of each folder's scenarios.

    One gateway shows some 200 kinds of calls, and of tools: enough for three folders. Raises
    AssertionError where `inferometer ledger verify` finds a difference.
    """
    with tempfile.TemporaryDirectory() as folder, \
            gateway(Path(folder), SETTLE_SECONDS) as running:
        for scenes in folders:
            entries = scenes.named(AS_SENT, scenes.prefix)
            bodies = reversed_bodies(entries) if backwards else as_sent(entries)
            post(running, _alike(bodies), times)
        page, top = running.settled()
        verified = running.verb("verify")
    assert verified.returncode == 0, verified.stdout
    return [seen_in(page, top, scenes) for scenes in folders]


def _alike(bodies: Bodies) -> Bodies:
    """Bodies of one signal and encoding each."""
    alike: Bodies = []
    for body in bodies:
        kinds: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in body:
            kinds[entry.signal, entry.encoding].append(entry)
        alike += kinds.values()
    return alike


def differences(scenes: Scenes, shuffles: int, seed: str = "") -> Sequence[str]:
    """What any order and split of the spans into bodies changes; all on one gateway."""
    chance = random.Random(f"{scenes.name}{seed}")
    with tempfile.TemporaryDirectory() as folder, \
            gateway(Path(folder), SETTLE_SECONDS) as running:
        twists: dict[str, int] = {}
        for number in range(shuffles + 1):
            for tried in range(TRIES):
                prefix = f"{number}.{tried}{BETWEEN}"
                entries = scenes.named(chance.randbytes(16), prefix)
                bodies = shuffled(entries, chance) if number else _alike(as_sent(entries))
                if post(running, bodies) < 0.8 * SETTLE_SECONDS:
                    twists[prefix] = number
                    break
            else:
                raise TimeoutError("bodies are not taken within the time a trace may be quiet")
        _, top = running.settled()
        verified = running.verb("verify")
    by_variant: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for service, row in top.items():
        prefix, _, name = service.partition(BETWEEN)
        by_variant[prefix + BETWEEN][name] = {
            key: _rounded(value) for key, value in row.items() if key != "service"}
    first, *others = twists
    different = [f"{prefix} {name}: {by_variant[prefix].get(name)} is not {expected}"
                 for prefix in others
                 for name, expected in by_variant[first].items()
                 if by_variant[prefix].get(name) != expected]
    return [*different, *([verified.stdout] if verified.returncode else [])]


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


def _print(name: str, judgements: Mapping[str, Sequence[Judgement]]) -> None:
    print(f"\n{name}")
    for scenario, of_scenario in judgements.items():
        for one in of_scenario:
            if one.verdict == "equal" and not one.seen:
                continue
            spans = f"  in {'; '.join(one.spans)}" if one.spans else ""
            print(f"  {scenario:<20} {one.figure:<20} {one.seen!s:>8} of {one.true!s:>8}, "
                  f"held {one.least!s:>6}: {one.verdict}{spans}")


def main(arguments: Sequence[str]) -> int:
    """Replay the folders; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.replay", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--times", type=int, default=1, help="send every body so many times")
    parser.add_argument("--reversed", action="store_true", dest="backwards",
                        help="send the last body first, and its last span first")
    parser.add_argument("--shuffles", type=int, default=0,
                        help="send all in so many other orders and splits, too")
    options = parser.parse_args(arguments)
    code, document = 0, {}
    for folder in options.folders:
        try:
            scenes = read(folder)
            if not scenes.entries:
                print(f"{folder} has no bodies", file=sys.stderr)
                code = code or 2
                continue
            judgements = judge(scenes, replay([scenes], options.times, options.backwards)[0])
            changed = differences(scenes, options.shuffles) if options.shuffles else []
        except Exception as error:  # the others are still judged
            print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr)
            code = 1
            continue
        bad = sum(one.verdict in BAD for of_scenario in judgements.values()
                  for one in of_scenario)
        code |= bool(bad or changed)
        document[folder.name] = {
            "bad": bad, "changed_by_order": changed, "scenarios": {
                name: [asdict(one) for one in of_scenario]
                for name, of_scenario in judgements.items()}}
        if not options.json:
            _print(folder.name, judgements)
            for line in changed:
                print(f"  CHANGED {line}")
            print(f"  {folder.name}: {bad} wrong, {len(changed)} changed by order", flush=True)
    if options.json:
        print(json.dumps(document, indent=1, default=str))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
