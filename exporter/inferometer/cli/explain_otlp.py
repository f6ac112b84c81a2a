"""`inferometer explain --otlp`: say how captured bodies are read, and what of them counts."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from inferometer import settings
from inferometer.chapters import as_data, as_text
from inferometer.cli.explain_calls import call_chapters, count_calls
from inferometer.cli.verbs import FAILED, OK, complain
from inferometer.config import Config, ConfigError
from inferometer.cost.prices import CallPrices
from inferometer.documents.mistakes import Mistake
from inferometer.intake.body import (
    BodyMemory,
    BodyRefusedError,
    Portion,
    TooLargeError,
    unpack,
)
from inferometer.outside import as_json, cut
from inferometer.reasons import reason_of
from inferometer.roles import GATEWAY
from inferometer.settings import COMMAND_LINE, Flags
from inferometer.spans.decoded import Refused
from inferometer.spans.explain.capture import CapturedBody, read_bodies
from inferometer.spans.explain.report import chapters, explain_bodies
from inferometer.spans.reader import Wishes

GZIP_MAGIC = b"\x1f\x8b"
FILE_BYTES = 2**28  # of a file, unpacked: all that is in it is in memory at once
MOST_ROWS = 40  # of a chapter, that a person is shown
EXTRA = "needs the packages of the extra: pip install 'inferometer[gateway]'"
_NEEDED = ("google.protobuf", "opentelemetry.proto")


def explain_otlp(options: argparse.Namespace) -> int:
    """Print how a gateway reads the bodies in these files. Raises ConfigError."""
    if not all(map(_is_there, _NEEDED)):
        raise ConfigError(Mistake("--otlp", EXTRA, document=COMMAND_LINE))
    config, document = settings.load(options.config, Flags(role=GATEWAY))
    document.finish(ConfigError)
    wishes = Wishes(request_id_attributes=config.intake.request_id_attributes)
    read = partial(_bodies, most=config.intake.max_body_bytes, also=wishes.attributes)
    bodies: list[CapturedBody] = []
    code = OK
    for name in options.page:
        content = _content(name)
        try:
            bodies += read(name, content)
        except (Refused, BodyRefusedError) as error:
            complain(f"{name}: {cut(str(error), 300)}")
            code = FAILED
    if not bodies:
        return FAILED
    prices, priced_by = _prices(config)
    explanation = explain_bodies(bodies, wishes)
    report = [*chapters(explanation),
              *call_chapters(explanation, count_calls(explanation, prices.price), priced_by)]
    print(as_json(as_data(report), indent=2) if options.json
          else "\n".join(as_text(report, MOST_ROWS)))
    return code if explanation.steps else FAILED


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _content(name: str) -> bytes:
    """What is in the file, or comes in. Raises ConfigError."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(Mistake(repr(name), f"cannot be read: {reason_of(error)}")) from error


def _bodies(name: str, content: bytes, most: int, also: tuple[str, ...]) -> Iterator[CapturedBody]:
    """The bodies of a file, packed or not. Raises Refused and BodyRefusedError."""
    coding = "gzip" if content.startswith(GZIP_MAGIC) else ""
    with Portion(BodyMemory(FILE_BYTES)) as load:
        try:
            plain = unpack([content], coding, FILE_BYTES, load)
        except TooLargeError as error:
            raise Refused(413, f"a file may have {FILE_BYTES} bytes unpacked; explain a part of it"
                          ) from error
    yield from read_bodies(name, plain, most, also)


def _prices(config: Config) -> tuple[CallPrices, str]:
    """Prices as a gateway has them, and by what they are."""
    prices = CallPrices(config)
    own = "`prices` of the configuration" if config.prices else ""
    if importlib.util.find_spec("genai_prices") is None:
        return prices, own or "there is no price list: it is in the extra 'gateway'"
    prices.open()
    name, version = prices.source or ("", "")
    return prices, " and ".join(filter(None, (own, f"by {name} {version}")))
