"""The section `destinations` of inferometer.yml: where a gateway sends on what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.addresses import URL, host_and_port, is_engine_url, local_port
from inferometer.config.keys import key, table
from inferometer.documents.bounds import bounded
from inferometer.documents.entry import Constraint

SIGNALS = ("traces", "logs", "metrics", "feedback")
ENCODINGS = ("protobuf", "json")
NOTHING, CONTENT, CONTENT_AND_USERS = REDACTIONS = ("none", "content", "content_and_users")

_TRACE_ADDRESS = "https?://[^ ]*[{]trace_id[}][^ ]*"
_NAME = bounded("text of at most 100 characters", maxLength=100)
_PLACE = Constraint(lambda url: not url or is_engine_url(url), f"{URL}, or nothing",
                    {"pattern": "^(https?://[^/?#@ ]+([/?][^# ]*)?)?$"})
_LINK = Constraint(lambda link: not link or re.fullmatch(_TRACE_ADDRESS, link) is not None,
                   "http:// or https:// with {trace_id} in it, or nothing",
                   {"pattern": f"^({_TRACE_ADDRESS})?$"})
_ENCODING = Constraint(lambda encoding: encoding in ("", *ENCODINGS),
                       f"one of {', '.join(ENCODINGS)}",
                       {"enum": ["", *ENCODINGS]})
_SIGNAL = Constraint(lambda signal: signal in SIGNALS, f"one of {', '.join(SIGNALS)}",
                     {"enum": [*SIGNALS]})
_REDACTION = Constraint(lambda level: level in ("", *REDACTIONS),
                        f"one of {', '.join(REDACTIONS)}", {"enum": ["", *REDACTIONS]})
_TIMEOUT = bounded("a number of seconds above 0 and at most 300", exclusiveMinimum=0, maximum=300)


@dataclass(frozen=True)
class DestinationEntry:
    """One place to which a gateway sends on what it takes, over OTLP/HTTP."""

    preset: str = key("What it is, which says how it is sent to; any that takes OTLP, if empty.",
                      "", _NAME)
    url: str = key("http:// or https://, as of OTEL_EXPORTER_OTLP_ENDPOINT: /v1/traces and its "
                   "like are added; the preset's if empty.", "", _PLACE)
    name: str = key("What the label `destination` says; if empty the preset, or host:port of the "
                    "URL.", "", _NAME)
    key_file: str = key("A file with the key that lets in, sent as the preset has it.", "")
    link: str = key("The address of a trace there, with {trace_id} for its id; the preset's if "
                    "empty.", "", _LINK)
    signals: tuple[str, ...] = key("Which are sent; all that it takes, if empty.", (), _SIGNAL)
    encoding: str = key("protobuf or json; the preset's if empty, or as it came.", "", _ENCODING)
    headers: Mapping[str, str] = table("Headers to send, which are no secrets.")
    header_files: Mapping[str, str] = table("Headers to send, by the file that holds the value.")
    redact: str = key("What is taken out: none, content, or content_and_users; if empty the last, "
                      "and none for 127.0.0.1, ::1 and localhost.", "", _REDACTION)
    ca_file: str = key("Certificate authorities to trust.", "")
    client_cert_file: str = key("A certificate to show.", "")
    client_key_file: str = key("Its key.", "")
    insecure_skip_verify: bool = key("Take any certificate; for trials.", False)
    timeout_seconds: float = key("It has for an answer.", 10.0, _TIMEOUT)

    @property
    def label(self) -> str:
        """What the label `destination` says."""
        return self.name or self.preset or (host_and_port(self.url) if self.url else "")

    @property
    def redaction(self) -> str:
        """One of REDACTIONS."""
        return self.redact or (NOTHING if local_port(self.url) else CONTENT_AND_USERS)
