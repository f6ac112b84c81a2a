"""The exporter's own log: one JSON object a line, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from inferometer.outside import as_json, for_log

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats time, level, message, and the `extra` of the call."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON, without the secrets of URLs."""
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            extra["exception"] = self.formatException(record.exc_info)
        return line_of(record.created, record.levelname, record.getMessage(), extra)


def line_of(created: float, level: str, message: str, extra: Mapping[str, object]) -> str:
    """A line of the log, made at this Unix time."""
    time = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return as_json(for_log({"time": time, "level": level.lower(), "message": message, **extra}))


def start_logging(level: str = "info") -> None:
    """Send every logger's lines to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
