"""Alertmanager's notifications as log lines, one for each alert: where severity info goes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from inferometer.config import Config
from inferometer.parts import Part
from inferometer.serve.lanes import Lane
from inferometer.serve.request import LARGEST_BODY
from inferometer.serve.routes import JSON, Received, Response, Route, text_response

PATH = "/v1/alerts"
VERSION = "4"  # of the webhook's payload
# What a line says of an alert, by the name it has in the payload.
TEXTS = {"startsAt": "starts_at", "endsAt": "ends_at", "fingerprint": "fingerprint"}
ANNOTATIONS = ("summary", "description")
STATUSES = ("firing", "resolved")
NEVER = "0001-01-01T00:00:00Z"  # the end of what still fires

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # these lines were asked for, however little else is logged


class _Mistake(ValueError):
    """What is wrong with a notification."""


def write(body: bytes) -> str:
    """Log the alerts of a notification: all of them, or none and what is wrong with it."""
    try:
        said = _mapping(json.loads(body), "the body")
        lines = _lines(said)
    except _Mistake as mistake:
        return str(mistake)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    for line in lines:
        log.info("alert", extra=line)
    left_out = said.get("truncatedAlerts")
    if isinstance(left_out, int) and left_out > 0:
        log.info("alerts left out by Alertmanager", extra={"count": left_out})
    return ""


def _lines(said: Mapping[str, Any]) -> list[dict[str, object]]:
    if said.get("version") != VERSION:
        raise _Mistake(f'version must be "{VERSION}"')
    alerts = said.get("alerts")
    if not isinstance(alerts, list):
        raise _Mistake("alerts must be a list")
    common = {"receiver": _text(said, "receiver", ""), "group_key": _text(said, "groupKey", "")}
    return [_line(_mapping(alert, f"alerts[{i}]"), f"alerts[{i}].") | common
            for i, alert in enumerate(alerts)]


def _line(alert: Mapping[str, Any], path: str) -> dict[str, object]:
    if alert.get("status") not in STATUSES:
        raise _Mistake(f"{path}status must be {' or '.join(STATUSES)}")
    labels = _mapping(alert.get("labels"), f"{path}labels")
    annotations = _mapping(alert.get("annotations", {}), f"{path}annotations")
    line: dict[str, object] = {
        "status": alert["status"],
        "labels": {name: _text(labels, name, f"{path}labels.") for name in labels},
    }
    line.update((name, _text(annotations, name, f"{path}annotations.")) for name in ANNOTATIONS)
    line.update((ours, _text(alert, theirs, path)) for theirs, ours in TEXTS.items())
    return {name: value for name, value in line.items() if value not in ("", NEVER)}


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Mistake(f"{what} must be an object")
    return value


def _text(values: Mapping[str, Any], name: str, path: str) -> str:
    """A text, empty where there is none."""
    value = values.get(name, "")
    if not isinstance(value, str):
        # Names of labels come from outside: what cannot be one is not repeated.
        shown = name if name.isidentifier() and name.isascii() and len(name) < 100 else "a label"
        raise _Mistake(f"{path}{shown} must be text")
    return value


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
