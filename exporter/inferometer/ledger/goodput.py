"""Whether a call was as good as it should be: a success, within all limits of latency at once."""

from __future__ import annotations

from inferometer.call_limits import CallLimits
from inferometer.ledger.counting import CountedRow, per_token_of


def is_within(row: CountedRow, limits: CallLimits) -> bool:
    """Whether the call of a row succeeded within the limits.

    A call that was not streamed, or of which nobody tells the first token, has no time until it,
    and meets that limit; so does one without a time per token, as of one token. A call whose
    duration cannot be does not meet any.
    """
    if row.outcome != "success" or row.duration is None or row.duration > limits.duration:
        return False
    if row.first_token is not None and row.first_token > limits.first_token:
        return False
    per_token = per_token_of(row)
    return per_token is None or per_token <= limits.per_token
