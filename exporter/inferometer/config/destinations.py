"""The section `destinations` of inferometer.yml: where a gateway sends on what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.addresses import URL, host_and_port, is_engine_url, local_port
from inferometer.config.keys import key, table
from inferometer.documents.bounds import bounded
from inferometer.documents.entry import Constraint

SIGNALS = ("traces", "logs", "metrics")
NOTHING, CONTENT, CONTENT_AND_USERS = REDACTIONS = ("none", "content", "content_and_users")

_NAME = bounded("text of at most 100 characters", maxLength=100)
_PLACE = Constraint(is_engine_url, URL, {"pattern": "^https?://[^/?#@ ]+([/?][^# ]*)?$"})
_SIGNAL = Constraint(lambda signal: signal in SIGNALS, f"one of {', '.join(SIGNALS)}",
                     {"enum": [*SIGNALS]})
_REDACTION = Constraint(lambda level: level in ("", *REDACTIONS),
                        f"one of {', '.join(REDACTIONS)}", {"enum": ["", *REDACTIONS]})
_TIMEOUT = bounded("a number of seconds above 0 and at most 300", exclusiveMinimum=0, maximum=300)


@dataclass(frozen=True)
class DestinationEntry:
    """One place to which a gateway sends on what it takes, over OTLP/HTTP."""

    url: str = key("http:// or https://, as of OTEL_EXPORTER_OTLP_ENDPOINT: /v1/traces and its "
                   "like are added.", constraint=_PLACE)
    name: str = key("What the label `destination` says; host:port of the URL if empty.", "", _NAME)
    signals: tuple[str, ...] = key("Which are sent.", SIGNALS, _SIGNAL)
    headers: Mapping[str, str] = table("Headers to send, which are no secrets.")
    header_files: Mapping[str, str] = table("Headers to send, by the file that holds the value.")
    redact: str = key("What is taken out: none, content, or content_and_users; if empty the last, "
                      "and none for 127.0.0.1, ::1 and localhost.", "", _REDACTION)
    ca_file: str = key("Certificate authorities to trust.", "")
    cert_file: str = key("A certificate of the client.", "")
    key_file: str = key("The key of `cert_file`.", "")
    insecure_skip_verify: bool = key("Take any certificate; for trials.", False)
    timeout_seconds: float = key("It has for an answer.", 10.0, _TIMEOUT)

    @property
    def label(self) -> str:
        """What the label `destination` says."""
        return self.name or host_and_port(self.url)

    @property
    def redaction(self) -> str:
        """One of REDACTIONS."""
        return self.redact or (NOTHING if local_port(self.url) else CONTENT_AND_USERS)
