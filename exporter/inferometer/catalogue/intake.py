"""What a gateway says of the telemetry that comes in, before anything is made of it."""

from __future__ import annotations

from inferometer.catalogue.model import Label, Metric

SIGNAL = Label("signal", "What a body holds, as OpenTelemetry has it.",
               values=("traces", "logs", "metrics"))
BODY_RESULT = Label("result", "How a body was answered.", values=(
    "taken", "put_off", "invalid", "too_large", "unsupported", "unauthorized", "failed", "lost"))
REJECTION = Label("reason", "Why something was left out of a body that was taken.",
                  values=("bad_id", "malformed", "too_large", "too_many_attributes",
                          "too_many_events", "too_many_links"))

INTAKE_BODIES = Metric(
    "inferometer_intake_bodies_total", "counter",
    "Bodies that applications and Collectors sent, by how they were answered.",
    (SIGNAL, BODY_RESULT))
INTAKE_BYTES = Metric(
    "inferometer_intake_received_bytes_total", "counter", "Bytes of these bodies, as they came.",
    (SIGNAL,), unread="For sizing a gateway.")
INTAKE_ENTRIES = Metric(
    "inferometer_intake_entries_total", "counter",
    "Spans, log records and data points about calls that were read.",
    (SIGNAL,), unread="For sizing a gateway.")
INTAKE_REJECTED = Metric(
    "inferometer_intake_rejected_total", "counter",
    "Spans, log records and data points that were left out, while the rest of their body was "
    "taken.",
    (SIGNAL, REJECTION), unread="The sender is answered how many, and why.")
INTAKE_HELD = Metric(
    "inferometer_intake_held_bytes", "gauge",
    "Bytes of bodies that are in memory now; beyond a limit senders are told to come again.",
    unread="For sizing a gateway.")
INTAKE_METRICS = (INTAKE_BODIES, INTAKE_BYTES, INTAKE_ENTRIES, INTAKE_REJECTED, INTAKE_HELD)
