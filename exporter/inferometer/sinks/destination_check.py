"""What is wrong with destinations as they are configured, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from inferometer.addresses import local_port
from inferometer.config import Config, DestinationEntry
from inferometer.documents.mistakes import Document
from inferometer.reasons import reason_of
from inferometer.sinks.destinations import destination_of, header_value, is_header_value
from inferometer.sinks.own_doors import IsOwn, own_addresses
from inferometer.sinks.presets import PRESETS, Preset

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
# Headers that say how a body is framed and read: they are ours.
_OURS = frozenset(("host", "connection", "content-length", "content-type", "content-encoding",
                   "transfer-encoding", "inferometer-hops"))


def check_destinations(config: Config, document: Document) -> None:
    """Report presets there are not, files that cannot be read, and a gateway that is its own."""
    is_own = own_addresses(config)
    for i, entry in enumerate(config.destinations):
        path = f"destinations[{i}]"
        _check_headers(path, entry, document)
        if not entry.url and not entry.preset:
            document.report(path, "has neither a url nor a preset; give one of them")
        elif entry.preset and entry.preset not in PRESETS:
            document.report(f"{path}.preset", f"is {entry.preset!r} and must be one of "
                                              f"{', '.join(PRESETS)}")
        elif document.good(f"{path}.url", f"{path}.preset") and entry.label:
            _check_preset(path, entry, document)
            _check_place(path, entry, document, is_own)


def _check_headers(path: str, entry: DestinationEntry, document: Document) -> None:
    for key, headers in (("headers", entry.headers), ("header_files", entry.header_files)):
        for name in headers:
            if not name or not _TOKEN.issuperset(name.lower()) or name.lower() in _OURS:
                document.report(f"{path}.{key}", f"{name!r} is no header that may be given")
    for name, value in entry.headers.items():
        if not is_header_value(value):
            document.report(f"{path}.headers", f"{name} has no value of one line of ASCII")
    files = [("header_files", file) for file in entry.header_files.values()]
    for key, file in [*files, *([("key_file", entry.key_file)] if entry.key_file else ())]:
        try:
            header_value(Path(file))
        except (OSError, ValueError) as error:
            document.report(f"{path}.{key}", f"{file}: {reason_of(error)}")


def _check_preset(path: str, entry: DestinationEntry, document: Document) -> None:
    preset = PRESETS[entry.preset or "otlp"]
    given = {name.lower() for name in (*entry.headers, *entry.header_files)}
    if not entry.url and not preset.url:
        document.report(f"{path}.url", f"is missing: {preset.title} is somewhere of your own, as "
                                       f"{preset.url_example}")
    for name, meaning in preset.asked.items():
        if name not in given:
            document.report(f"{path}.headers", f"lacks {name}, for which {entry.label} asks: "
                                               f"{meaning}")
    if _needs_key(preset) and not entry.key_file and preset.key_header not in given:
        document.report(f"{path}.key_file", f"is missing: {preset.title} asks for a key")
    strange = [one for one in entry.signals if one not in preset.signals]
    if strange:
        document.report(f"{path}.signals", f"has {', '.join(strange)}, which {preset.title} does "
                                           "not take")


def _needs_key(preset: Preset) -> bool:
    return bool(preset.key_header) and preset.key_needed


def _check_place(path: str, entry: DestinationEntry, document: Document, is_own: IsOwn) -> None:
    keys = [f"{path}.{key}" for key in ("ca_file", "client_cert_file", "client_key_file")]
    if document.good(*keys):
        try:
            destination_of(entry).context()
        except OSError as error:
            document.report(keys[1] if entry.client_cert_file else keys[0],
                            f"no usable certificate: {reason_of(error)}")
    parts = urlsplit(entry.url)
    host = "127.0.0.1" if local_port(entry.url) else parts.hostname or ""
    if is_own(host, parts.port or (443 if parts.scheme == "https" else 80)):
        document.report(f"{path}.url", "is where this gateway itself listens")
