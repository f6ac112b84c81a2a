"""TLS, client certificates, basic auth and rate limit of the HTTP server, from one YAML file.

The file has the keys of the Prometheus exporter-toolkit's web configuration:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
What Python's ssl module cannot do is refused when the file is loaded, never ignored.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import logging
import os
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import bcrypt
import yaml

_log = logging.getLogger(__name__)
_CACHE_KEY = secrets.token_bytes(32)
_TLS = "tls_server_config"
_ANY_NAME = object()
_BLANK = ("", "~", "null")
_BCRYPT_BYTES = 72  # bcrypt reads no further, and the bcrypt package raises beyond it.
# The salt's last character carries two bits: the bcrypt package refuses it if others are set.
_BCRYPT = r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z\d]{21}[.Oeu][./A-Za-z\d]{31}"
_SAN_KINDS = ("DNS", "IP Address", "email", "URI")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION_PART = rf"(\d+\.?\d*|\.\d+)({'|'.join(_UNITS)})"
_TLS12, _TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
_VERSIONS = {"TLS12": _TLS12, "TLS13": _TLS13}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # Asked for or not, nobody would verify it.
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CIPHERS = {
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
_CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
_REFUSED = {
    ("TLS10", "TLS11"): "is switched off in OpenSSL: use TLS12 or TLS13",
    ("RequireAnyClientCert", "RequireClientCert"): (
        "is beyond Python, which requires no certificate unverified: use RequireAndVerifyClientCert"
    ),
    ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"): (
        "cannot be selected, nor left out: the cipher suites of TLS 1.3 are always on"
    ),
}
# The last is what OpenSSL says of a key of another type than the certificate's.
_WRONG_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class WebConfigError(ValueError):
    """What is wrong in a web configuration: one line, "<file>: <key.path>: <what>", no secrets."""


class WebConfig:
    """A checked web configuration: how to serve TLS, whom to let in, which headers to send.

    `tls` says whether to serve TLS at all; `headers` go into every response, a 401 included.
    `http2` is accepted, but what we serve is HTTP/1.1, and ALPN says so. Accepted, too, is
    `prefer_server_cipher_suites`, and it changes nothing, as in Go. Safe to share between threads.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]) -> None:
        self._file = file
        self._tls: dict[str, Any] = settings.get(_TLS, {})
        users = settings.get("basic_auth_users", {})
        self._users: dict[bytes, bytes] = {
            name.encode(errors="surrogatepass"): users[name] for name in users
        }
        self._verified: dict[bytes, bytes] = {}
        self._bcrypt_lock = threading.Lock()
        self._bucket = _Bucket(**settings.get("rate_limit", {}))
        self._context: ssl.SSLContext | None = None
        self._context_stamp: object = None
        self._broken_stamp: object = None
        self._context_lock = threading.Lock()
        self.tls = bool(self._tls)
        headers = settings.get("http_server_config", {}).get("headers", {})
        self.headers: Mapping[str, str] = MappingProxyType(headers)

    @classmethod
    def load(cls, path: Path) -> WebConfig:
        """Read and check `path` and the files it names; relative names start at its directory.

        A `tls_server_config` with any key set means TLS, and so needs a certificate and a key.
        Raises WebConfigError at the first thing that is wrong.
        """
        settings = _parse(_read_yaml(path), _RULES, path)
        for key, what in _contradictions(settings):
            raise _fault(path, key, what)
        config = cls(path, settings)
        if config.tls:
            config.fresh_context()
        return config

    def ssl_context(self) -> ssl.SSLContext:
        """Build a server context, reading the certificates anew.

        Raises WebConfigError if they are missing or broken by now, or if no TLS is configured.
        """
        if not self.tls:
            raise _fault(self._file, _TLS, "is not set, so there is no TLS to serve")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._tls.get("min_version", _TLS12)
        context.maximum_version = self._tls.get("max_version", _TLS13)
        context.set_alpn_protocols(["http/1.1"])
        with _blaming(self._file, f"{_TLS}.cipher_suites"):
            if ciphers := self._tls.get("cipher_suites"):
                context.set_ciphers(":".join(ciphers))
        with _blaming(self._file, f"{_TLS}.curve_preferences"):
            _set_curves(context, self._tls.get("curve_preferences", []))
        self._load_certificates(context)
        return context

    def fresh_context(self) -> ssl.SSLContext:
        """Return the last context built, or a new one if the certificate files changed since.

        While changed files are broken the last context stays in use, which is logged once.
        Raises WebConfigError if no context was ever built, or if no TLS is configured.
        """
        with self._context_lock:
            stamp = [_stamp(self._path(key)) for key in self._tls if key.endswith("_file")]
            if self._context is None or stamp != self._context_stamp:
                try:
                    self._context, self._context_stamp = self.ssl_context(), stamp
                except WebConfigError as error:
                    if self._context is None:
                        raise
                    if stamp != self._broken_stamp:
                        _log.error("%s; the previous certificates stay in use", error)
                    self._broken_stamp = stamp
            return self._context

    def authorized(self, authorization_header: str | None) -> bool:
        """Whether the header carries a user's password; always True without `basic_auth_users`.

        Of a password only the first 72 bytes count, as bcrypt has it. Never raises.
        """
        if self.remembers(authorization_header):
            return True
        user, colon, password = _basic_credentials(authorization_header).partition(b":")
        if not colon:
            return False
        stored = self._users.get(user) or self._decoy(user)
        with self._bcrypt_lock:  # One at a time: guessing must not take more than one core.
            matches = bcrypt.checkpw(password[:_BCRYPT_BYTES], stored)
        if not matches or user not in self._users:
            return False
        self._verified[user] = _digest(user + colon + password)
        return True

    def remembers(self, authorization_header: str | None) -> bool:
        """Whether `authorized` is True at once: without users, and of a password seen before."""
        if not self._users:
            return True
        credentials = _basic_credentials(authorization_header)
        seen = self._verified.get(credentials.partition(b":")[0], b"")
        return hmac.compare_digest(seen, _digest(credentials))

    def allows_peer(self, peer_certificate: Mapping[str, Any] | None) -> bool:
        """Whether a getpeercert() dict has one of `client_allowed_sans`; True if none are set.

        To be asked after the handshake, which does not look at them; if False, hang up.
        """
        allowed = self._tls.get("client_allowed_sans")
        if allowed is None:
            return True
        names = (peer_certificate or {}).get("subjectAltName", ())
        return any(kind in _SAN_KINDS and _as_in_go(kind, name) in allowed for kind, name in names)

    def admits(self) -> bool:
        """Take one request from `rate_limit`; False if none is left (answer 429)."""
        return self._bucket.take()

    def _decoy(self, user: bytes) -> bytes:
        # Some user's hash, for one name always the same: thus time tells nobody which names
        # exist, not even where the users' bcrypt costs differ.
        stored = list(self._users.values())
        return stored[hmac.digest(_CACHE_KEY, user, "sha256")[0] % len(stored)]

    def _path(self, key: str) -> Path:
        return self._file.absolute().parent / str(self._tls[key])

    def _load_certificates(self, context: ssl.SSLContext) -> None:
        # load_cert_chain does not tell which of its files is bad: try the certificate alone first.
        self._load("cert", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations)
        with self._pem("cert") as cert:
            self._load("key", lambda key: context.load_cert_chain(cert, key, _no_passphrase))
        if _key_of(self._tls, "client_ca") in self._tls:
            self._load("client_ca", context.load_verify_locations)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go trusts an intermediate CA too.
        context.verify_mode = _CLIENT_AUTH[self._tls.get("client_auth_type", "NoClientCert")]

    def _load(self, name: str, use: Callable[[str], None]) -> None:
        with self._pem(name) as pem, _blaming(self._file, f"{_TLS}.{_key_of(self._tls, name)}"):
            Path(pem).read_bytes()  # Says better than OpenSSL why a file cannot be read.
            use(pem)

    @contextmanager
    def _pem(self, name: str) -> Iterator[str]:
        if f"{name}_file" in self._tls:
            yield str(self._path(f"{name}_file"))
            return
        # OpenSSL wants files, but an inline key must not touch a disk.
        with open(os.memfd_create(name), "wb") as lent:
            lent.write(self._tls[name].encode(errors="replace"))
            lent.flush()
            yield f"/proc/self/fd/{lent.fileno()}"


