"""The intake over TLS: certificates and client authorities are exchanged while it listens."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from pathlib import Path

import bcrypt
import pytest

from inferometer.intake.listener import ConnectionBounds
from inferometer.serve.web_config import WebConfig
from tests.exporter.intake.doors import Client, opened
from tests.exporter.intake.test_http import BODY, LENGTH, head

REQUEST = head(LENGTH) + BODY


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("first", "second", "client", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
             f"subjectAltName=IP:127.0.0.1,DNS:{name}",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
            check=True, capture_output=True, timeout=20)
    return folder


def web(folder: Path, pairs: Path, text: str = "") -> WebConfig:
    """A web configuration whose files are in the folder, and may be exchanged."""
    exchange(folder, pairs, "first", "client")
    (folder / "web.yml").write_text(
        f"tls_server_config: {{cert_file: s.crt, key_file: s.key{text}}}\n")
    return WebConfig.load(folder / "web.yml")


def exchange(folder: Path, pairs: Path, server: str, authority: str) -> None:
    for source, name in ((f"{server}.crt", "s.crt"), (f"{server}.key", "s.key"),
                         (f"{authority}.crt", "ca.crt")):
        shutil.copy(pairs / source, folder / name)


class Shaken(Client):
    """A client over TLS that trusts one server, and may have a certificate."""

    def __init__(self, port: int, pairs: Path, server: str, own: str = "") -> None:
        super().__init__(port)
        context = ssl.create_default_context(cafile=str(pairs / f"{server}.crt"))
        if own:
            context.load_cert_chain(pairs / f"{own}.crt", pairs / f"{own}.key")
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")


def status(port: int, pairs: Path, server: str, own: str = "", request: bytes = REQUEST) -> int:
    """Of the answer; 0 where TLS, or what it carries, is refused."""
    try:
        with Shaken(port, pairs, server, own) as client:
            return client.send(request).reply().status
    except (OSError, ssl.SSLError):
        return 0


def test_a_new_certificate_and_client_authority_hold_from_the_next_connection(
        tmp_path: Path, pairs: Path) -> None:
    config = web(tmp_path, pairs, ", client_ca_file: ca.crt, "
                                  "client_auth_type: RequireAndVerifyClientCert")
    with opened(web=config) as door:
        assert status(door.port, pairs, "first", "client") == 200
        assert status(door.port, pairs, "first", "other") == 0
        assert status(door.port, pairs, "first") == 0
        exchange(tmp_path, pairs, "second", "other")
        assert status(door.port, pairs, "second", "other") == 200
        assert status(door.port, pairs, "second", "client") == 0
        assert status(door.port, pairs, "first", "other") == 0


def test_a_client_whose_name_is_not_allowed_is_refused(tmp_path: Path, pairs: Path) -> None:
    config = web(tmp_path, pairs, ", client_ca_file: ca.crt, client_allowed_sans: [other], "
                                  "client_auth_type: RequireAndVerifyClientCert")
    with opened(web=config) as door:
        assert status(door.port, pairs, "first", "client") == 403


def test_who_never_shakes_hands_is_shown_out_and_holds_up_no_other(tmp_path: Path,
                                                                   pairs: Path) -> None:
    with opened(ConnectionBounds(head_seconds=1.0, handshakes=8), web=web(tmp_path, pairs)) as door:
        silent = [Client(door.port) for _ in range(6)]
        assert status(door.port, pairs, "first") == 200
        began = time.monotonic()
        assert all(client.ended(10) for client in silent)
        assert time.monotonic() - began < 8
        for client in silent:
            client.sock.close()


def test_a_user_is_let_in_by_password_or_by_a_token(tmp_path: Path) -> None:
    stored = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {stored}}}\n")
    (tmp_path / "token").write_text("secret")
    config = WebConfig.load(tmp_path / "web.yml")
    with opened(web=config, tokens=(str(tmp_path / "token"),)) as door:
        for header, expected in (("Basic YWxpY2U6d29uZGVybGFuZA==", 200), ("Bearer secret", 200),
                                 ("Basic YWxpY2U6d3Jvbmc=", 401), ("Bearer wrong", 401)):
            with Client(door.port) as client:
                request = head(LENGTH, f"Authorization: {header}") + BODY
                assert client.send(request).reply().status == expected, header
