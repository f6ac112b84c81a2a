"""Destinations as they are configured: where each signal goes, with which headers and TLS."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inferometer.config import Config, DestinationEntry
from inferometer.outside import masked
from inferometer.reasons import reason_of
from inferometer.sinks.feedback_places import LOG
from inferometer.sinks.outbox import FEEDBACK, LOGGED_FEEDBACK
from inferometer.sinks.presets import PRESETS, Preset

LOGS = "logs"
LONGEST_VALUE = 8192  # characters of a header's value
_ANY = PRESETS["otlp"]  # what any receiver of OTLP takes


class DestinationError(Exception):
    """A destination cannot be sent to now; the message says why in one line."""


class HeaderFileError(ValueError):
    """A file holds no value of a header."""


@dataclass(frozen=True)
class Destination:
    """One place to which bodies are sent."""

    name: str
    preset: Preset
    urls: Mapping[str, str]  # by signal
    headers: Mapping[str, str]
    header_files: Mapping[str, str]
    key_file: str
    encoding: str  # the only one that is sent; empty: as it came
    redaction: str  # one of config.destinations.REDACTIONS
    timeout: float  # seconds
    ca_file: str = ""
    cert_file: str = ""
    cert_key_file: str = ""
    insecure: bool = False

    @property
    def signals(self) -> frozenset[str]:
        """Those that it takes."""
        return frozenset(self.urls)

    @property
    def place(self) -> str:
        """Where it is, as people may read it."""
        return masked(next(iter(self.urls.values()), ""))

    def all_headers(self) -> Mapping[str, str]:
        """Headers with the values that their files hold now. Raises DestinationError."""
        values = self.preset.headers_with(_value_in(self.key_file) if self.key_file else "")
        for name, value in self.headers.items():
            _put(values, name, value)
        for name, file in self.header_files.items():
            _put(values, name, _value_in(file))
        return values

    def context(self) -> ssl.SSLContext:
        """TLS with its files as they are now. Raises OSError."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.cert_key_file or None)
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def destination_of(entry: DestinationEntry) -> Destination:
    """What an entry of the configuration means; its preset is one that there is."""
    preset = PRESETS[entry.preset] if entry.preset else _ANY
    urls = {signal: preset.url_of(signal, entry.url)
            for signal in entry.signals or preset.signals}
    if FEEDBACK in urls and not (LOGS in urls and preset.feedback is LOG):
        urls[LOGGED_FEEDBACK] = urls[FEEDBACK]  # else it goes with the body that it came in
    return Destination(
        entry.label, preset, urls,
        entry.headers, entry.header_files, entry.key_file, entry.encoding or preset.encoding,
        entry.redaction, entry.timeout_seconds, entry.ca_file, entry.client_cert_file,
        entry.client_key_file, entry.insecure_skip_verify)


def trace_address(config: Config, trace_id: str) -> str:
    """Where people read a trace: in the first destination that shows any. Empty without one."""
    for entry in config.destinations:
        destination = destination_of(entry)
        if "traces" in destination.signals and (address := destination.preset.link_to(
                trace_id, entry.url, entry.link)):
            return address
    return ""


def forwarded(config: Config) -> frozenset[str]:
    """Signals that any destination takes."""
    return frozenset[str]().union(*(destination_of(one).signals for one in config.destinations))


def header_value(path: Path) -> str:
    """The value in a file, without the end of its line. Raises OSError, ValueError."""
    value = path.read_text(encoding="utf-8").strip()
    if not is_header_value(value):
        raise HeaderFileError("it must hold a header's value, on one line of ASCII")
    return value


def is_header_value(value: str) -> bool:
    """Whether a header may have it."""
    return bool(value) and len(value) <= LONGEST_VALUE and value.isascii() and value.isprintable()


def _value_in(file: str) -> str:
    """Raises DestinationError."""
    try:
        return header_value(Path(file))
    except (OSError, ValueError) as error:
        raise DestinationError(f"{file}: {reason_of(error)}") from error


def _put(values: dict[str, str], name: str, value: str) -> None:
    """In the place of a preset's own, however that is spelt."""
    for other in [one for one in values if one.lower() == name.lower()]:
        del values[other]
    values[name] = value