class _Bucket:
    """A token bucket: `burst` tokens, one back each `interval` seconds; no limit without those."""

    def __init__(self, interval: float = 0, burst: int = 0) -> None:
        self._interval, self._burst = interval, burst
        self._tokens, self._at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        if not self._interval:
            return True
        with self._lock:
            now = time.monotonic()
            self._tokens += (now - self._at) / self._interval
            self._tokens, self._at = min(self._tokens, self._burst), now
            taken = self._tokens >= 1
            self._tokens -= taken
            return taken


class _Loader(yaml.BaseLoader):
    """Leaves scalars as text, as the toolkit reads them; refuses repeated keys, as it does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = []
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key.value!r} is repeated", problem_mark=key.start_mark
                )
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(file: Path) -> object:
    try:
        return yaml.load(file.read_bytes(), _Loader)
    except OSError as error:
        raise _fault(file, "cannot be read", error.strerror) from error
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f"line {mark.line + 1}" if mark else "not YAML"
        # Not chained: the YAML error quotes the file, which may hold a key.
        raise _fault(file, where, problem or "not text") from None


def _fault(file: Path, key: str, what: object) -> WebConfigError:
    return WebConfigError(" ".join(f"{file}: {key}: {what}".splitlines()))


@contextmanager
def _blaming(file: Path, key: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        what = f"is nothing OpenSSL can use ({error.reason or 'bad PEM'})"
        if error.reason in _WRONG_KEY:
            what = "is not the private key of the certificate"
        raise _fault(file, key, what) from error
    except OSError as error:
        raise _fault(file, key, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _fault(file, key, error) from error


def _parse(raw: object, rules: Mapping[object, Any], file: Path, path: str = "") -> dict[str, Any]:
    """Check a mapping key by key: a rule is a function that converts, or rules one level down."""
    if raw is None or raw in _BLANK:
        return {}
    if not isinstance(raw, dict):
        raise _fault(file, path or "top level", "must be a mapping")
    parsed = {}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else key
        rule = rules.get(key, rules.get(_ANY_NAME))
        if rule is None:
            raise _fault(file, where, "is not a known key")
        if isinstance(rule, Mapping):
            parsed[key] = _parse(value, rule, file, where)
        elif value not in _BLANK or rule is _bcrypt_hash:
            with _blaming(file, where):
                parsed[key] = rule(value)
    return parsed


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _matching(pattern: str, what: str, into: Callable[[str], Any] = str) -> Callable[[object], Any]:
    def convert(value: object) -> Any:
        if not re.fullmatch(pattern, _text(value), re.ASCII):
            raise ValueError(what)
        return into(_text(value))

    return convert


def _one_of(table: Mapping[str, Any]) -> Callable[[object], Any]:
    def convert(value: object) -> Any:
        text = _text(value)
        if text not in table:
            why = f"is not one of {', '.join(table)}"
            why = next((said for names, said in _REFUSED.items() if text in names), why)
            raise ValueError(f"{text!r} {why}")
        return table[text]

    return convert


def _list_of(item: Callable[[object], Any]) -> Callable[[object], list[Any]]:
    def convert(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return [item(each) for each in value]

    return convert


def _seconds(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_DURATION_PART, text))


_boolean = _matching("(?i:true|false|yes|no|on|off)", "must be true or false")
_any_header = _matching("[ -~]*", "must be printable ASCII on one line")
_bcrypt_hash = _matching(_BCRYPT, "is not a bcrypt hash ($2a$, $2b$ or $2y$)", str.encode)
_RULES: Mapping[object, Any] = {
    _TLS: {
        **dict.fromkeys(("cert", "cert_file", "key", "key_file"), _text),
        **dict.fromkeys(("client_ca", "client_ca_file"), _text),
        "client_auth_type": _one_of({name: name for name in _CLIENT_AUTH}),
        "client_allowed_sans": _list_of(_text),
        "cipher_suites": _list_of(_one_of(_CIPHERS)),
        "prefer_server_cipher_suites": _boolean,
        "curve_preferences": _list_of(_one_of(_CURVES)),
        "min_version": _one_of(_VERSIONS),
        "max_version": _one_of(_VERSIONS),
    },
    "http_server_config": {
        "http2": _boolean,
        "headers": {
            "Content-Security-Policy": _any_header,
            "X-Frame-Options": _matching("deny|sameorigin", "must be deny or sameorigin"),
            "X-Content-Type-Options": _matching("nosniff", "must be nosniff"),
            "X-XSS-Protection": _any_header,
            "Strict-Transport-Security": _any_header,
        },
    },
    "basic_auth_users": {_ANY_NAME: _bcrypt_hash},
    "rate_limit": {
        "interval": _matching(
            f"0|({_DURATION_PART})+", "must have a unit, as 500ms, 1s or 1m30s", _seconds
        ),
        "burst": _matching(r"\d{1,9}", "must be a whole number", int),
    },
}


def _contradictions(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where keys contradict each other: the key to blame, and what is wrong with it."""
    limit, tls = settings.get("rate_limit", {}), settings.get(_TLS)
    if limit.get("interval") and not limit.get("burst"):
        yield "rate_limit.burst", "must be at least 1, or every request would be refused"
    if tls:
        yield from ((f"{_TLS}.{key}", what) for key, what in _tls_contradictions(tls))


