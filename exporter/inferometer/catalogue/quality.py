"""What people make of answers: their votes, from a gateway's ledger."""

from __future__ import annotations

from inferometer.catalogue.client import SERVICE_NAME, STEP_SEATS
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
_VOTES_LATER = "Boards and alerts of feedback come later."

FEEDBACK = Metric(
    "llm_feedback_total", "counter",
    "Votes that people cast on calls of an application, once the call is there. Who changes a "
    "thumb has cast one more, thumbs_changed.",
    (SERVICE_NAME, MODEL, VOTE_KIND), STEP_SEATS, unread=_VOTES_LATER)
FEEDBACK_RATIO = Metric(
    "llm_feedback_ratio", "gauge",
    "Of calls that arrived in the last 24 complete hours, by the votes that hold: reckoned once an "
    "hour, of all gateways of a ledger. Absent where nobody voted so, or nothing was called.",
    (SERVICE_NAME, MODEL, VOTE_RATIO), STEP_SEATS, replaced=True, unread=_VOTES_LATER)
FEEDBACK_UNMATCHED = Metric(
    "inferometer_feedback_unmatched_total", "counter",
    "Votes whose call did not come in 7 days.", unread=_VOTES_LATER)
FEEDBACK_REQUESTS = Metric(
    "inferometer_feedback_requests_total", "counter",
    "Votes that were posted, by how they were answered.", (VOTE_RESULT,),
    unread="It is asked when votes are missing.")
FEEDBACK_METRICS = (FEEDBACK, FEEDBACK_RATIO, FEEDBACK_UNMATCHED, FEEDBACK_REQUESTS)
