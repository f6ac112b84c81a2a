"""TLS of the server: contexts from certificate files that may be renewed, and allowed peers."""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inferometer.documents.mistakes import Document, Mistake
from inferometer.reasons import reason_of
from inferometer.serve.web_settings import (
    CLIENT_AUTH,
    NO_CLIENT_CERT,
    TLS12,
    TLS13,
    WebConfigError,
    key_of,
)

_log = logging.getLogger(__name__)
_SECTION = "tls_server_config"
_SAN_KINDS = ("DNS", "IP Address", "email", "URI")
# The last is what OpenSSL says of a key of another type than the certificate's.
_WRONG_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class UnusableTlsError(ValueError):
    """What a key says cannot be had here; the message says why."""


class Tls:
    """The section `tls_server_config`. A mistake in a file is one of the key that names it."""

    def __init__(self, document: Document, settings: Mapping[str, Any],
                 protocol: str = "http/1.1") -> None:
        self._document, self._settings = document, settings
        self._protocol = protocol
        self._folder = Path(document.name).absolute().parent
        self._context: ssl.SSLContext | None = None
        self._terms: Hashable = None
        self._context_stamp: object = None
        self._broken_stamp: object = None
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """Build a server context, reading the certificates anew.

        Raises WebConfigError if they are missing or broken by now, or if no TLS is configured.
        """
        if not self._settings:
            raise self._error("", "is not set, so there is no TLS to serve")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._settings.get("min_version", TLS12)
        context.maximum_version = self._settings.get("max_version", TLS13)
        context.set_alpn_protocols([self._protocol])
        with self._blaming("cipher_suites"):
            if ciphers := self._settings.get("cipher_suites"):
                context.set_ciphers(":".join(ciphers))
        with self._blaming("curve_preferences"):
            _set_curves(context, self._settings.get("curve_preferences", []))
        self._load_certificates(context)
        return context

    def fresh_context(self) -> ssl.SSLContext:
        """Return the last context built, or a new one if the certificate files changed since.

        While changed files are broken the last context stays in use, which is logged once.
        Raises WebConfigError if no context was ever built, or if no TLS is configured.
        """
        return self.terms()[0]

    def terms(self) -> tuple[ssl.SSLContext, Hashable]:
        """The same context, and what it asks of a peer: the settings and the authorities' text.

        Renewed certificates of the server itself ask nothing else. Raises WebConfigError.
        """
        with self._lock:
            stamp = [_stamp(self._path(key)) for key in self._settings if key.endswith("_file")]
            if self._context is None or stamp != self._context_stamp:
                try:
                    authorities = self._authorities()  # first: the context has no older ones
                    self._context, self._context_stamp = self.context(), stamp
                    self._terms = (self._folder, repr(sorted(self._settings.items())), authorities)
                except WebConfigError as error:
                    if self._context is None:
                        raise
                    if stamp != self._broken_stamp:
                        _log.error("%s; the previous certificates stay in use", error)
                    self._broken_stamp = stamp
            return self._context, self._terms

    def allows_peer(self, peer_certificate: Mapping[str, Any] | None) -> bool:
        """Whether a getpeercert() dict has one of `client_allowed_sans`; True if none are set."""
        allowed = self._settings.get("client_allowed_sans")
        if allowed is None:
            return True
        names = (peer_certificate or {}).get("subjectAltName", ())
        return any(kind in _SAN_KINDS and _as_in_go(kind, name) in allowed for kind, name in names)

    def _path(self, key: str) -> Path:
        return self._folder / str(self._settings[key])

    def _load_certificates(self, context: ssl.SSLContext) -> None:
        # load_cert_chain does not tell which of its files is bad: try the certificate alone first.
        self._load("cert", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations)
        with self._pem("cert") as cert:
            self._load("key", lambda key: context.load_cert_chain(cert, key, _no_passphrase))
        if key_of(self._settings, "client_ca") in self._settings:
            self._load("client_ca", context.load_verify_locations)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go trusts an intermediate CA too.
        context.verify_mode = CLIENT_AUTH[self._settings.get("client_auth_type", NO_CLIENT_CERT)]

    def _authorities(self) -> bytes:
        """The text of the file with the clients' authorities, if there is one to read."""
        if "client_ca_file" not in self._settings:
            return b""
        try:
            return self._path("client_ca_file").read_bytes()
        except (OSError, ValueError):
            return b""  # the context tells

    def _load(self, name: str, use: Callable[[str], None]) -> None:
        with self._pem(name) as pem, self._blaming(key_of(self._settings, name)):
            Path(pem).read_bytes()  # Says better than OpenSSL why a file cannot be read.
            use(pem)

    @contextmanager
    def _pem(self, name: str) -> Iterator[str]:
        if f"{name}_file" in self._settings:
            yield str(self._path(f"{name}_file"))
            return
        # OpenSSL wants files, but an inline key must not touch a disk.
        with open(os.memfd_create(name), "wb") as lent:
            lent.write(self._settings[name].encode(errors="replace"))
            lent.flush()
            yield f"/proc/self/fd/{lent.fileno()}"

    def _error(self, key: str, problem: str) -> WebConfigError:
        path = f"{_SECTION}.{key}" if key else _SECTION
        return WebConfigError(Mistake(path, problem)).placed(self._document)

    @contextmanager
    def _blaming(self, key: str) -> Iterator[None]:
        """Turn errors of OpenSSL and the system into mistakes of this key."""
        try:
            yield
        except ssl.SSLError as error:
            problem = f"is nothing OpenSSL can use: {reason_of(error)}"
            if error.reason in _WRONG_KEY:
                problem = "is not the private key of the certificate"
            raise self._error(key, problem) from error
        except OSError as error:
            raise self._error(key, f"cannot be read: {reason_of(error)}") from error
        except ValueError as error:
            raise self._error(key, reason_of(error)) from error


def _set_curves(context: ssl.SSLContext, curves: list[str]) -> None:
    if len(curves) == 1:
        context.set_ecdh_curve(curves[0])
    elif curves:
        set_groups = getattr(context, "set_groups", None)  # Python 3.15 has it.
        if set_groups is None:
            raise UnusableTlsError("names several curves, and this Python can set one curve only")
        set_groups(":".join(curves))


def _no_passphrase() -> str:
    raise UnusableTlsError("is encrypted, and there is nobody to ask for its passphrase")


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _as_in_go(kind: str, name: str) -> str:
    """Return a SAN as the toolkit writes it: getpeercert() leaves IPv6 zeros in."""
    try:
        return str(ipaddress.ip_address(name)) if kind == "IP Address" else name
    except ValueError:
        return name
