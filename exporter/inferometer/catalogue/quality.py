"""How good answers were: whether they can be read, and whether they are answers at all."""

from __future__ import annotations

from inferometer.catalogue.client import CLIENT_SEATS, SERVICE_NAME, STEP_SEATS
from inferometer.catalogue.engine import MODEL
from inferometer.catalogue.model import Label, Metric

_OF_ANSWERS = (SERVICE_NAME, MODEL)
_BOARDS_LATER = "Boards and rules of answers come later."

# What answers came to.
PARSE_KIND = Label("kind", "What an answer was to be: JSON, a value of a schema that the request "
                   "has, or arguments that the called tool takes.",
                   values=("json", "schema", "tool_arguments"))
REFUSAL_SOURCE = Label(
    "source", "Who says that it is a refusal: the provider by why the call ended, a field of the "
    "answer, the words that it begins with, or a judge.",
    values=("provider", "field", "phrase", "judge"))
PARSE_CHECKS = Metric(
    "llm_parse_checks_total", "counter", "Answers that were looked at for whether they can be "
    "read; where spans have no content only those that an event tells of.",
    (*_OF_ANSWERS, PARSE_KIND), STEP_SEATS, unread=_BOARDS_LATER)
PARSE_FAILURES = Metric(
    "llm_parse_failures_total", "counter",
    "Answers of those that are not what they were to be.",
    (*_OF_ANSWERS, PARSE_KIND), STEP_SEATS, unread=_BOARDS_LATER)
REFUSALS = Metric(
    "llm_refusals_total", "counter", "Answers that are refusals, by the first of these that says "
    "so; by a field or by words only where spans have content.",
    (*_OF_ANSWERS, REFUSAL_SOURCE), CLIENT_SEATS, unread=_BOARDS_LATER)

# Conversations.
TURN_BOUNDS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
CONVERSATION_TURNS = Metric(
    "llm_conversation_turns", "histogram", "Turns of conversations that have ended, or rested for "
    "half an hour; a turn is a trace with the conversation's id.", (SERVICE_NAME,), STEP_SEATS,
    len(TURN_BOUNDS), unread=_BOARDS_LATER)

QUALITY_METRICS = (PARSE_CHECKS, PARSE_FAILURES, REFUSALS, CONVERSATION_TURNS)
