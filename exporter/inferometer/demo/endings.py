"""How a request to a model ended, as whoever made it saw it."""

from __future__ import annotations

from dataclasses import dataclass

# Failures by the exceptions of openai's library, and asyncio's of a caller that left.
FAILED = "openai.InternalServerError"
REFUSED = "openai.APIConnectionError"
TIMED_OUT = "openai.APITimeoutError"
TURNED_AWAY = "openai.RateLimitError"
LEFT = "asyncio.CancelledError"


@dataclass(frozen=True, slots=True)
class CallEnding:
    """One request that has ended. Without a first token it has no answer; tokens are counts."""

    seconds: float  # from its begin to its end
    error: str = ""
    first_token: float | None = None  # seconds from its begin
    input: int = 0
    cached: int = 0
    output: int = 0
    phases: tuple[float, float, float] | None = None  # seconds of queue, prefill and decode
