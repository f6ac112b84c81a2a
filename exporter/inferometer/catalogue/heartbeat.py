"""What a gateway says of the calls that it sends to itself."""

from __future__ import annotations

from inferometer.catalogue.model import Label, Metric

LOSS = Label("reason", "Where a heartbeat was lost.", values=("refused", "missing", "uncounted"))

HEARTBEAT_SENT = Metric(
    "inferometer_heartbeat_sent_total", "counter",
    "Calls that the gateway sent to its own door, one a minute; no other figure has them.",
    unread="It says what the other two are parts of.")
HEARTBEAT_SEEN = Metric(
    "inferometer_heartbeat_seen_total", "counter",
    "Heartbeats that came back: they are in the ledger's file, and counted.",
    unread="InferometerHeartbeatLost goes by those that did not.")
HEARTBEAT_LAST = Metric(
    "inferometer_heartbeat_last_seen_timestamp_seconds", "gauge",
    "When the last heartbeat came back.", unread="It says since when nothing comes through.")
HEARTBEAT_LOST = Metric(
    "inferometer_heartbeat_lost_total", "counter",
    "Heartbeats that did not come back: refused at the door for as long as an SDK tries, "
    "acknowledged and missing in the ledger, or kept there and not counted in time.", (LOSS,))
HEARTBEAT_METRICS = (HEARTBEAT_SENT, HEARTBEAT_SEEN, HEARTBEAT_LAST, HEARTBEAT_LOST)
