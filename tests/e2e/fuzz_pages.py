"""Coverage-guided fuzzing of what reads metrics pages, from any bytes to our own families.

    python tests/e2e/fuzz_pages.py SECONDS CORPUS [PARSER]

Ends with 0 after so many seconds in which nothing was found; new inputs are added to the corpus.
PARSER names a class of tests/e2e/broken_parsers.py to be fuzzed instead of the real one.
"""

from __future__ import annotations

import contextlib
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import atheris
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "exporter")]

with atheris.instrument_imports(include=["inferometer", "tests.e2e.broken_parsers"]):
    from inferometer.engines.collector import join
    from inferometer.engines.page import ForeignFamily, Page, PageError
    from inferometer.engines.parser import Parser
    from inferometer.engines.reading import Describer, ServerInfo
    from inferometer.engines.recognition import recognise
    from inferometer.engines.tables import TABLES
    from inferometer.engines.target import State
    from inferometer.exposition import OPENMETRICS, TEXT, render
    from inferometer.guard import Guard
    from tests.e2e import broken_parsers
    from tests.exporter.engines.sense import check

LONGEST = 2048  # bytes of an input: a few pages of a few families
BETWEEN = b"# next page\n"
SEED = 500  # bytes of a captured page's piece, at least
FIXTURES = ROOT / "tests" / "fixtures" / "engines"
TOKENS = (
    "# TYPE ", "# HELP ", "# EOF\n", " counter\n", " gauge\n", " histogram\n", " summary\n",
    " untyped\n", "_total", "_bucket", "_count", "_sum", "_created", "NaN", "+Inf", "-Inf", "1e308",
    "-0.0", "1e-320", '{', '}', 'le="', 'le="+Inf"', 'model_name="', 'engine="', 'handler="',
    'status="', 'method="POST"', 'finished_reason="', '",', '\\"', "\\\\", "\\n", " 1\n", " 0\n",
    "\r\n", "\t", "\u2028", "\xff", BETWEEN.decode(),
)
NUMBERS = (b"0", b"1", b"2", b"1e6", b"-1", b"-0.0", b"1.7e308", b"5e-324", b"NaN", b"+Inf",
           b"-Inf")
SeriesValues = dict[tuple[str, frozenset[tuple[str, str]]], str]
# Lines on which both parsers have to agree: the text format, spelt as every client spells it.
_PLAIN = re.compile(
    r'#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\})?'
    r" ([-+]?\d+(\.\d+)?([eE][-+]?\d+)?|NaN|[-+]Inf)|", re.ASCII)


class Fuzzed:
    """Parses each input and checks the result; anything that it raises is a finding."""

    def __init__(self, make: Callable[..., Parser]) -> None:
        self._make = make

    def __call__(self, data: bytes) -> None:
        bodies = data.split(BETWEEN)[:4]
        used = self._make()
        for body in bodies:
            once, again, anew = (read(parser, body) for parser in (used, used, self._make()))
            assert content(once) == content(again) == content(anew), "what was read before is seen"
            if body[:1] != b'"':  # of a large page no JSON is read
                as_it_comes = read(self._make(small=0), body)
                assert content(as_it_comes) == content(anew), "as it comes it is another"
            if isinstance(anew, Page):
                compare(anew, body)
        describe(self._make(), bodies)


def read(parser: Parser, body: bytes) -> Page | str:
    try:
        return parser.parse(body)
    except PageError as error:
        return str(error)


def content(page: Page | str) -> object:
    return page if isinstance(page, str) else (series(page), kinds(page.families.values()))


def series(page: Page) -> SeriesValues:
    return {(family.name + sample.suffix, frozenset(sample.labels.items())):
            repr(page.values[sample.index] + 0.0)  # theirs has no -0
            for family in page.families.values() for sample in family.samples}


def kinds(families: Iterable[ForeignFamily]) -> dict[str, str]:
    return {family.name: family.kind for family in families}


