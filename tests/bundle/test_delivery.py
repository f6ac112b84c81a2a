"""A real Alertmanager hands on what amtool renders: to PagerDuty's and Slack's APIs and by mail.

Those are servers on loopback here, which keep what comes.
"""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from inferometer.bundle import Addresses, Options, render
from tests.bundle import notifications
from tests.bundle.notifications import CHAT, MAIL, PAGE, SUBJECT
from tests.bundle.promtool import VERSIONS
from tests.bundle.running import START_SECONDS, alertmanager
from tests.exporter.support import send, wait_for

pytestmark = pytest.mark.timeout(90)
FASTER = 60
NASTY = 'p95: "3s"\n- {{ .Status }}: a'  # as YAML it would be more than a text


class Others:
    """PagerDuty, Slack and a mail server, with what came to each."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.messages: dict[str, list[dict[str, Any]]] = {}  # by channel
        self.mails: dict[str, list[EmailMessage]] = {}  # by receiver
        others = self

        class Web(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/pagerduty":
                    others.events.append(body)
                else:
                    others.messages.setdefault(body["channel"], []).append(body)
                send(self, "ok")

            def log_message(self, *_: Any) -> None: ...

        class Post(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                for line in self.rfile:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        others.keep_mail(self._body())
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 here\r\n")
                    if verb == b"QUIT":
                        return

            def _body(self) -> bytes:
                return b"".join(iter(self.rfile.readline, b".\r\n"))

        self._servers = (ThreadingHTTPServer(("127.0.0.1", 0), Web),
                         socketserver.ThreadingTCPServer(("127.0.0.1", 0), Post))
        self.web, self.smarthost = (f"127.0.0.1:{server.server_address[1]}"
                                    for server in self._servers)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def keep_mail(self, body: bytes) -> None:
        mail = email.message_from_bytes(body, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.setdefault(mail["To"], []).append(mail)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def others() -> Iterator[Others]:
    others = Others()
    yield others
    others.close()


def leading_here(others: Others, folder: Path) -> Path:
    """The generated configuration, in a hurry, its addresses those of the servers here."""
    (folder / "slack_api_url").write_text(f"http://{others.web}/slack")
    (folder / "pagerduty_routing_key").write_text("key")
    chosen = Options(faster=FASTER, addresses=Addresses(
        secrets=str(folder), smarthost=others.smarthost,
        alert_log=f"http://{others.web}/log", dead_mans_switch=f"http://{others.web}/switch"))
    config = yaml.safe_load(render(chosen)["alertmanager/alertmanager.yml"])
    config["global"] |= {"smtp_require_tls": False, "smtp_hello": "localhost"}
    for receiver in config["receivers"]:
        for page in receiver.get("pagerduty_configs", ()):
            page["url"] = f"http://{others.web}/pagerduty"
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def post(port: int, alerts: Sequence[Mapping[str, Any]]) -> None:
    body = json.dumps([{key: one[key] for key in ("labels", "annotations", "startsAt")}
                       for one in alerts]).encode()
    urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v2/alerts", body,
        {"Content-Type": "application/json"}), timeout=10).close()


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").strip()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_reaches_pagerduty_and_chat_as_amtool_renders_it(
        version: str, others: Others, tmp_path: Path) -> None:
    page = notifications.alert(description=NASTY)
    with alertmanager(version, leading_here(others, tmp_path), tmp_path) as port:
        post(port, [page])
        wait_for(lambda: others.events and others.messages, START_SECONDS)
    title, firing, shown, text = notifications.render(
        version, tmp_path, (PAGE["description"], PAGE["details"]["firing"], CHAT["title"],
                            CHAT["text"]), [page])
    (event,), (message,) = others.events, others.messages["#llm-alerts"]
    assert (event["event_action"], event["payload"]["summary"]) == ("trigger", title)
    assert event["payload"]["custom_details"]["firing"] == firing
    assert [link["text"] for link in event["links"]] == [
        "Runbook of LLMRequestsSlow", "Dashboard of LLMRequestsSlow"]
    (attachment,) = message["attachments"]
    assert (attachment["title"], attachment["fallback"]) == (shown, shown)
    assert attachment["text"] == text
    assert "text" in attachment["mrkdwn_in"]
    assert not others.mails


@pytest.mark.parametrize("version", VERSIONS)
def test_a_warning_reaches_chat_and_mail(version: str, others: Others, tmp_path: Path) -> None:
    warning = notifications.alert(severity="warning", description=NASTY)
    with alertmanager(version, leading_here(others, tmp_path), tmp_path) as port:
        post(port, [warning])
        wait_for(lambda: others.mails and others.messages, START_SECONDS)
    (message,), (mail,) = others.messages["#llm-alerts"], others.mails["llm-alerts@example.org"]
    title, shown, text = notifications.render(
        version, tmp_path, (SUBJECT, CHAT["title"], MAIL["text"]), [warning])
    (page,) = notifications.render(version, tmp_path, [MAIL["html"]], [warning], html=True)
    assert message["attachments"][0]["title"] == shown
    assert mail["Subject"] == title
    assert (text_of(mail, "plain"), text_of(mail, "html")) == (text.strip(), page.strip())
    assert not others.events


@pytest.mark.parametrize("version", VERSIONS)
def test_money_has_readers_of_its_own_who_learn_too_of_what_pages(
        version: str, others: Others, tmp_path: Path) -> None:
    of_money = {"team": "finance", "namespace": ""}
    warning = notifications.alert("CostPerRequestHigh", severity="warning", **of_money)
    page = notifications.alert("CostBudgetExceeded", **of_money)
    with alertmanager(version, leading_here(others, tmp_path), tmp_path) as port:
        post(port, [warning, page])
        wait_for(lambda: len(others.mails.get("llm-cost@example.org", ())) == 2
                 and others.events and "#llm-alerts" in others.messages, START_SECONDS)
    title = "[FIRING:1] critical: CostBudgetExceeded of llama-70b in prod"
    assert {mail["Subject"] for mail in others.mails["llm-cost@example.org"]} == {
        title, "[FIRING:1] warning: CostPerRequestHigh of llama-70b in prod"}
    assert [event["payload"]["summary"] for event in others.events] == [title]
    (message,) = others.messages["#llm-alerts"]  # of the page, not of the warning
    assert message["attachments"][0]["title"] == title
    assert others.mails.keys() == {"llm-cost@example.org"}
