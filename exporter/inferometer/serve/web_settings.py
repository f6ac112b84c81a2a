"""The web configuration file, checked; it has the format of the Prometheus exporter-toolkit:

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
What Python's ssl module cannot do is refused here, never ignored.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inferometer.documents.entry import Constraint, Entry
from inferometer.documents.mistakes import Document, DocumentError
from inferometer.documents.readers import read_yaml_file

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = {"TLS12": TLS12, "TLS13": TLS13}
NO_CLIENT_CERT = "NoClientCert"
CLIENT_AUTH = {
    NO_CLIENT_CERT: ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # Asked for or not, nobody would verify it.
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
CIPHERS = {
    f"TLS_ECDHE_{signature}_WITH_{go}": f"ECDHE-{signature}-{openssl}"
    for signature in ("ECDSA", "RSA")
    for go, openssl in (
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    )
}
CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
_TLS = "tls_server_config"
_BLANK = ("", "~", "null")
_OLD = "is switched off in OpenSSL: use TLS12 or TLS13"
_UNVERIFIED = ("is beyond Python, which requires no certificate unverified: use "
               "RequireAndVerifyClientCert")
_ALWAYS_ON = "cannot be selected, nor left out: the cipher suites of TLS 1.3 are always on"
_REFUSED = {
    **dict.fromkeys(("TLS10", "TLS11"), _OLD),
    **dict.fromkeys(("RequireAnyClientCert", "RequireClientCert"), _UNVERIFIED),
    **{f"TLS_{cipher}": _ALWAYS_ON for cipher in (
        "AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")},
}


class WebConfigError(DocumentError):
    """All that is wrong in a web configuration, a line each; none of them repeats a secret."""


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, re.ASCII) is not None


# The salt's last character carries two bits: the bcrypt package refuses it if others are set.
_BCRYPT = Constraint(
    _matches(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z\d]{21}[.Oeu][./A-Za-z\d]{31}"),
    "a bcrypt hash ($2a$, $2b$ or $2y$)")
_HEADER = Constraint(_matches("[ -~]*"), "printable ASCII on one line")
_COUNT = Constraint(lambda number: 0 <= number < 10**9, "a whole number from 0 to 999999999")


@dataclass(frozen=True)
class WebSettings:
    """A checked file. `tls` has the keys of its section as given, and is empty without TLS.

    `users` are bcrypt hashes by name; one request comes back each `interval` seconds, up to
    `burst`, and an interval of 0 is no limit.
    """

    document: Document
    tls: Mapping[str, Any]
    headers: Mapping[str, str]
    users: Mapping[str, str]
    interval: float
    burst: int


def load(path: Path) -> WebSettings:
    """Read and check a file, but none of those it names. Raises WebConfigError."""
    top = read_yaml_file(path, texts=True)
    sections = _keys(top, _SECTIONS)
    limit, http = sections.get("rate_limit", {}), sections.get("http_server_config", {})
    settings = WebSettings(
        top.document, sections.get(_TLS, {}), http.get("headers", {}),
        sections.get("basic_auth_users", {}), limit.get("interval", 0.0), limit.get("burst", 0))
    if settings.interval and not settings.burst and top.document.good("rate_limit"):
        top.document.report(
            "rate_limit.burst", "must be at least 1, or every request would be refused")
    if settings.tls and top.document.good(_TLS):
        for key, problem in _contradictions(settings.tls):
            top.document.report(f"{_TLS}.{key}", problem)
    top.document.finish(WebConfigError)
    return settings


def key_of(tls: Mapping[str, Any], name: str) -> str:
    """The key that has what `name` is: itself or, if the file is named instead, NAME_file."""
    return name if name in tls else f"{name}_file"


def _contradictions(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys to blame for contradictions, and what is wrong with them."""
    for name in ("cert", "key", "client_ca"):
        if name in tls and f"{name}_file" in tls:
            yield name, f"cannot be given along with {name}_file"
    for name in ("cert", "key"):
        if key_of(tls, name) not in tls:
            yield f"{name}_file", f"is missing, and so is {name}"
    ca, auth = key_of(tls, "client_ca"), tls.get("client_auth_type", NO_CLIENT_CERT)
    if ca in tls and auth == NO_CLIENT_CERT:
        yield ca, "would not be used, client_auth_type being NoClientCert"
    if ca not in tls and CLIENT_AUTH[auth] != ssl.CERT_NONE:
        yield ca, f"is missing, {auth} needs it"
    if "client_allowed_sans" in tls and auth != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert"
    if tls.get("client_allowed_sans") == []:
        yield "client_allowed_sans", "is empty, so it would let nobody in"
    if tls.get("min_version", TLS12) > tls.get("max_version", TLS13):
        yield "max_version", "is below min_version"


Read = Callable[[Entry], Any]  # what makes a value of an entry


def _keys(entry: Entry, reads: Mapping[str, Read]) -> dict[str, Any]:
    """A section's values by key; a blank key is as good as an absent one."""
    if entry.value in _BLANK:
        return {}
    return {key: reads[key](value) for key, value in entry.mapping(reads).items()
            if value.value not in _BLANK}


def _section(reads: Mapping[str, Read]) -> Read:
    return lambda entry: _keys(entry, reads)


def _users(entry: Entry) -> dict[str, str]:
    if entry.value in _BLANK:
        return {}
    return {name: stored.text(_BCRYPT) for name, stored in entry.mapping().items()}


def _list_of(read: Read) -> Read:
    return lambda entry: [read(item) for item in entry.items()]


def _one_of(table: Mapping[str, Any]) -> Read:
    """The value that a name has in the table."""

    def read(entry: Entry) -> Any:
        if isinstance(entry.value, str) and entry.value in _REFUSED:
            entry.report(f"{entry.value} {_REFUSED[entry.value]}")
        return table.get(entry.choice(table))

    return read


def _header(entry: Entry) -> str:
    return entry.text(_HEADER)


_SECTIONS: Mapping[str, Read] = {
    _TLS: _section({
        **dict.fromkeys(("cert", "cert_file", "key", "key_file"), Entry.text),
        **dict.fromkeys(("client_ca", "client_ca_file"), Entry.text),
        "client_auth_type": _one_of({name: name for name in CLIENT_AUTH}),
        "client_allowed_sans": _list_of(Entry.text),
        "cipher_suites": _list_of(_one_of(CIPHERS)),
        "prefer_server_cipher_suites": Entry.boolean,
        "curve_preferences": _list_of(_one_of(CURVES)),
        "min_version": _one_of(VERSIONS),
        "max_version": _one_of(VERSIONS),
    }),
    "http_server_config": _section({
        "http2": Entry.boolean,
        "headers": _section({
            "Content-Security-Policy": _header,
            "X-Frame-Options": lambda entry: entry.choice(("deny", "sameorigin")),
            "X-Content-Type-Options": lambda entry: entry.choice(("nosniff",)),
            "X-XSS-Protection": _header,
            "Strict-Transport-Security": _header,
        }),
    }),
    "basic_auth_users": _users,
    "rate_limit": _section({
        "interval": Entry.duration,
        "burst": lambda entry: entry.integer(_COUNT),
    }),
}
