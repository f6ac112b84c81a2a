"""How good answers were: what people make of them, and whether they are answers at all."""

from __future__ import annotations

from inferometer.catalogue.client import CLIENT_SEATS, SERVICE_NAME, STEP_SEATS
from inferometer.catalogue.engine import MODEL
from inferometer.catalogue.model import Label, Metric

# --- votes -----------------------------------------------------------------------------------
VOTE_KIND = Label("kind", "What a person said or did; thumbs_changed took the other thumb back.",
                  values=("thumbs_up", "thumbs_down", "regenerate", "copy", "edit",
                          "report_hallucination", "conversation_end", "thumbs_changed"))
VOTE_RATIO = Label("kind", "What is held against what: thumbs up against all thumbs, calls that "
                   "were regenerated or copied against all calls.",
                   values=("satisfaction", "regenerate", "copy"))
VOTE_RESULT = Label("result", "How what was posted to /v1/feedback was answered.", values=(
    "taken", "repeated", "invalid", "unauthorized", "forbidden", "too_large", "unsupported",
    "put_off", "failed", "lost"))

FEEDBACK = Metric(
    "llm_feedback_total", "counter",
    "Votes that people cast on calls of an application, once the call is there. Who changes a "
    "thumb has cast one more, thumbs_changed.",
    (SERVICE_NAME, MODEL, VOTE_KIND), STEP_SEATS)
FEEDBACK_RATIO = Metric(
    "llm_feedback_ratio", "gauge",
    "Of calls that arrived in the last 24 complete hours, by the votes that hold: reckoned once an "
    "hour, of all gateways of a ledger. Absent where nobody voted so, or nothing was called.",
    (SERVICE_NAME, MODEL, VOTE_RATIO), STEP_SEATS, replaced=True)
FEEDBACK_UNMATCHED = Metric(
    "inferometer_feedback_unmatched_total", "counter",
    "Votes whose call did not come in 7 days.")
FEEDBACK_REQUESTS = Metric(
    "inferometer_feedback_requests_total", "counter",
    "Votes that were posted, by how they were answered.", (VOTE_RESULT,),
    unread="It is asked when votes are missing.")
FEEDBACK_METRICS = (FEEDBACK, FEEDBACK_RATIO, FEEDBACK_UNMATCHED, FEEDBACK_REQUESTS)

# --- answers ---------------------------------------------------------------------------------
_OF_ANSWERS = (SERVICE_NAME, MODEL)

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
    (*_OF_ANSWERS, PARSE_KIND), STEP_SEATS)
PARSE_FAILURES = Metric(
    "llm_parse_failures_total", "counter",
    "Answers of those that are not what they were to be.",
    (*_OF_ANSWERS, PARSE_KIND), STEP_SEATS)
REFUSALS = Metric(
    "llm_refusals_total", "counter", "Answers that are refusals, by the first of these that says "
    "so; by a field or by words only where spans have content.",
    (*_OF_ANSWERS, REFUSAL_SOURCE), CLIENT_SEATS)

# Conversations.
TURN_BOUNDS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
CONVERSATION_TURNS = Metric(
    "llm_conversation_turns", "histogram", "Turns of conversations that have ended, or rested for "
    "half an hour; a turn is a trace with the conversation's id.", (SERVICE_NAME,), STEP_SEATS,
    len(TURN_BOUNDS))

QUALITY_METRICS = (PARSE_CHECKS, PARSE_FAILURES, REFUSALS, CONVERSATION_TURNS)
