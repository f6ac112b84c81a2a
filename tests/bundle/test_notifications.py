"""What is read of alerts: in chat, on a page and in mail, as real amtool renders it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from alerts.model import TEAMS
from alerts.notifications import MOST
from tests.bundle.notifications import (
    BOARD,
    CHAT,
    HOUR,
    MAIL,
    PAGE,
    RUNBOOK,
    SUBJECT,
    alert,
    render,
)
from tests.bundle.promtool import VERSIONS

pytestmark = [pytest.mark.timeout(90), pytest.mark.parametrize("version", VERSIONS)]
Alerts = Sequence[Mapping[str, Any]]

HARDWARE = {"team": "hardware", "model": "", "namespace": "", "node": "gpu-7", "uuid": "GPU-1"}
OF_EXPORTER = {"team": "observability", "model": "", "instance": "10.0.0.1:9839",
               "namespace": "monitoring"}
NASTY = 'a"b\'<img src=x onerror=alert(1)>|<!channel>&amp;'
NASTY_BOARD = "http://grafana.example/d/x?var-model=a%22%7C%3E&a=%3C"

# Title of a group of alerts, as pages and mail have it.
TITLES: tuple[tuple[str, Alerts, str], ...] = (
    ("one alert", [alert()], "[FIRING:1] critical: LLMRequestsSlow of llama-70b in prod/chat"),
    ("several names", [alert(), alert("LLMFirstTokenSlow")],
     "[FIRING:2] critical: LLMRequestsSlow, LLMFirstTokenSlow of llama-70b in prod/chat"),
    ("several replicas", [alert("LLMEngineHung", target=target) for target in "abc"],
     "[FIRING:3] critical: LLMEngineHung of llama-70b in prod/chat"),
    ("a name is a part of another", [alert("LLMRequestsSlow"), alert("LLMRequests"),
                                     alert("Slow"), alert("LLMRequests")],
     "[FIRING:4] critical: LLMRequestsSlow, LLMRequests, Slow of llama-70b in prod/chat"),
    ("it is over", [alert(status="resolved"), alert("LLMFirstTokenSlow", "resolved")],
     "[RESOLVED:2] critical: LLMRequestsSlow, LLMFirstTokenSlow of llama-70b in prod/chat"),
    ("some of it is over", [alert(status="resolved"), alert("LLMFirstTokenSlow")],
     "[FIRING:1] critical: LLMFirstTokenSlow of llama-70b in prod/chat"),
    ("a warning", [alert(severity="warning")],
     "[FIRING:1] warning: LLMRequestsSlow of llama-70b in prod/chat"),
    ("no cluster", [alert(cluster="")],
     "[FIRING:1] critical: LLMRequestsSlow of llama-70b in chat"),
    ("no namespace", [alert(namespace="")],
     "[FIRING:1] critical: LLMRequestsSlow of llama-70b in prod"),
    ("neither", [alert(cluster="", namespace="")],
     "[FIRING:1] critical: LLMRequestsSlow of llama-70b"),
    ("a model without a name", [alert(model="")],
     "[FIRING:1] critical: LLMRequestsSlow in prod/chat"),
    ("a node", [alert("GpuLost", **HARDWARE), alert("GpuLost", **HARDWARE | {"uuid": "GPU-2"})],
     "[FIRING:2] critical: GpuLost of gpu-7 in prod"),
    ("an exporter", [alert("InferometerDown", **OF_EXPORTER, node="gpu-7")],
     "[FIRING:1] critical: InferometerDown of 10.0.0.1:9839 in prod/monitoring"),
    ("an exporter in a pod", [alert("InferometerDown", **OF_EXPORTER, pod="inferometer-x2x4z")],
     "[FIRING:1] critical: InferometerDown of inferometer-x2x4z at 10.0.0.1:9839 in "
     "prod/monitoring"),
    ("an exporter, of a model", [alert("InferometerLabelsFolded", **OF_EXPORTER | {"model": "x"})],
     "[FIRING:1] critical: InferometerLabelsFolded of 10.0.0.1:9839 in prod/monitoring"),
    ("signals of a model", [alert("LLMSignalLost", team="observability")],
     "[FIRING:1] critical: LLMSignalLost of llama-70b in prod/chat"),
    ("a cluster", [alert("InferometersGone", **OF_EXPORTER | {"instance": "", "namespace": ""})],
     "[FIRING:1] critical: InferometersGone in prod"),
    ("money", [alert("CostBudgetExceeded", team="finance", model="", namespace="")],
     "[FIRING:1] critical: CostBudgetExceeded in prod"),
    ("others' alert", [alert("A+ (b[", team="", severity="", model="", namespace="")],
     "[FIRING:1] A+ (b[ in prod"),
    ("others' alerts", [alert("A+ (b[", team=""), alert("A+ (b[", team="", severity="page")],
     "[FIRING:2] A+ (b[ of llama-70b in prod/chat"),
    ("a value that is none of ours", [alert(model=NASTY)],
     f"[FIRING:1] critical: LLMRequestsSlow of {NASTY} in prod/chat"),
)


@pytest.mark.parametrize(("alerts", "title"), [case[1:] for case in TITLES],
                         ids=[case[0] for case in TITLES])
def test_a_title_says_how_many_of_which_alerts_of_what_in_which_place(
        version: str, alerts: Alerts, title: str, tmp_path: Path) -> None:
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert render(version, tmp_path, (PAGE["description"], SUBJECT), alerts) == [title, title]
    assert render(version, tmp_path, (CHAT["title"], CHAT["fallback"]), alerts) == [
        escaped, escaped]


@pytest.mark.parametrize("team", TEAMS)
def test_every_label_of_a_group_is_in_its_title(version: str, team: str, tmp_path: Path) -> None:
    others = {"model": "m", "node": "n", "instance": "i", "pod": "p", "namespace": "n"}
    labels = others | {label: f"the-{label}" for label in TEAMS[team]}
    (title,) = render(version, tmp_path, [SUBJECT], [alert(team=team, **labels)])
    assert {label for label in TEAMS[team] if f"the-{label}" in title} == {*TEAMS[team]}


def test_a_page_says_how_much_since_when_and_where_to_look(version: str, tmp_path: Path) -> None:
    over = alert("LLMQueueTimeLong", "resolved", severity="warning", description="It was 2s.")
    links = [one[key] for one in PAGE["links"] for key in ("text", "href")]
    firing, resolved, *linked = render(
        version, tmp_path, (PAGE["details"]["firing"], PAGE["details"]["resolved"], *links),
        [over, alert()])
    assert firing == f"""critical LLMRequestsSlow
