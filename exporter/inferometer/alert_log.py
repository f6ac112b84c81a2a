"""Alertmanager's notifications as log lines, one for each alert: where severity info goes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus

from inferometer.config import Config
from inferometer.documents.entry import Entry
from inferometer.documents.readers import read_json
from inferometer.parts import Part
from inferometer.serve.lanes import Lane
from inferometer.serve.request import LARGEST_BODY
from inferometer.serve.routes import JSON, Received, Response, Route, text_response

PATH = "/v1/alerts"
VERSION = "4"  # of the webhook's payload
# Keys of a line about an alert, by their names in the payload.
TEXTS = {"startsAt": "starts_at", "endsAt": "ends_at", "fingerprint": "fingerprint"}
ANNOTATIONS = ("summary", "description")
STATUSES = ("firing", "resolved")
NEVER = "0001-01-01T00:00:00Z"  # the end of what still fires

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # these lines were asked for, however little else is logged


def write(body: bytes) -> str:
    """Log the alerts of a notification: all of them, or none; return what is wrong with it."""
    notification = read_json(body)
    lines = _lines(notification)
    left_out = notification.get("truncatedAlerts", 0).value
    if error := notification.document.error():
        return error.line
    for line in lines:
        log.info("alert", extra=line)
    if isinstance(left_out, int) and left_out > 0:
        log.info("alerts left out by Alertmanager", extra={"count": left_out})
    return ""


def _lines(notification: Entry) -> list[dict[str, object]]:
    notification.get("version").choice([VERSION])
    common = {"receiver": notification.get("receiver", "").text(),
              "group_key": notification.get("groupKey", "").text()}
    return [_line(alert) | common for alert in notification.get("alerts").items()]


def _line(alert: Entry) -> dict[str, object]:
    annotations = alert.get("annotations", {})
    line: dict[str, object] = {
        "status": alert.get("status").choice(STATUSES),
        "labels": {name: label.text() for name, label in alert.get("labels").mapping().items()},
    }
    line.update((name, annotations.get(name, "").text()) for name in ANNOTATIONS)
    line.update((ours, alert.get(theirs, "").text()) for theirs, ours in TEXTS.items())
    return {name: value for name, value in line.items() if value not in ("", NEVER)}


class AlertLogPart(Part):
    """Takes Alertmanager's webhook, where that is switched on."""

    sections = ("web",)

    def __init__(self, config: Config) -> None:
        self._enabled = config.web.enable_alert_log

    def routes(self) -> Sequence[Route]:
        """The webhook's. It takes JSON alone, so that no page in a browser may send it unasked."""
        if not self._enabled:
            return []
        return [Route(PATH, self._respond, ("POST",), Lane(1), LARGEST_BODY, (JSON,))]

    def _respond(self, received: Received) -> Response:
        mistake = write(received.body)
        status = HTTPStatus.BAD_REQUEST if mistake else HTTPStatus.OK
        return text_response(status, mistake or "logged")
