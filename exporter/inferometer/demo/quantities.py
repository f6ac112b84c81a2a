"""What an engine of the demo counts for each request, and what follows from that.

Names of quantities are the demo's own; `dialects.py` says what each engine calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

COUNTED = ("stopped", "cut", "left", "failed", "invalid", "input", "cached", "output", "preempted",
           "steps")
ACCEPTED_SHARES = (0.62, 0.36, 0.16, 0.06)  # of drafts, by the place of a token in them
FETCHED_SHARE = 0.08  # of what is not in the prefix cache, that another store has
FLOPS_A_TOKEN = 1.6e10  # twice the parameters of an 8B model
WEIGHT_BYTES = 1.6e10  # that each step reads
TOKEN_BYTES = 131_072  # of a token in the KV cache, as a Llama of 8B has them

Counted = Mapping[str, float]


def _computed(counted: Counted) -> float:
    return counted["input"] - counted["cached"]


def _served(counted: Counted) -> float:
    return sum(counted[end] for end in ("stopped", "cut", "left"))


def _drafts(counted: Counted) -> float:
    """Each brings one token by itself."""
    return counted["output"] / (1 + sum(ACCEPTED_SHARES))


def _accepted(position: int) -> Callable[[Counted], float]:
    return lambda counted: ACCEPTED_SHARES[position] * _drafts(counted)


DERIVED: Mapping[str, Callable[[Counted], float]] = {
    "computed": _computed,
    "fetched": lambda counted: FETCHED_SHARE * _computed(counted),
    "served": _served,
    "drafts": _drafts,
    "drafted": lambda counted: len(ACCEPTED_SHARES) * _drafts(counted),
    "accepted": lambda counted: sum(ACCEPTED_SHARES) * _drafts(counted),
    **{f"accepted_{position}": _accepted(position) for position in range(len(ACCEPTED_SHARES))},
    "images": lambda counted: 2 * _served(counted),
    "images_cached": _served,
    "operations": lambda counted: FLOPS_A_TOKEN * (_computed(counted) + counted["output"]),
    "bytes_read": lambda counted: WEIGHT_BYTES * counted["steps"],
    "bytes_written": lambda counted: TOKEN_BYTES * (_computed(counted) + counted["output"]),
    "stored_bytes": lambda counted: TOKEN_BYTES * 0.3 * _computed(counted),
    "loaded_bytes": lambda counted: TOKEN_BYTES * 0.2 * counted["cached"],
}
