"""The gRPC door over TLS, and its users: the same file, and the same people, as over HTTP."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import bcrypt
import grpc
import pytest

from inferometer.serve.web_config import WebConfig
from tests.exporter.intake.grpc_doors import called, channel, opened_grpc
from tests.exporter.intake.test_grpc import (
    OK,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    UNAVAILABLE,
)
from tests.exporter.intake.test_http import BODY
from tests.exporter.intake.test_tls import Shaken, exchange, pairs, web

__all__ = ["pairs"]
REQUIRED = ", client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert"


def code(port: int, pairs: Path, server: str, own: str = "") -> int:
    """Of the answer to a channel that trusts one server, and may have a certificate."""
    credentials = grpc.ssl_channel_credentials(
        (pairs / f"{server}.crt").read_bytes(),
        *([(pairs / f"{own}.{end}").read_bytes() for end in ("key", "crt")] if own else []))
    with channel(port, credentials) as made:
        return called(made, BODY).code


def test_a_new_certificate_and_client_authority_hold_from_the_next_connection(
        tmp_path: Path, pairs: Path) -> None:
    with opened_grpc(web=web(tmp_path, pairs, REQUIRED)) as door:
        assert code(door.port, pairs, "first", "client") == OK
        assert code(door.port, pairs, "first", "other") == UNAVAILABLE
        assert code(door.port, pairs, "first") == UNAVAILABLE
        exchange(tmp_path, pairs, "second", "other")
        assert code(door.port, pairs, "second", "other") == OK
        assert code(door.port, pairs, "second", "client") == UNAVAILABLE


def test_a_client_whose_name_is_not_allowed_is_refused(tmp_path: Path, pairs: Path) -> None:
    config = web(tmp_path, pairs, f"{REQUIRED}, client_allowed_sans: [other]")
    with opened_grpc(web=config) as door:
        assert code(door.port, pairs, "first", "client") == PERMISSION_DENIED


def test_who_does_not_ask_for_http_2_gets_none(tmp_path: Path, pairs: Path) -> None:
    config = web(tmp_path, pairs)
    assert config.fresh_context() is not config.http2_context()
    with opened_grpc(web=config) as door, Shaken(door.port, pairs, "first") as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() is None
        assert client.send(b"GET / HTTP/1.1\r\n\r\n").reply().status == 400


@pytest.mark.parametrize(("password", "expected"), [
    ("wonderland", OK), ("looking-glass", UNAUTHENTICATED)])
def test_a_user_is_let_in_by_password_also_with_a_large_message(
        tmp_path: Path, password: str, expected: int) -> None:
    """Until the password is tried, no more of the message is taken than the window."""
    stored = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {stored}}}\n")
    config = WebConfig.load(tmp_path / "web.yml")
    header = "Basic " + base64.b64encode(f"alice:{password}".encode()).decode()
    with opened_grpc(web=config) as door, channel(door.port) as made:
        for body in (BODY, bytes(3 * 2**20)):
            assert called(made, body, headers=[("authorization", header)]).code == expected
            assert (door.bodies[-1:] == [body]) == (expected == OK)
