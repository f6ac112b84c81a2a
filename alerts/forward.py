"""What a gateway sends on: it is late, or dropped, or a destination refuses it."""

from __future__ import annotations

from alerts import words
from alerts.model import HAPPENED, SELF, Alert, AlertGroup
from inferometer import catalogue as c
from recording_rules.promql import by

LATE_MINUTES = 15
_WINDOW = "15m"
_SCOPE = by((*SELF.scope, c.DESTINATION.name))


def _became(result: str) -> str:
    return (f"sum {_SCOPE} (increase({c.FORWARD_BODIES.name}"
            f'{{{c.FORWARD_RESULT.name}="{result}"}}[{_WINDOW}])) > 0')


LATE = Alert(
    "InferometerForwardingLate", SELF, "warning",
    f"time() - min {_SCOPE} ({c.FORWARD_OLDEST.name}) > {LATE_MINUTES * 60}",
    summary="A destination does not get what a gateway sends on.",
    description=f"The oldest body that {words.EXPORTER} has for the destination "
                "{{ $labels.destination }} came {{ $value | humanizeDuration }} ago, limit "
                f"{LATE_MINUTES}m. What follows waits behind it, and is dropped beyond the bounds "
                "of the outbox. The gateway's log says why.",
    board="exporter")
DROPPING = Alert(
    "InferometerForwardingDropping", SELF, "warning", _became(c.FORWARD_DROPPED),
    summary="A gateway drops what it was to send on.",
    description=f'{words.EXPORTER} dropped {{{{ $value | printf "%.0f" }}}} bodies in the last '
                f"{_WINDOW} that the destination {{{{ $labels.destination }}}} was to have: they "
                "waited for too long, or were too many. They are lost to it.",
    board="exporter", hold="0m", because=HAPPENED)
REFUSED = Alert(
    "InferometerForwardingRefused", SELF, "warning", _became(c.FORWARD_REFUSED),
    summary="A destination refuses what a gateway sends on.",
    description=f"The destination {{{{ $labels.destination }}}} refused "
                f'{{{{ $value | printf "%.0f" }}}} bodies of {words.EXPORTER} for good in the last '
                f"{_WINDOW}. They are set aside: inferometer outbox list says why, retry sends "
                "them again.",
    board="exporter", hold="0m", because=HAPPENED)
GROUP = AlertGroup("inferometer-forward-alerts", (LATE, DROPPING, REFUSED))
