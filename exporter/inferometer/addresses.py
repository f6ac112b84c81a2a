"""Addresses as people write them: HOST:PORT to listen on, URLs of engines."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

ADDRESS = "HOST:PORT"  # what messages call them
URL = "an http:// or https:// URL without user, password or fragment"
ORIGIN = ("an origin as browsers write it: http:// or https://, a host in lower case, a port if "
          "it is not the scheme's, and nothing else")


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPV6]:PORT or :PORT as host and port. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+(?:%\w+)?)\]|([\w.-]*)):(\d{1,5})", text, re.ASCII)
    if match is None or int(match[3]) > 65535:
        raise ValueError(text)
    return match[1] or match[2], int(match[3])


def is_address(text: str) -> bool:
    """Whether `split_address` takes it."""
    try:
        split_address(text)
    except ValueError:
        return False
    return True


def is_engine_url(url: str) -> bool:
    """Whether this is an http(s) URL with a host, no user and nothing odd in it."""
    try:
        parts = urlsplit(url)
        good_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return (plain and good_port and parts.scheme in ("http", "https") and bool(parts.hostname)
            and parts.username is None and not parts.fragment)


def is_origin(text: str) -> bool:
    """Whether a browser may write an Origin header so: RFC 6454, 6.2."""
    if not is_engine_url(text):
        return False
    parts = urlsplit(text)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return text == f"{parts.scheme}://{host}" + ("" if usual else f":{parts.port}")


def host_and_port(url: str) -> str:
    """HOST:PORT of a URL, the port being the scheme's where the URL has none."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]:{_port(url)}" if ":" in host else f"{host}:{_port(url)}"


def local_port(url: str) -> int:
    """The port of a URL on this machine's loopback address, else 0."""
    return _port(url) if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1") else 0


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
