"""Who has asked what: conversations in memory, by a cookie that nobody guesses."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

MOST_CONVERSATIONS = 1000
MOST_EXCHANGES = 20  # of one conversation; the oldest goes


@dataclass
class Exchange:
    """A question and its answer, which may still grow."""

    trace_id: str
    question: str
    answer: str = ""


@dataclass
class Conversation:
    """What was asked and answered in one window, in order."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    exchanges: list[Exchange] = field(default_factory=list)
    # All answers that it was given, also those that were made anew: they may be voted on.
    trace_ids: list[str] = field(default_factory=list)

    def begin(self, trace_id: str, question: str, again: bool) -> Exchange:
        """A new exchange; `again` puts it in the last one's place."""
        if again and self.exchanges:
            self.exchanges.pop()
        self.exchanges = [*self.exchanges[1 - MOST_EXCHANGES:], Exchange(trace_id, question)]
        self.trace_ids = [*self.trace_ids[-10 * MOST_EXCHANGES:], trace_id]
        return self.exchanges[-1]


class Conversations:
    """Those of all visitors; where there are too many the one that rested longest goes."""

    def __init__(self) -> None:
        self._by_visitor: OrderedDict[str, Conversation] = OrderedDict()

    def of(self, visitor: str) -> Conversation:
        """That of a visitor, or a new one."""
        conversation = self._by_visitor.setdefault(visitor, Conversation())
        self._by_visitor.move_to_end(visitor)
        while len(self._by_visitor) > MOST_CONVERSATIONS:
            self._by_visitor.popitem(last=False)
        return conversation

    def has_answer(self, visitor: str, trace_id: str) -> bool:
        """Whether this visitor was given that answer."""
        conversation = self._by_visitor.get(visitor)
        return conversation is not None and trace_id in conversation.trace_ids

    def forget(self, visitor: str) -> None:
        """Let the next question of this visitor be the first of another conversation."""
        if visitor in self._by_visitor:
            old = self._by_visitor.pop(visitor)
            self._by_visitor[visitor] = Conversation(trace_ids=old.trace_ids)
