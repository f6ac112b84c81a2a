"""Destinations as they are configured: where each signal goes, with which headers and TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from inferometer.addresses import local_port, split_address
from inferometer.config import Config, DestinationEntry
from inferometer.config.destinations import NOTHING
from inferometer.documents.mistakes import Document
from inferometer.outside import masked
from inferometer.reasons import reason_of

LONGEST_VALUE = 8192  # characters of a header's value
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
# Headers that say how a body is framed and read: they are ours.
_OURS = frozenset(("host", "connection", "content-length", "content-type", "content-encoding",
                   "transfer-encoding", "inferometer-hops"))
IsOwn = Callable[[str, int], bool]  # whether an address is one at which this gateway listens


class DestinationError(Exception):
    """A destination cannot be sent to now; the message says why in one line."""


@dataclass(frozen=True)
class Destination:
    """One place to which bodies are sent."""

    name: str
    urls: Mapping[str, str]  # by signal
    headers: Mapping[str, str]
    header_files: Mapping[str, str]
    redaction: str  # one of config.destinations.REDACTIONS
    timeout: float  # seconds
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
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
        values = dict(self.headers)
        for name, file in self.header_files.items():
            try:
                values[name] = header_value(Path(file))
            except (OSError, ValueError) as error:
                raise DestinationError(f"{file}: {reason_of(error)}") from error
        return values

    def context(self) -> ssl.SSLContext:
        """TLS with its files as they are now. Raises OSError."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None)
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class HeaderFileError(ValueError):
    """A file holds no value of a header."""


def destination_of(entry: DestinationEntry) -> Destination:
    """What an entry of the configuration means."""
    return Destination(
        entry.label, {signal: signal_url(entry.url, signal) for signal in entry.signals},
        entry.headers, entry.header_files, entry.redaction, entry.timeout_seconds, entry.ca_file,
        entry.cert_file, entry.key_file, entry.insecure_skip_verify)


def signal_url(url: str, signal: str) -> str:
    """Where bodies of a signal go: OTEL_EXPORTER_OTLP_ENDPOINT is given without their path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/{signal}"))


def header_value(path: Path) -> str:
    """The value in a file, without the end of its line. Raises OSError, ValueError."""
    value = path.read_text(encoding="utf-8").strip()
    if not _is_value(value):
        raise HeaderFileError("it must hold a header's value, on one line of ASCII")
    return value


def check_destinations(config: Config, document: Document) -> None:
    """Report files that cannot be read, headers that are none, and a gateway that is its own."""
    is_own = own_addresses(config)
    for i, entry in enumerate(config.destinations):
        path = f"destinations[{i}]"
        for key, headers in (("headers", entry.headers), ("header_files", entry.header_files)):
            for name in headers:
                if not name or not _TOKEN.issuperset(name.lower()) or name.lower() in _OURS:
                    document.report(f"{path}.{key}", f"{name!r} is no header that may be given")
        for name, value in entry.headers.items():
            if not _is_value(value):
                document.report(f"{path}.headers", f"{name} has no value of one line of ASCII")
        for file in entry.header_files.values():
            try:
                header_value(Path(file))
            except (OSError, ValueError) as error:
                document.report(f"{path}.header_files", f"{file}: {reason_of(error)}")
        if not entry.signals:
            document.report(f"{path}.signals", "names none")
        if not document.good(f"{path}.url") or not entry.url:
            continue
        if document.good(f"{path}.ca_file", f"{path}.cert_file", f"{path}.key_file"):
            try:
                destination_of(entry).context()
            except OSError as error:
                document.report(f"{path}.ca_file" if not entry.cert_file else f"{path}.cert_file",
                                f"no usable certificate: {reason_of(error)}")
        if entry.redaction != NOTHING:
            document.report(f"{path}.redact", f"{entry.redaction} is not there yet: give none, or "
                                              "a destination on this machine")
        parts = urlsplit(entry.url)
        host = "127.0.0.1" if local_port(entry.url) else parts.hostname or ""
        if is_own(host, parts.port or (443 if parts.scheme == "https" else 80)):
            document.report(f"{path}.url", "is where this gateway itself listens")


def own_addresses(config: Config) -> IsOwn:
    """What tells the addresses at which a gateway of this configuration listens."""
    doors = [split_address(address) for address in (
        config.intake_listen, config.intake_grpc_listen) if address]

    def is_own(host: str, port: int) -> bool:
        return any(port == own_port and port and _is_same(host, own_host)
                   for own_host, own_port in doors)

    return is_own


def _is_same(address: str, listened: str) -> bool:
    """Whether an address of a connection leads to where something listens on this machine."""
    if listened in ("", "0.0.0.0", "::"):
        return _is_local(address)
    return address in {listened, *_addresses(listened)}


def _addresses(host: str) -> Iterable[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return ()


def _is_local(address: str) -> bool:
    """Whether this machine has the address: only such a one can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def _is_value(value: str) -> bool:
    return bool(value) and len(value) <= LONGEST_VALUE and value.isascii() and value.isprintable()