def compare(page: Page, body: bytes) -> None:
    """Where a page is plain, prometheus_client reads the same."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    lines = text.split("\n")
    if "\r" in text or not all(_PLAIN.fullmatch(line) for line in lines):
        return
    try:
        samples = [sample for family in text_string_to_metric_families(text)
                   for sample in family.samples]
        theirs = {(sample.name, frozenset(sample.labels.items())): repr(sample.value + 0.0)
                  for sample in samples}
    except (ValueError, OverflowError):
        return
    if len(theirs) < len(samples):  # it sorts by family, so that the last value is another one
        return
    ours = series(page)
    expected = {(name.removesuffix("_total") if (name, labels) not in ours else name, labels): value
                for (name, labels), value in theirs.items() if not name.endswith("_created")}
    assert ours == expected, "prometheus_client reads it otherwise"


def describe(parser: Parser, bodies: list[bytes]) -> None:
    """Whatever engine it is taken for, its points make sense and are a page of ours."""
    describers = {engine.name: Describer() for engine in TABLES}
    guard = Guard()
    for turn, body in enumerate(bodies):
        page = read(parser, body)
        engine = recognise(page.families, TABLES) if isinstance(page, Page) else None
        if engine is None or isinstance(page, str):
            continue
        reading = describers[engine.name].describe(engine, page, ServerInfo("m"), float(turn))
        families = join([("t", State(True, engine.name, reading.model, "", 1.0, reading))])
        for family in families:
            check(family)
        admitted = guard.admit(families, float(turn))
        for kind in (TEXT, OPENMETRICS):
            render(admitted, kind)


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Another input: half of them as libFuzzer would, half by moving, doubling, changing lines."""
    dice = random.Random(seed)
    lines = data.splitlines(keepends=True)
    if not lines or dice.random() < 0.5:
        return bytes(atheris.Mutate(data, longest))
    for _ in range(dice.randint(1, 6)):
        position, line = dice.randrange(len(lines)), dice.choice(lines)
        begin, _, _ = line.rstrip().rpartition(b" ")
        edit = dice.randrange(6)
        if edit == 0:
            lines[position] = b""
        elif edit == 1:
            lines.insert(position, line)
        elif edit == 2:
            lines.insert(position, begin + b" " + dice.choice(NUMBERS) + b"\n")
        elif edit == 3:
            old, new = dice.choice(((b'="', b'="%d'), (b"{", b'{x="%d",')))
            lines.insert(position, line.replace(old, new % dice.randrange(3), 1))
        elif edit == 4:
            lines += [BETWEEN, *lines]
        else:
            lines.insert(position, BETWEEN)
    return b"".join(lines)[:longest]


def seeds() -> Iterator[bytes]:
    """Pieces of the captured pages, of whole lines."""
    for file in sorted(FIXTURES.rglob("*.prom")):
        piece = b""
        for line in file.read_bytes().splitlines(keepends=True):
            if len(piece) + len(line) > LONGEST or (
                    len(piece) > SEED and line.startswith(b"# HELP")):
                yield piece
                piece = b""
            piece += line
        yield piece


def main() -> None:
    seconds, corpus = sys.argv[1], Path(sys.argv[2])
    make = getattr(broken_parsers, sys.argv[3]) if len(sys.argv) > 3 else Parser
    corpus.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(piece)
    tokens = corpus.with_suffix(".tokens")
    tokens.write_text("".join('"{}"\n'.format("".join(
        f"\\x{byte:02x}" for byte in token.encode())) for token in TOKENS))
    fuzzed = Fuzzed(make)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", f"-max_len={LONGEST}",
                   f"-dict={tokens}", "-timeout=10", "-rss_limit_mb=1500", "-len_control=0",
                   f"-artifact_prefix={corpus.parent}/", "-print_final_stats=1", str(corpus)],
                  fuzzed, custom_mutator=mutated)
    with contextlib.suppress(KeyboardInterrupt):
        atheris.Fuzz()


if __name__ == "__main__":
    main()
