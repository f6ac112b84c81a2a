"""People who read the answers of a demo's application: what they say of them, and for how long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from inferometer.demo.telemetry import new_id

USERS = 300
TURNS = 1, 6  # of a conversation
# How often an answer is voted on so; whoever votes down has it made again as often as not.
THUMBS_UP, THUMBS_DOWN, COPIED, MADE_AGAIN = 0.12, 0.02, 0.08, 0.03
CHANGES_IT, EXPLANATION = 0.1, "It is not what I asked for."
VoteBody = Mapping[str, str]


class People:
    """One conversation after the other, a vote now and then."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._begin()

    @property
    def conversation(self) -> str:
        """That goes on now."""
        return self._conversation

    def votes(self, trace_id: str) -> Iterator[VoteBody]:
        """What is said of the answer of this trace, as /v1/feedback takes it."""
        about = {"trace_id": trace_id, "user_id": self._user}
        lot = self._dice.random()
        if lot < THUMBS_UP:
            yield {**about, "name": "thumbs_up"}
            if self._dice.random() < CHANGES_IT:
                yield {**about, "name": "thumbs_down"}
        elif lot < THUMBS_UP + THUMBS_DOWN:
            yield {**about, "name": "thumbs_down", "explanation": EXPLANATION}
        for name, share in (("copy", COPIED), ("regenerate", MADE_AGAIN)):
            if self._dice.random() < share:
                yield {**about, "name": name}
        self._left -= 1
        if not self._left:
            yield {**about, "name": "conversation_end"}
            self._begin()

    def _begin(self) -> None:
        self._conversation = new_id(self._dice, 8)
        self._user = f"user-{self._dice.randrange(USERS)}"
        self._left = self._dice.randint(*TURNS)
