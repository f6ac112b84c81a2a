"""What a gateway says of what it sends on."""

from __future__ import annotations

from inferometer.catalogue.model import Label, Metric

DESTINATIONS = 10  # that one gateway may have
DESTINATION = Label("destination", "Where it is sent on to, by its name in the configuration.",
                    budget=DESTINATIONS)
FORWARD_DONE, FORWARD_REFUSED, FORWARD_DROPPED = _RESULTS = ("forwarded", "refused", "dropped")
FORWARD_RESULT = Label("result", "What became of a body that was to be sent on.", values=_RESULTS)

FORWARD_BODIES = Metric(
    "inferometer_forward_bodies_total", "counter",
    "Bodies that were to be sent on: the destination has them, or refused them for good, or they "
    "were dropped as they had waited for too long or were too many.",
    (DESTINATION, FORWARD_RESULT), seats=DESTINATIONS)
FORWARD_FAILURES = Metric(
    "inferometer_forward_failures_total", "counter",
    "Attempts to send on that failed, and are made again.", (DESTINATION,), seats=DESTINATIONS,
    unread="The log has the reason; an alert asks for how long the oldest body has waited.")
FORWARD_REJECTED = Metric(
    "inferometer_forward_rejected_total", "counter",
    "Spans, log records and data points that the destination says it did not take of bodies that "
    "it took.", (DESTINATION,), seats=DESTINATIONS, unread="The log has the destination's words.")
FORWARD_WAITING = Metric(
    "inferometer_forward_waiting_bodies", "gauge", "Bodies that the destination does not have yet.",
    (DESTINATION,), seats=DESTINATIONS)
FORWARD_WAITING_BYTES = Metric(
    "inferometer_forward_waiting_bytes", "gauge",
    "Bytes of bodies that the destination does not have yet.", (DESTINATION,), seats=DESTINATIONS,
    unread="For sizing the outbox.")
FORWARD_OLDEST = Metric(
    "inferometer_forward_oldest_timestamp_seconds", "gauge",
    "When the oldest body came in that the destination does not have yet; nothing where it has "
    "all.", (DESTINATION,), seats=DESTINATIONS)
FORWARD_ASIDE = Metric(
    "inferometer_forward_refused_bodies", "gauge",
    "Bodies that the destination refused for good, and that are kept to be sent again or dropped.",
    (DESTINATION,), seats=DESTINATIONS, unread="inferometer outbox list has them.")
FORWARD_METRICS = (FORWARD_BODIES, FORWARD_FAILURES, FORWARD_REJECTED, FORWARD_WAITING,
                   FORWARD_WAITING_BYTES, FORWARD_OLDEST, FORWARD_ASIDE)
