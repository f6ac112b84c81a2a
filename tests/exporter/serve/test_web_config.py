from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from inferometer.serve import web_settings
from inferometer.serve.web_config import WebConfig
from inferometer.serve.web_settings import WebConfigError

pytestmark = pytest.mark.timeout(30)
PATIENCE = 5.0
Load = Callable[..., WebConfig]
REFUSED = (ssl.SSLError, ConnectionError)


def hashed(password: bytes, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).replace(b"2b", prefix, 1).decode()


ALICE = hashed(b"wonderland")


@dataclass(frozen=True)
class Pki:
    """A directory of certificates, each NAME.crt with its NAME.key."""

    folder: Path

    def make(self, name: str, *extensions: str, by: str = "", new: str = "ec") -> None:
        (self.folder / "req.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")
        command = ["openssl", "req", "-x509", "-config", str(self.folder / "req.cnf"), "-nodes"]
        command += ["-newkey", new, "-subj", f"/CN={name}", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if new == "ec" else []
        command += ["-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.crt")]
        command += ["-CA", self.path(f"{by}.crt"), "-CAkey", self.path(f"{by}.key")] if by else []
        identifiers = ["subjectKeyIdentifier=hash"]
        identifiers += ["authorityKeyIdentifier=keyid:always"] if by else []
        for extension in (*extensions, *identifiers):
            command += ["-addext", extension]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def path(self, file: str) -> str:
        return str(self.folder / file)

    def text(self, file: str) -> str:
        return (self.folder / file).read_text()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    pki = Pki(tmp_path_factory.mktemp("pki"))
    ca = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
    pki.make("ca", *ca)
    pki.make("other_ca", *ca)
    pki.make("intermediate_ca", *ca, by="ca")
    leaf = "basicConstraints=critical,CA:FALSE"
    here = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    names = (
        "subjectAltName=DNS:scraper.example,IP:192.0.2.7,IP:2001:db8::7"
        ",email:ops@example.org,URI:spiffe://example.org/scraper"
    )
    for server in ("server", "renewed"):
        pki.make(server, leaf, here, by="ca")
    pki.make("rsa_server", leaf, here, by="ca", new="rsa:2048")
    pki.make("client", leaf, names, "extendedKeyUsage=clientAuth", by="ca")
    pki.make("stranger", leaf, names, by="other_ca")
    pki.make("nephew", leaf, names, by="intermediate_ca")
    encrypt = ["openssl", "pkcs8", "-topk8", "-in", pki.path("server.key"), "-passout", "pass:x"]
    encrypt += ["-out", pki.path("encrypted.key")]
    subprocess.run(encrypt, check=True, capture_output=True, timeout=20)
    (pki.folder / "junk.pem").write_text("junk\n")
    return pki


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(**sections: Any) -> WebConfig:
        file = tmp_path / "web.yml"
        file.write_text(yaml.safe_dump(sections))
        return WebConfig.load(file)

    return load


def serving_tls(pki: Pki, **keys: Any) -> dict[str, Any]:
    pair = {"cert_file": pki.path("server.crt"), "key_file": pki.path("server.key")}
    return {"tls_server_config": pair | keys}


def verifying(pki: Pki, **keys: Any) -> dict[str, Any]:
    ca = pki.path("ca.crt")
    keys = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": ca} | keys
    return serving_tls(pki, **keys)


@contextmanager
def served(config: WebConfig) -> Iterator[int]:
    """Answer each TLS connection with one word, the way the HTTP server uses a WebConfig."""

    def answer(connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        with config.fresh_context().wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"welcome" if config.allows_peer(tls.getpeercert()) else b"go away")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                answer(connection)
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def client(pki: Pki, certificate: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pki.path("ca.crt"))
    if certificate:
        context.load_cert_chain(pki.path(f"{certificate}.crt"), pki.path(f"{certificate}.key"))
    return context


@dataclass(frozen=True)
class Answer:
    word: bytes
    version: str | None
    cipher: str
    alpn: str | None
    server: str


