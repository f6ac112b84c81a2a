"""TLS, client certificates, users, headers and rate limit of the HTTP server, from one file."""

from __future__ import annotations

import ssl
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inferometer.serve import web_settings
from inferometer.serve.rate_limit import RateLimit
from inferometer.serve.tls import Tls
from inferometer.serve.users import Users
from inferometer.serve.web_settings import WebSettings


class WebConfig:
    """A checked web configuration: how to serve TLS, whom to let in, which headers to send.

    `tls` says whether to serve TLS at all, `has_users` whether passwords are asked for; `headers`
    go into every response, a 401 included.
    `http2` is accepted, but what we serve is HTTP/1.1, gRPC apart, and ALPN says so. Accepted, too,
    is `prefer_server_cipher_suites`, and it changes nothing, as in Go. Safe to share between
    threads.
    """

    def __init__(self, settings: WebSettings) -> None:
        self.tls = bool(settings.tls)
        self.has_users = bool(settings.users)
        self.headers: Mapping[str, str] = MappingProxyType(settings.headers)
        self._tls = Tls(settings.document, settings.tls)
        self._http2_tls = Tls(settings.document, settings.tls, "h2")
        self._limit = RateLimit(settings.interval, settings.burst)
        self._users = Users(settings.users)

    @classmethod
    def load(cls, path: Path) -> WebConfig:
        """Read and check `path` and the files it names; relative names start at its directory.

        A `tls_server_config` with any key set means TLS, and so needs a certificate and a key.
        Raises WebConfigError with all that is wrong in the file, or else with the first thing that
        is wrong in the files it names.
        """
        config = cls(web_settings.load(path))
        if config.tls:
            config.fresh_context()
        return config

    def terms(self) -> tuple[ssl.SSLContext | None, Hashable]:
        """The TLS context for a new connection, None without TLS, and what it is made of.

        A connection that was made under something else should not go on.
        """
        return self._tls.terms() if self.tls else (None, None)

    def ssl_context(self) -> ssl.SSLContext:
        """Build a server context, reading the certificates anew.

        Raises WebConfigError if they are missing or broken by now, or if no TLS is configured.
        """
        return self._tls.context()

    def fresh_context(self) -> ssl.SSLContext:
        """Return the last context built, or a new one if the certificate files changed since.

        Raises WebConfigError if no context was ever built, or if no TLS is configured.
        """
        return self._tls.fresh_context()

    def http2_context(self) -> ssl.SSLContext:
        """The same for a server that speaks HTTP/2 alone, as ALPN then says: one of gRPC."""
        return self._http2_tls.fresh_context()

    def authorized(self, authorization_header: str | None) -> bool:
        """Whether the header carries a user's password; always True without `basic_auth_users`."""
        return self._users.authorized(authorization_header)

    def decision(self, authorization_header: str | None) -> bool | None:
        """What `authorized` returns, where that takes no time; else None."""
        return self._users.decision(authorization_header)

    def inherit(self, before: WebConfig) -> None:
        """Let in at once whom the configuration before has let in, if user and hash are the same.
        """
        self._users.inherit(before._users)

    def allows_peer(self, peer_certificate: Mapping[str, Any] | None) -> bool:
        """Whether a getpeercert() dict has one of `client_allowed_sans`; True if none are set.

        To be asked after the handshake, which does not look at them; if False, hang up.
        """
        return self._tls.allows_peer(peer_certificate)

    def admits(self) -> bool:
        """Take one request from `rate_limit`; False if none is left (answer 429)."""
        return self._limit.take()
