"""The exporter's own log, a line for each event on standard error: JSON, or text for a person."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from inferometer import request_ids
from inferometer.outside import as_json, cut, for_log, spelt
from inferometer.reasons import is_ours, places_of, reason_of

log = logging.getLogger(__name__)
LEVELS = ("debug", "info", "warning", "error")
AUTO, JSON, TEXT = FORMATS = ("auto", "json", "text")  # auto: text on a terminal, else JSON
LONGEST_LINE = 4000  # characters of a line for a person
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"'=]+")  # what needs no quotes in key=value
_COLOURS = {"debug": "2", "warning": "33", "error": "31", "critical": "31"}  # of ECMA-48's SGR
_FAINT = "2"


class JsonFormatter(logging.Formatter):
    """Formats time, level, message, and the `extra` of the call."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON, without the secrets of URLs."""
        return line_of(record.created, record.levelname, record.getMessage(), _fields(record))


class TextFormatter(logging.Formatter):
    """Formats the same for a person: the local time, the level, the message, key=value."""

    def __init__(self, coloured: bool = False) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line that cannot command a terminal, without the secrets of URLs."""
        time = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
        level = record.levelname.lower()
        fields = for_log(_fields(record))
        assert isinstance(fields, dict)
        pairs = [f"{self._in(_FAINT, f'{spelt(str(key))}=')}{_quoted(value)}"
                 for key, value in fields.items() if value not in ("", None)]
        message = spelt(str(for_log(record.getMessage())))
        return cut("  ".join(filter(None, (
            f"{time} {self._in(_COLOURS.get(level, ''), f'{level:7}')} {message}",
            " ".join(pairs)))), LONGEST_LINE)

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured and colour else text


def line_of(created: float, level: str, message: str, extra: Mapping[str, object]) -> str:
    """A line of the log, made at this Unix time."""
    time = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return as_json(for_log({"time": time, "level": level.lower(), "message": message, **extra}))


def start_logging(level: str = "info", form: str = AUTO) -> None:
    """Send every logger's lines to standard error in one of FORMATS."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for(sys.stderr, form, os.environ))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_ended_thread


def _log_ended_thread(ended: threading.ExceptHookArgs) -> None:
    """Log what a thread has ended by, which Python would print by itself."""
    log.error("a thread ended", exc_info=ended.exc_value,
              extra={"job": ended.thread.name if ended.thread else ""})


def formatter_for(stream: TextIO, form: str, environ: Mapping[str, str]) -> logging.Formatter:
    """What formats the lines for a stream: colours only on a terminal that may have them.

    NO_COLOR: https://no-color.org.
    """
    terminal = stream.isatty()
    if form == TEXT or (form == AUTO and terminal):
        return TextFormatter(terminal and not environ.get("NO_COLOR")
                             and environ.get("TERM") != "dumb")
    return JsonFormatter()


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The `extra` of the call, whose request it is for, and what there is to say of its error.

    Where that is not one of ours it says where it came up; the rest of it is for `debug` alone.
    """
    fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if (request := request_ids.current()) is not None:
        fields.setdefault("request_id", request.text)
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return fields
    fields.setdefault("why", reason_of(error))
    if is_ours(error) and error.__cause__ is not None:
        error = error.__cause__
    if not is_ours(error):
        fields["where"] = places_of(error)
    if logging.getLogger().isEnabledFor(logging.DEBUG) and record.exc_info:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    return fields


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return spelt(text) if _PLAIN.fullmatch(text) and isinstance(value, str | int | float) else (
        as_json(text) if isinstance(value, str) else spelt(text))
