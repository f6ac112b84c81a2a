"""What was asked before: conversations in memory, of a visitor whose cookie nobody guesses."""

from __future__ import annotations

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

    id: str
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
        self._kept: OrderedDict[tuple[str, str], Conversation] = OrderedDict()

    def of(self, visitor: str, conversation_id: str) -> Conversation:
        """One of a visitor's, or a new one."""
        key = visitor, conversation_id
        conversation = self._kept.setdefault(key, Conversation(conversation_id))
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_CONVERSATIONS:
            self._kept.popitem(last=False)
        return conversation

    def has_answer(self, visitor: str, conversation_id: str, trace_id: str) -> bool:
        """Whether this visitor was given that answer."""
        conversation = self._kept.get((visitor, conversation_id))
        return conversation is not None and trace_id in conversation.trace_ids