def _tls_contradictions(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("cert", "key", "client_ca"):
        if name in tls and f"{name}_file" in tls:
            yield name, f"cannot be given along with {name}_file"
    for name in ("cert", "key"):
        if _key_of(tls, name) not in tls:
            yield f"{name}_file", f"is missing, and so is {name}"
    ca, auth = _key_of(tls, "client_ca"), tls.get("client_auth_type", "NoClientCert")
    if ca in tls and auth == "NoClientCert":
        yield ca, "would not be used, client_auth_type being NoClientCert"
    if ca not in tls and _CLIENT_AUTH[auth] != ssl.CERT_NONE:
        yield ca, f"is missing, {auth} needs it"
    if "client_allowed_sans" in tls and auth != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert"
    if tls.get("client_allowed_sans") == []:
        yield "client_allowed_sans", "is empty, so it would let nobody in"
    if tls.get("min_version", _TLS12) > tls.get("max_version", _TLS13):
        yield "max_version", "is below min_version"


def _key_of(tls: Mapping[str, Any], name: str) -> str:
    return name if name in tls else f"{name}_file"


def _set_curves(context: ssl.SSLContext, curves: list[str]) -> None:
    if len(curves) == 1:
        context.set_ecdh_curve(curves[0])
    elif curves:
        set_groups = getattr(context, "set_groups", None)  # Python 3.15 has it.
        if set_groups is None:
            raise ValueError("this Python can set one curve only")
        set_groups(":".join(curves))


def _no_passphrase() -> str:
    raise ValueError("is encrypted, and there is nobody to ask for its passphrase")


def _stamp(path: Path) -> object:
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _basic_credentials(header: str | None) -> bytes:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(token, validate=True)
    except ValueError:
        return b""


def _digest(credentials: bytes) -> bytes:
    return hmac.digest(_CACHE_KEY, credentials, "sha256")


def _as_in_go(kind: str, name: str) -> str:
    """Return a SAN as the toolkit writes it: getpeercert() leaves IPv6 zeros in."""
    try:
        return str(ipaddress.ip_address(name)) if kind == "IP Address" else name
    except ValueError:
        return name
