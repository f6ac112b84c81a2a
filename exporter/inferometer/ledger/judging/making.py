"""Makes what judges, of a configuration."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from inferometer.config import Config, JudgeSection
from inferometer.facts import ModelCall, Usage
from inferometer.ledger.database import Database
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.judging.queue import PriceTokens, RequestPrice
from inferometer.ledger.judging.runner import JudgeRunner, JudgeTerms
from inferometer.ledger.keys import read_keys
from inferometer.ledger.opening import open_beside
from inferometer.ledger.seats import NUMBERS_BITS
from inferometer.pricing import CallToPrice, PriceSource, Pricing
from inferometer.quality.judge.choice import judge_of
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint

_NOBODY = b""  # of no span


def limits_of(section: JudgeSection) -> DailyLimits:
    """What a day may take."""
    return DailyLimits(section.sample_ratio, section.daily_usd, section.daily_calls)


def runner_of(config: Config, pricing: Pricing) -> JudgeRunner:
    """What judges for the ledger of a configuration. Raises OSError, KeyFileError."""
    section, ledger = config.judge, config.ledger
    client = JudgeClient(JudgeEndpoint(section.url, section.model, section.key_file,
                                       section.ca_file, section.timeout_seconds),
                         read_keys(Path(ledger.key_path)).judge_trace)
    return JudgeRunner(lambda: open_beside(ledger), JudgeTerms(
        judge_of(section.model, section.library), section.evaluations, client.send,
        price_of(section, pricing), section.concurrency, section.timeout_seconds),
        limits_of(section))


def price_of(section: JudgeSection, pricing: Pricing) -> PriceTokens:
    """What requests cost, by the prices of all calls."""
    host = urlsplit(section.url).hostname or ""

    def price(tokens: int | None, output: int | None, now: int) -> RequestPrice:
        usage = Usage(input=tokens, output=output)
        priced = pricing(CallToPrice(ModelCall(
            trace_id=_NOBODY, span_id=_NOBODY, operation="chat", request_model=section.model,
            server_address=host, usage=usage), usage, 1, now, engine_seen=False))
        return RequestPrice(priced.cost, priced.source == PriceSource.HOSTED)

    return price


def require_gateway(database: Database) -> None:
    """Raise LedgerError where no gateway would show what is counted for this one."""
    if database.dialect != "sqlite" and not database.first_seat >> NUMBERS_BITS:
        row = database.connection.execute("SELECT id FROM gateways WHERE number = 0").fetchone()
        if row is None or row[0] != database.gateway:
            raise LedgerError(f"{database.name} has no gateway {database.gateway!r}: give "
                              "ledger.gateway the name of one that runs, which shows what is "
                              "counted")
