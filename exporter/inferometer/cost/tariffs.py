"""A tariff: USD for each kind of token, and what usage comes to by it, in whole nano-USD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from inferometer.facts import Usage
from inferometer.pricing import NANO

MILLION = 10**6
MOST_COST = 10_000 * NANO  # of one call: more cannot be


@dataclass(frozen=True, slots=True)
class Rate:
    """Nano-USD for a million tokens; another one for calls of more than so many input tokens.

    Beyond a step its rate is for all of the call's tokens.
    """

    base: int
    steps: tuple[tuple[int, int], ...] = ()  # input tokens, and the rate above these; ascending

    def per_million(self, input_tokens: int) -> int:
        """That of a call with so many input tokens."""
        rate = self.base
        for above, stepped in self.steps:
            if input_tokens > above:
                rate = stepped
        return rate


@dataclass(frozen=True, slots=True)
class Tariff:
    """What each kind of token costs. One without a rate costs what the kind does of which it is."""

    input: Rate | None = None
    cached: Rate | None = None
    cache_write: Rate | None = None
    output: Rate | None = None
    reasoning: Rate | None = None
    per_request: int = 0  # nano-USD

    def cost(self, usage: Usage, calls: int = 1) -> int | None:
        """Nano-USD of so many calls; None where a kind of token has no rate.

        It is rounded once, to the nearest.
        """
        fresh, cached, written, output, reasoning = kinds_of(usage)
        size = fresh + cached + written
        total = 0
        for tokens, rate in (
                (fresh, self.input), (cached, self.cached or self.input),
                (written, self.cache_write or self.input), (output, self.output),
                (reasoning, self.reasoning or self.output)):
            if tokens:
                if rate is None:
                    return None
                total += tokens * rate.per_million(size)
        cost = (total + MILLION // 2) // MILLION + self.per_request * calls
        return cost if cost <= MOST_COST else None


def kinds_of(usage: Usage) -> tuple[int, int, int, int, int]:
    """Tokens that are nothing else, cached ones, written ones; output, and to reason.

    A part is never more than the whole that it is of, where that is known.
    """
    cached, written = usage.cached or 0, usage.cache_write or 0
    prompt = usage.input if usage.input is not None else cached + written
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    reasoning = usage.reasoning or 0
    output = usage.output if usage.output is not None else reasoning
    reasoning = min(reasoning, output)
    return prompt - cached - written, cached, written, output - reasoning, reasoning


def nano(usd: Decimal | float) -> int:
    """Nano-USD of an amount, as it is written."""
    exact = usd if isinstance(usd, Decimal) else Decimal(str(usd))
    return int((exact * NANO).quantize(Decimal(1), ROUND_HALF_EVEN))
