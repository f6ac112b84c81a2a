"""Alertmanager's notifications as log lines, one for each alert: where severity info goes.

No body of a notification makes more log than MOST_BYTES_PER_BYTE times its size: what a
notification says once is logged once, texts and alerts are bounded, and the rest is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from inferometer.config import Config
from inferometer.documents.entry import Entry
from inferometer.documents.readers import read_json
from inferometer.logs import line_of
from inferometer.outside import cut
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
MOST_BYTES_PER_BYTE = 2
MOST_ALERTS = 1000  # of a notification
MOST_LABELS = 100  # of an alert
LONGEST_NAME = 200  # characters of a label's name
LONGEST_TEXT = 2000  # of any other text
NEVER = "0001-01-01T00:00:00Z"  # the end of what still fires

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # these lines were asked for, however little else is logged


def write(body: bytes) -> str:
    """Log the alerts of a notification: all of them, or none; return what is wrong with it."""
    notification = read_json(body)
    notification.get("version").choice([VERSION])
    origin = _origin(notification)
    alerts = [Line("alert", _alert(alert)) for alert in notification.get("alerts").items()]
    by_alertmanager = notification.get("truncatedAlerts", 0).value
    if error := notification.document.error():
        return error.line
    closing = []
    if isinstance(by_alertmanager, int) and 0 < by_alertmanager < 10**9:
        closing.append(Line("alerts left out by Alertmanager", {"count": by_alertmanager}))
    for line in _within(MOST_BYTES_PER_BYTE * len(body), origin, alerts, closing):
        log.info(line.message, extra=line.fields)
    return ""


@dataclass(frozen=True)
class Line:
    """A line of the log."""

    message: str
    fields: Mapping[str, object]

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(line_of(0.0, "info", self.message, self.fields).encode()) + 1


def _within(most: int, origin: Mapping[str, object], alerts: list[Line],
            closing: list[Line]) -> list[Line]:
    """The lines that have room in so many bytes, with the count of the alerts that have none.

    There is room for the count wherever there is an alert: it is shorter than twice the least one.
    What the notification says of all its alerts stands in the line of the first.
    """
    if len(alerts) <= MOST_ALERTS:
        lines = [*_headed(origin, alerts), *closing]
        if sum(line.size for line in lines) <= most:
            return lines
    left = most - (_left_out(len(alerts)).size if alerts else 0)

    def fitting(lines: list[Line]) -> Iterator[Line]:
        nonlocal left
        for line in lines:
            if line.size <= left:
                left -= line.size
                yield line

    logged = [*fitting(alerts[:MOST_ALERTS])]
    rest = len(alerts) - len(logged)
    headed = _headed(origin, logged)
    if logged and headed[0].size - logged[0].size <= left:
        left -= headed[0].size - logged[0].size
        logged = headed
    return [*logged, *fitting(closing), *([_left_out(rest)] if rest else [])]


def _headed(origin: Mapping[str, object], alerts: list[Line]) -> list[Line]:
    """The alerts, the first with what is said of all."""
    return [Line(line.message, {**line.fields, **origin}) if number == 0 else line
            for number, line in enumerate(alerts)]


def _left_out(count: int) -> Line:
    return Line("alerts left out", {"count": count})


def _origin(notification: Entry) -> dict[str, object]:
    """What the notification says of all its alerts."""
    return _given({"receiver": _text(notification.get("receiver", "")),
                   "group_key": _text(notification.get("groupKey", ""))})


def _alert(alert: Entry) -> dict[str, object]:
    annotations = alert.get("annotations", {})
    labels = alert.get("labels").mapping()
    texts = {cut(name, LONGEST_NAME): _text(label) for name, label in labels.items()}
    line: dict[str, object] = {
        "status": alert.get("status").choice(STATUSES),
        "labels": dict(list(texts.items())[:MOST_LABELS]),
    }
    if len(labels) > MOST_LABELS:
        line["labels_left_out"] = len(labels) - MOST_LABELS
    line.update((name, _text(annotations.get(name, ""))) for name in ANNOTATIONS)
    line.update((ours, _text(alert.get(theirs, ""))) for theirs, ours in TEXTS.items())
    return _given(line)


def _text(entry: Entry) -> str:
    return cut(entry.text(), LONGEST_TEXT)


def _given(line: dict[str, object]) -> dict[str, object]:
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