def ask(port: int, context: ssl.SSLContext) -> Answer:
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        word = tls.recv(16)
        cipher, certificate = tls.cipher(), tls.getpeercert()
        assert cipher
        assert certificate
        name = dict(pair[0] for pair in certificate["subject"])["commonName"]  # type: ignore[misc]
        return Answer(word, tls.version(), cipher[0], tls.selected_alpn_protocol(), str(name))


def basic(credentials: str | bytes) -> str:
    raw = credentials.encode() if isinstance(credentials, str) else credentials
    return "Basic " + base64.b64encode(raw).decode()


def touch_later(path: Path) -> None:
    """Give a file a modification time of its own, whatever the clock's grain."""
    seen = path.stat()
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1_000_000_000))


def copy_pair(pki: Pki, name: str, to: Path, files: tuple[str, ...] = ("crt", "key")) -> None:
    for ending in files:
        (to / f"tls.{ending}").write_text(pki.text(f"{name}.{ending}"))
        touch_later(to / f"tls.{ending}")


@pytest.fixture
def rotating(pki: Pki, load: Load, tmp_path: Path) -> WebConfig:
    copy_pair(pki, "server", tmp_path)
    return load(tls_server_config={"cert_file": "tls.crt", "key_file": "tls.key"})


def test_an_empty_file_serves_plain_http_to_everyone(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("")
    config = WebConfig.load(tmp_path / "web.yml")
    assert not config.tls
    assert config.headers == {}
    assert config.authorized(None)
    assert config.allows_peer(None)
    assert all(config.admits() for _ in range(1000))


def test_blank_keys_are_as_good_as_absent(load: Load) -> None:
    config = load(tls_server_config={"cert_file": ""}, basic_auth_users=None, rate_limit={})
    assert not config.tls
    assert config.authorized(None)


def test_a_context_without_tls_configured_is_refused(load: Load) -> None:
    config = load(basic_auth_users={"alice": ALICE})
    with pytest.raises(WebConfigError, match="tls_server_config: is not set"):
        config.ssl_context()
    with pytest.raises(WebConfigError, match="tls_server_config: is not set"):
        config.fresh_context()


def test_tls_is_served_with_the_configured_certificate(pki: Pki, load: Load) -> None:
    config = load(**serving_tls(pki))
    assert config.tls
    with served(config) as port:
        answer = ask(port, client(pki))
    assert (answer.word, answer.version, answer.server) == (b"welcome", "TLSv1.3", "server")


def test_inline_certificates_and_keys_are_served(pki: Pki, load: Load) -> None:
    pair = {"cert": pki.text("server.crt"), "key": pki.text("server.key")}
    auth = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca": pki.text("ca.crt")}
    with served(load(tls_server_config=pair | auth)) as port:
        assert ask(port, client(pki, "client")).word == b"welcome"


def test_alpn_offers_http_1_1_even_where_http2_is_asked_for(pki: Pki, load: Load) -> None:
    context = client(pki)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with served(load(http_server_config={"http2": True}, **serving_tls(pki))) as port:
        assert ask(port, context).alpn == "http/1.1"


def test_relative_paths_start_at_the_web_config_file(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "elsewhere").mkdir()
    copy_pair(pki, "server", tmp_path / "conf")
    pair = {"cert_file": "tls.crt", "key_file": "tls.key"}
    (tmp_path / "conf" / "web.yml").write_text(yaml.safe_dump({"tls_server_config": pair}))
    monkeypatch.chdir(tmp_path)
    config = WebConfig.load(Path("conf/web.yml"))
    assert isinstance(config.ssl_context(), ssl.SSLContext)


def test_a_required_client_certificate_lets_its_holder_in(pki: Pki, load: Load) -> None:
    with served(load(**verifying(pki))) as port:
        assert ask(port, client(pki, "client")).word == b"welcome"


@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_a_client_without_the_required_certificate_is_refused(
    pki: Pki, load: Load, certificate: str | None
) -> None:
    with served(load(**verifying(pki))) as port, pytest.raises(REFUSED):
        ask(port, client(pki, certificate))


def test_an_intermediate_client_ca_is_trusted_by_itself(pki: Pki, load: Load) -> None:
    config = load(**verifying(pki, client_ca_file=pki.path("intermediate_ca.crt")))
    with served(config) as port:
        assert ask(port, client(pki, "nephew")).word == b"welcome"
        with pytest.raises(REFUSED):
            ask(port, client(pki, "client"))


def test_a_certificate_verified_if_given_may_be_left_out(pki: Pki, load: Load) -> None:
    config = load(**verifying(pki, client_auth_type="VerifyClientCertIfGiven"))
    with served(config) as port:
        assert ask(port, client(pki)).word == b"welcome"
        assert ask(port, client(pki, "client")).word == b"welcome"
        with pytest.raises(REFUSED):
            ask(port, client(pki, "stranger"))


@pytest.mark.parametrize("certificate", [None, "client", "stranger"])
def test_a_requested_certificate_is_not_required(
    pki: Pki, load: Load, certificate: str | None
) -> None:
    with served(load(**verifying(pki, client_auth_type="RequestClientCert"))) as port:
        assert ask(port, client(pki, certificate)).word == b"welcome"


@pytest.mark.parametrize(
    "name",
    [
        "scraper.example",
        "192.0.2.7",
        "2001:db8::7",
        "ops@example.org",
        "spiffe://example.org/scraper",
    ],
)
def test_a_client_with_an_allowed_san_is_let_in(pki: Pki, load: Load, name: str) -> None:
    with served(load(**verifying(pki, client_allowed_sans=["other.example", name]))) as port:
        assert ask(port, client(pki, "client")).word == b"welcome"


@pytest.mark.parametrize("name", ["example", "SCRAPER.example", "*.example", "client"])
def test_a_client_without_an_allowed_san_is_sent_away(pki: Pki, load: Load, name: str) -> None:
    with served(load(**verifying(pki, client_allowed_sans=[name]))) as port:
        assert ask(port, client(pki, "client")).word == b"go away"


@pytest.mark.parametrize(
    "certificate",
    [None, {}, {"subjectAltName": ()}, {"subjectAltName": (("Registered ID", "scraper"),)}],
)
def test_a_peer_without_names_is_not_allowed(
    pki: Pki, load: Load, certificate: dict[str, Any] | None
) -> None:
    assert not load(**verifying(pki, client_allowed_sans=["scraper"])).allows_peer(certificate)


def test_a_client_below_min_version_is_refused(pki: Pki, load: Load) -> None:
    old = client(pki)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with served(load(**serving_tls(pki, min_version="TLS13"))) as port:
        with pytest.raises(REFUSED):
            ask(port, old)
        assert ask(port, client(pki)).version == "TLSv1.3"


def test_max_version_is_not_exceeded(pki: Pki, load: Load) -> None:
    with served(load(**serving_tls(pki, max_version="TLS12"))) as port:
        assert ask(port, client(pki)).version == "TLSv1.2"


@pytest.mark.parametrize(("suite", "openssl"), sorted(web_settings.CIPHERS.items()))
def test_a_cipher_suite_called_by_its_go_name_is_the_only_one_below_tls_1_3(
    pki: Pki, load: Load, suite: str, openssl: str
) -> None:
    name = "rsa_server" if "_RSA_" in suite else "server"
    pair = {"cert_file": pki.path(f"{name}.crt"), "key_file": pki.path(f"{name}.key")}
    tls = serving_tls(pki, cipher_suites=[suite], max_version="TLS12")["tls_server_config"] | pair
    willing, other = client(pki), client(pki)
    willing.set_ciphers("ALL")
    other.set_ciphers(f"ALL:!{openssl}")
    with served(load(tls_server_config=tls)) as port:
        assert ask(port, willing).cipher == openssl
        with pytest.raises(REFUSED):
            ask(port, other)


@pytest.mark.parametrize(("curve", "openssl"), sorted(web_settings.CURVES.items()))
def test_a_single_curve_is_the_only_one_agreed_to(
    pki: Pki, load: Load, curve: str, openssl: str
) -> None:
    def speaking(name: str) -> ssl.SSLContext:
        context = client(pki)
        context.set_ecdh_curve(name)
        return context

    with served(load(**serving_tls(pki, curve_preferences=[curve]))) as port:
        assert ask(port, speaking(openssl)).word == b"welcome"
        with pytest.raises(REFUSED):
            ask(port, speaking("secp384r1" if openssl != "secp384r1" else "prime256v1"))


def test_several_curves_need_a_python_that_can_set_groups(pki: Pki, load: Load) -> None:
    keys = serving_tls(pki, curve_preferences=["X25519", "CurveP256"])
    if hasattr(ssl.SSLContext, "set_groups"):
        assert load(**keys).tls
    else:
        with pytest.raises(WebConfigError, match="curve_preferences: names several curves"):
            load(**keys)


def test_a_rotated_certificate_is_picked_up(pki: Pki, rotating: WebConfig, tmp_path: Path) -> None:
    with served(rotating) as port:
        assert ask(port, client(pki)).server == "server"
        copy_pair(pki, "renewed", tmp_path)
        assert ask(port, client(pki)).server == "renewed"


def test_unchanged_files_keep_the_context(rotating: WebConfig) -> None:
    assert rotating.fresh_context() is rotating.fresh_context()
    assert rotating.ssl_context() is not rotating.ssl_context()


def test_a_rotated_client_ca_is_picked_up(pki: Pki, load: Load, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(pki.text("ca.crt"))
    with served(load(**verifying(pki, client_ca_file="ca.crt"))) as port:
        (tmp_path / "ca.crt").write_text(pki.text("other_ca.crt"))
        touch_later(tmp_path / "ca.crt")
        assert ask(port, client(pki, "stranger")).word == b"welcome"
        with pytest.raises(REFUSED):
            ask(port, client(pki, "client"))


@pytest.mark.parametrize("breaking", ["unlink", "junk", "half"])
def test_broken_new_files_leave_the_old_certificate_and_are_logged_once(
    pki: Pki,
    rotating: WebConfig,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    breaking: str,
) -> None:
    before = rotating.fresh_context()
    if breaking == "unlink":
        (tmp_path / "tls.key").unlink()
    elif breaking == "junk":
        (tmp_path / "tls.key").write_text("junk")
    else:
        copy_pair(pki, "renewed", tmp_path, ("crt",))
    with caplog.at_level(logging.ERROR):
        assert [rotating.fresh_context() for _ in range(3)] == [before] * 3
    assert len(caplog.records) == 1
    assert "tls_server_config.key_file: " in caplog.text
    copy_pair(pki, "renewed", tmp_path)
    with served(rotating) as port:
        assert ask(port, client(pki)).server == "renewed"
    assert len(caplog.records) == 1


def test_a_right_password_is_accepted_and_the_scheme_has_no_case(load: Load) -> None:
    config = load(basic_auth_users={"alice": ALICE, "bob": hashed(b"builder")})
    assert config.authorized(basic("alice:wonderland"))
    assert config.authorized(basic("bob:builder").replace("Basic", "bAsIc"))


def test_a_wrong_password_is_refused(load: Load) -> None:
    config = load(basic_auth_users={"alice": ALICE})
    assert not config.authorized(basic("alice:wonderlane"))
    assert config.authorized(basic("alice:wonderland"))
    assert not config.authorized(basic("alice:wonderlane"))


def test_a_password_opens_no_other_name(load: Load) -> None:
    config = load(basic_auth_users={"alice": ALICE, "bob": hashed(b"builder")})
    assert config.authorized(basic("alice:wonderland"))
    assert not config.authorized(basic("bob:wonderland"))
    assert not config.authorized(basic("mallory:wonderland"))
    assert not config.authorized(basic(":wonderland"))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic  " + basic("alice:wonderland")[6:],
        basic("alice"),
        basic(""),
        basic("alice:wonderland").rstrip("="),
        basic("alice:wonderland") + "!",
        "Bearer " + basic("alice:wonderland")[6:],
        "Basic alice:wonderland",
        "Basic \xff\u20ac",
        basic(b"alice\0:wonderland"),
        basic(b"alice:wonderland\0"),
        basic(b"\xff\xfe:\xff"),
    ],
)
def test_a_malformed_header_is_refused(load: Load, header: str | None) -> None:
    assert not load(basic_auth_users={"alice": ALICE}).authorized(header)


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_each_common_bcrypt_prefix_is_understood(load: Load, prefix: bytes) -> None:
    config = load(basic_auth_users={"alice": hashed(b"wonderland", prefix)})
    assert config.authorized(basic("alice:wonderland"))