It is 3s.
Since 2026-11-29 03:16 UTC.
Runbook: {RUNBOOK}
Dashboard: {BOARD}&{HOUR}

"""
    assert resolved == f"""Resolved: warning LLMQueueTimeLong
It was 2s.
From 2026-11-29 03:16 to 2026-11-29 04:05 UTC.
Runbook: {RUNBOOK}
Dashboard: {BOARD}&{HOUR}

"""
    assert linked == ["Runbook of LLMRequestsSlow", RUNBOOK, "Dashboard of LLMRequestsSlow",
                      f"{BOARD}&{HOUR}"]


def test_chat_has_the_same_with_words_for_links(version: str, tmp_path: Path) -> None:
    (text,) = render(version, tmp_path, [CHAT["text"]], [
        alert(), alert("LLMQueueTimeLong", "resolved", severity="warning", description="It was 2s.")
    ])
    links = f"<{RUNBOOK}|Runbook> <{BOARD}&amp;{HOUR.replace('&', '&amp;')}|Dashboard>"
    assert text == f"""*critical LLMRequestsSlow*
It is 3s.
Since 2026-11-29 03:16 UTC. {links}

*Resolved: warning LLMQueueTimeLong*
It was 2s.
From 2026-11-29 03:16 to 2026-11-29 04:05 UTC. {links}

"""


class Mail(HTMLParser):
    """What a mail program shows of a mail: its tags, its words, and where they lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_mail_has_the_same_in_html_and_in_text(version: str, tmp_path: Path) -> None:
    (text,) = render(version, tmp_path, [MAIL["text"]], [alert()])
    (page,) = render(version, tmp_path, [MAIL["html"]], [alert()], html=True)
    mail = Mail(page)
    assert text.startswith("critical LLMRequestsSlow\nIt is 3s.\nSince 2026-11-29 03:16 UTC.\n")
    assert mail.words.split("\n")[:3] == [
        "critical LLMRequestsSlow", "It is 3s.", "Since 2026-11-29 03:16 UTC. Runbook Dashboard"]
    assert mail.links == [RUNBOOK, f"{BOARD}&{HOUR}"]


def test_what_comes_from_outside_is_text_and_nothing_else(version: str, tmp_path: Path) -> None:
    nasty = alert(NASTY, model=NASTY, severity=NASTY) | {"annotations": {
        "description": NASTY, "runbook_url": "javascript:alert(1)", "dashboard_url": NASTY_BOARD}}
    (page,) = render(version, tmp_path, [MAIL["html"]], [nasty], html=True)
    mail = Mail(page)
    assert mail.tags == {"b", "br", "a"}
    assert mail.words.startswith(f"{NASTY} {NASTY}\n{NASTY}\n")
    assert mail.links == ["#ZgotmplZ", f"{NASTY_BOARD}&{HOUR}"]
    (text,) = render(version, tmp_path, [CHAT["text"]], [nasty])
    head, links = text.split("Since ")
    assert not {*"<>"} & {*head}
    assert links.count("<") == links.count(">") == links.count("|") == 2


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_of_hundreds_of_alerts_ten_are_shown_and_the_rest_are_counted(
        version: str, status: str, tmp_path: Path) -> None:
    many = [alert(status=status, target=f"t{i}", description="x" * 400) for i in range(300)]
    for medium, html in ((CHAT["text"], False), (MAIL["text"], False), (MAIL["html"], True),
                         (PAGE["details"][status], False)):
        (text,) = render(version, tmp_path, [medium], many, html=html)
        assert text.count("x" * 400) == MOST
        assert f"and {300 - MOST} more" in text
        assert len(text) < 10_000


@pytest.mark.parametrize("number", [1, MOST])
def test_nothing_is_counted_where_all_are_shown(
        version: str, number: int, tmp_path: Path) -> None:
    (text,) = render(version, tmp_path, [CHAT["text"]], [
        alert(target=f"t{i}") for i in range(number)])
    assert (text.count("It is 3s."), "more" in text) == (number, False)


@pytest.mark.parametrize(("annotations", "text"), [
    ({}, "critical LLMRequestsSlow\n\nSince 2026-11-29 03:16 UTC.\n\n"),
    ({"summary": "It is bad."},
     "critical LLMRequestsSlow\nIt is bad.\nSince 2026-11-29 03:16 UTC.\n\n"),
    ({"description": "Bad.", "dashboard_url": "http://grafana.example/d/x"},
     "critical LLMRequestsSlow\nBad.\nSince 2026-11-29 03:16 UTC.\n"
     f"Dashboard: http://grafana.example/d/x?{HOUR}\n\n"),
])
def test_what_an_alert_lacks_is_left_out(
        version: str, annotations: Mapping[str, str], text: str, tmp_path: Path) -> None:
    bare = alert() | {"annotations": annotations}
    assert render(version, tmp_path, [MAIL["text"]], [bare]) == [text]