def test_names_and_passwords_are_utf_8_and_may_hold_colons(load: Load) -> None:
    config = load(basic_auth_users={"zoë": hashed("naïve: 試".encode())})
    assert config.authorized(basic("zoë:naïve: 試"))
    assert not config.authorized(basic("zoë:naïve: 試".encode("utf-16")))


def test_a_numeric_name_needs_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  0123: {ALICE}\n")
    assert WebConfig.load(tmp_path / "web.yml").authorized(basic("0123:wonderland"))


def test_only_the_first_72_bytes_of_a_password_count(load: Load) -> None:
    config = load(basic_auth_users={"alice": hashed(b"x" * 72)})
    assert config.authorized(basic("alice:" + "x" * 72))
    assert config.authorized(basic("alice:" + "x" * 100))
    assert not config.authorized(basic("alice:" + "x" * 71))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes bcrypt compared with, one for each time it ran."""
    made: list[bytes] = []
    real = bcrypt.checkpw

    def counting(password: bytes, stored: bytes) -> bool:
        made.append(stored)
        return real(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    return made


def test_a_verified_password_is_not_hashed_again(load: Load, checks: list[bytes]) -> None:
    config = load(basic_auth_users={"alice": ALICE})
    assert all(config.authorized(basic("alice:wonderland")) for _ in range(5))
    assert len(checks) == 1


def test_an_unknown_name_costs_one_hash_like_a_wrong_password(
    load: Load, checks: list[bytes]
) -> None:
    users = {"alice": ALICE, "bob": hashed(b"builder")}
    config = load(basic_auth_users=users)
    assert not config.authorized(basic("alice:wrong"))
    assert not config.authorized(basic("mallory:wrong"))
    assert not config.authorized(basic("mallory:wronger"))
    assert len(checks) == 3
    assert checks[1] == checks[2]
    assert {stored.decode() for stored in checks} <= set(users.values())


def test_the_cache_is_bounded_and_holds_no_password(load: Load) -> None:
    config = load(basic_auth_users={"alice": ALICE, "bob": hashed(b"x" * 72)})
    for tail in range(20):
        assert config.authorized(basic("bob:" + "x" * 72 + str(tail)))
        assert not config.authorized(basic(f"name{tail}:wonderland"))
    assert config.authorized(basic("alice:wonderland"))
    assert len(config._users._verified) == 2
    assert b"wonderland" not in b"".join(config._users._verified.values())


def test_headers_are_passed_on_and_blank_ones_are_left_out(load: Load) -> None:
    headers = {"X-Frame-Options": "deny", "X-XSS-Protection": 0, "Content-Security-Policy": ""}
    config = load(http_server_config={"headers": headers})
    assert config.headers == {"X-Frame-Options": "deny", "X-XSS-Protection": "0"}


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), ("2us", 2e-6)],
)
def test_a_burst_is_admitted_and_then_one_request_an_interval(
    load: Load, monkeypatch: pytest.MonkeyPatch, interval: str, seconds: float
) -> None:
    now = 1.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    config = load(rate_limit={"interval": interval, "burst": 2})
    assert [config.admits() for _ in range(3)] == [True, True, False]
    now += seconds * 1.01
    assert [config.admits() for _ in range(2)] == [True, False]
    now += seconds * 100
    assert [config.admits() for _ in range(3)] == [True, True, False]


def test_an_interval_of_zero_limits_nothing(load: Load) -> None:
    config = load(rate_limit={"interval": 0, "burst": 1})
    assert all(config.admits() for _ in range(100))


def test_keys_without_effect_here_are_accepted(pki: Pki, load: Load) -> None:
    keys = serving_tls(pki, prefer_server_cipher_suites=True)
    assert load(http_server_config={"http2": False}, **keys).tls


TLS_FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("cert_fle", {"cert_fle": "x"}, "is not a known key"),
    ("cert_file", {"cert_file": ["x"]}, "must be text, not a list"),
    ("cert_file", {"cert_file": None}, "is missing, and so is cert"),
    ("key_file", {"key_file": ""}, "is missing, and so is key"),
    ("cert_file", {"cert_file": "nowhere.crt"}, "cannot be read: No such file"),
    ("cert_file", {"cert_file": "."}, "cannot be read: Is a directory"),
    ("cert_file", {"cert_file": "\0"}, "null byte"),
    ("cert_file", {"cert_file": "{pki}/junk.pem"}, "is nothing OpenSSL can use"),
    ("cert_file", {"cert_file": "{pki}/server.key"}, "is nothing OpenSSL can use"),
    ("cert", {"cert": "x"}, "cannot be given along with cert_file"),
    ("cert", {"cert": "junk \ud800", "cert_file": None}, "is nothing OpenSSL can use"),
    ("key_file", {"key_file": "nowhere.key"}, "cannot be read: No such file"),
    ("key_file", {"key_file": "{pki}/junk.pem"}, "is nothing OpenSSL can use"),
    ("key_file", {"key_file": "{pki}/client.key"}, "is not the private key of the certificate"),
    ("key_file", {"key_file": "{pki}/rsa_server.key"}, "is not the private key"),
    ("key_file", {"key_file": "{pki}/encrypted.key"}, "is encrypted"),
    ("key", {"key": "x"}, "cannot be given along with key_file"),
    ("key", {"key": "SECRET", "key_file": None}, "is nothing OpenSSL can use"),
    ("client_auth_type", {"client_auth_type": "Always"}, "must be one of NoClientCert, "),
    ("client_auth_type", {"client_auth_type": "RequireAnyClientCert"}, "is beyond Python"),
    ("client_auth_type", {"client_auth_type": "RequireClientCert"}, "is beyond Python"),
    ("client_ca_file", {"client_ca_file": "{pki}/ca.crt"}, "client_auth_type being NoClientCert"),
    ("client_ca", {"client_ca": "x"}, "client_auth_type being NoClientCert"),
    ("client_ca_file", {"client_auth_type": "RequireAndVerifyClientCert"}, "is missing"),
    ("client_ca_file", {"client_auth_type": "VerifyClientCertIfGiven"}, "is missing"),
    (
        "client_ca_file",
        {"client_auth_type": "RequestClientCert", "client_ca_file": "{pki}/junk.pem"},
        "is nothing OpenSSL can use",
    ),
    (
        "client_ca",
        {"client_auth_type": "RequestClientCert", "client_ca": "x", "client_ca_file": "x"},
        "cannot be given along with client_ca_file",
    ),
    ("client_allowed_sans", {"client_allowed_sans": "x"}, "must be a list"),
    ("client_allowed_sans[0]", {"client_allowed_sans": [["x"]]}, "must be text, not a list"),
    ("client_allowed_sans", {"client_allowed_sans": ["x"]}, "needs client_auth_type Require"),
    (
        "client_allowed_sans",
        {
            "client_allowed_sans": [],
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": "{pki}/ca.crt",
        },
        "is empty",
    ),
    ("cipher_suites", {"cipher_suites": "TLS_X"}, "must be a list"),
    ("cipher_suites[0]", {"cipher_suites": ["TLS_X"]}, "must be one of TLS_ECDHE_"),
    ("cipher_suites[0]", {"cipher_suites": ["TLS_AES_128_GCM_SHA256"]}, "cannot be selected"),
    ("cipher_suites[0]", {"cipher_suites": ["ECDHE-RSA-AES128-SHA"]}, "must be one of"),
    (
        "prefer_server_cipher_suites",
        {"prefer_server_cipher_suites": "maybe"},
        "must be true or false",
    ),
    ("min_version", {"min_version": "TLS14"}, "must be TLS12 or TLS13, not 'TLS14'"),
    ("min_version", {"min_version": "TLS10"}, "is switched off in OpenSSL"),
    ("max_version", {"max_version": 12}, "must be TLS12 or TLS13, not '12'"),
    ("max_version", {"max_version": "TLS12", "min_version": "TLS13"}, "is below min_version"),
    ("curve_preferences[0]", {"curve_preferences": ["P256"]}, "must be one of CurveP256"),
    ("curve_preferences[1]", {"curve_preferences": ["X25519", "x"]}, ", X25519, not 'x'"),
]
OTHER_FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("tls_config", {"tls_config": {}}, "is not a known key"),
    ("tls_server_config", {"tls_server_config": ["x"]}, "must be a mapping"),
    ("tls_server_config.cert_file", {"tls_server_config": {"key": "SECRET"}}, "is missing"),
    ("http_server_config.http3", {"http_server_config": {"http3": True}}, "is not a known key"),
    ("http_server_config.http2", {"http_server_config": {"http2": 2}}, "must be true or false"),
    ("http_server_config.headers", {"http_server_config": {"headers": "x"}}, "must be a mapping"),
    *(
        (
            f"http_server_config.headers.{name}",
            {"http_server_config": {"headers": {name: value}}},
            problem,
        )
        for name, value, problem in (
            ("Server", "x", "is not a known key"),
            ("x-frame-options", "deny", "is not a known key"),
            ("X-Frame-Options", "DENY", "must be deny or sameorigin"),
            ("X-Content-Type-Options", "sniff", "must be nosniff"),
            ("X-XSS-Protection", ["1"], "must be printable ASCII"),
            ("Content-Security-Policy", "x\r\nSet-Cookie: y", "must be printable ASCII"),
            ("Strict-Transport-Security", "é", "must be printable ASCII"),
        )
    ),
    ("basic_auth_users", {"basic_auth_users": ["alice"]}, "must be a mapping"),
    *(
        ("basic_auth_users.alice", {"basic_auth_users": {"alice": stored}}, "bcrypt hash")
        for stored in (
            None,
            "",
            "SECRET",
            ALICE[:-1],
            ALICE + "A",
            ALICE + "\n",
            ALICE.replace("$2b$", "$2x$"),
            ALICE.replace("$04$", "$03$"),
            ALICE.replace("$04$", "$32$"),
            ALICE[:28] + "z" + ALICE[29:],
            ALICE[:-1] + "\u0663",
        )
    ),
    ("basic_auth_users.alice", {"basic_auth_users": {"alice": [ALICE]}}, "must be a bcrypt hash"),
    ("rate_limit.rate", {"rate_limit": {"rate": 1}}, "is not a known key"),
    ("rate_limit.interval", {"rate_limit": {"interval": 1, "burst": 1}}, "must be a duration"),
    ("rate_limit.interval", {"rate_limit": {"interval": "-1s", "burst": 1}}, "must be a duration"),
    ("rate_limit.burst", {"rate_limit": {"burst": "many"}}, "must be a whole number"),
    ("rate_limit.burst", {"rate_limit": {"interval": "1s"}}, "must be at least 1"),
    ("rate_limit.burst", {"rate_limit": {"interval": "1s", "burst": 0}}, "must be at least 1"),
]


def assert_blamed(error: WebConfigError, file: Path, key: str, problem: str) -> None:
    (mistake,) = error.mistakes
    assert str(error).startswith(f"{file}:{mistake.line}: {key}: " if key else f"{file}:")
    assert problem in mistake.problem
    assert len(str(error).splitlines()) == 1
    assert "SECRET" not in str(error)


@pytest.mark.parametrize(("key", "settings", "problem"), TLS_FAULTS)
def test_a_fault_in_the_tls_config_is_an_error_at_its_key(
    pki: Pki, load: Load, tmp_path: Path, key: str, settings: dict[str, Any], problem: str
) -> None:
    placed = {
        name: value.replace("{pki}", str(pki.folder)) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    with pytest.raises(WebConfigError) as caught:
        load(**serving_tls(pki, **placed))
    assert_blamed(caught.value, tmp_path / "web.yml", f"tls_server_config.{key}", problem)


@pytest.mark.parametrize(("key", "settings", "problem"), OTHER_FAULTS)
def test_a_fault_elsewhere_is_an_error_at_its_key(
    load: Load, tmp_path: Path, key: str, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(WebConfigError) as caught:
        load(**settings)
    assert_blamed(caught.value, tmp_path / "web.yml", key, problem)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (b"- a\n- b\n", "1: must be a mapping of keys, not a list"),
        (b"SECRET\n", "1: must be a mapping of keys, not text"),
        (b"rate_limit: {\nkey: SECRET", "2: is not YAML: a bracket is not closed by }"),
        (b"rate_limit: *nowhere", "1: is not YAML: *nowhere stands for nothing in this file; "),
        (b"basic_auth_users: &a {b: *a}",
         "1: basic_auth_users.b: is an alias of what it is part of"),
        (b"? [a]\n: b\n", "1: has a key that is not text"),
        (b"http_server_config:\n  http2: on\n  http2: SECRET\n",
         "3: http_server_config.http2: is given twice, first in line 2"),
        (b"rate_limit: {}\nrate_limit: {}\n", "2: rate_limit: is given twice, first in line 1"),
        (b"http_server_config: {}\nrate_limit: \xff\xfe", "2: is not UTF-8"),
        (b"rate_limit: {}\n---\n{}\n", "2: has a second document, and only one is read"),
        (b'"a\\nb": 1\n', r"1: a\nb: is not a known key; known here are tls_server_config, "),
        (b"http_server_config:\n  headers:\n    X-Frame-Option: deny\n",
         "3: http_server_config.headers.X-Frame-Option: is not a known key "
         "(did you mean X-Frame-Options?); known here are Content-Security-Policy, "),
    ],
)
def test_a_mistake_has_the_line_of_the_key_to_blame(
    tmp_path: Path, text: bytes, mistake: str
) -> None:
    (tmp_path / "web.yml").write_bytes(text)
    with pytest.raises(WebConfigError) as caught:
        WebConfig.load(tmp_path / "web.yml")
    assert str(caught.value).startswith(f"{tmp_path}/web.yml:{mistake}")
    assert len(str(caught.value).splitlines()) == 1
    assert "SECRET" not in str(caught.value)


def test_all_mistakes_of_a_file_are_listed_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(
        "tls_server_config:\n"
        "  cert_file: server.crt\n"
        "  client_auth_type: Sometimes\n"
        "rate_limit:\n"
        "  interval: 1s\n"
        "http_server_config:\n"
        "  http2: perhaps\n"
        "basic_auth_users:\n"
        "  alice: SECRET\n"
    )
    with pytest.raises(WebConfigError) as caught:
        WebConfig.load(tmp_path / "web.yml")
    assert str(caught.value).splitlines() == [f"{tmp_path}/web.yml:{line}" for line in (
        "3: tls_server_config.client_auth_type: must be one of NoClientCert, RequestClientCert, "
        "VerifyClientCertIfGiven, RequireAndVerifyClientCert, not 'Sometimes'",
        "4: rate_limit.burst: must be at least 1, or every request would be refused",
        "7: http_server_config.http2: must be true or false, not text",
        "9: basic_auth_users.alice: must be a bcrypt hash ($2a$, $2b$ or $2y$), not text",
    )]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WebConfigError, match=r"web.yml: cannot be read: No such file"):
        WebConfig.load(tmp_path / "web.yml")
