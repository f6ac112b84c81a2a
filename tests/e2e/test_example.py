"""A person at the example application, in a real browser before a real vLLM, and what is kept."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.e2e.browser import chromium
from tests.e2e.example import SERVICE, Example, example, to_phoenix
from tests.e2e.receivers.programs import Receiver, ask, phoenix
from tests.e2e.test_home_in_a_browser import FOCUSED, TOO_WIDE, WEAK_TEXTS
from tests.e2e.vllm import INSTALL_AND_START_SECONDS
from tests.exporter.support import wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(INSTALL_AND_START_SECONDS + 900)]
STORED_SECONDS = 300.0  # Phoenix answers before it has stored
SECONDS = 120.0  # for an answer, and until all is counted, on a busy machine
ABOUT_THE_DOCS, ABOUT_NOTHING = "What is one call?", "Who won the football world cup in 1990?"
KINDS = ("thumbs_up", "thumbs_down", "thumbs_changed", "regenerate", "copy", "edit",
         "report_hallucination", "conversation_end")


class Visitor:
    """Somebody before the page, and whatever happened in the window that should not."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, dark: bool = False) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"])
        self.context.set_default_timeout(SECONDS * 1000)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.goto(url)
        self.page.get_by_text("Model: tiny").wait_for(state="attached")

    @property
    def last(self) -> Locator:
        """The last exchange."""
        return self.page.locator("article").last

    def ask(self, question: str) -> str:
        """Ask it, by keyboard; the trace of the answer."""
        self.page.get_by_label("Your question").fill(question)
        self.page.keyboard.press("Enter")
        return self.answered()

    def answered(self, other_than: str = "") -> str:
        """Wait for the end of an answer; its trace."""
        def trace() -> str:
            tools, code = self.last.locator(".tools"), self.last.locator(".trace code")
            shown = (code.text_content() or "") if tools.is_visible() else ""
            return "" if shown == other_than else shown
        return str(wait_for(trace, SECONDS, 0.2))

    def press(self, name: str, noted: str = "") -> None:
        """A button of the last answer, until the page says that it was taken."""
        self.last.get_by_role("button", name=name).click()
        if noted:
            self.last.locator(".noted").get_by_text(noted, exact=True).wait_for()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with phoenix(tmp_path_factory.mktemp("phoenix")) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Example]:
    with example(tmp_path_factory.mktemp("example"), more=to_phoenix(receiver.url)) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, running: Example) -> Iterator[Visitor]:
    """Who comes; at the end nothing may have gone wrong, and nobody else have been asked."""
    visitor = Visitor(browser, running.url)
    yield visitor
    visitor.context.close()
    assert visitor.wrong == []
    assert visitor.hosts <= {urlsplit(running.url).netloc, urlsplit(running.votes).netloc}


def counted(running: Example) -> Counter[str]:
    """What /metrics has of this application, by what tells its series apart."""
    page, counts = running.gateway.page(), Counter[str]()
    for name, by in (("llm_feedback_total", "kind"), ("rag_retrievals_total", "result"),
                     ("llm_client_requests_total", "outcome")):
        for series in page.find(name, service_name=SERVICE):
            counts[series.labels[by]] += int(series.value)
    counts["reranks"] = int(sum(page.values("rag_reranks_total", service_name=SERVICE)))
    return +counts


def posted(running: Example) -> Counter[str]:
    """How what was posted to /v1/feedback was answered."""
    return Counter({series.labels["result"]: int(series.value) for series in
                    running.gateway.page().find("inferometer_feedback_requests_total")})


def settle(running: Example) -> None:
    """Wait until all that came is counted."""
    wait_for(lambda: running.gateway.page().value("inferometer_ledger_pending_facts") == 0,
             SECONDS, 0.2)


def ballots(ledger: Path) -> Counter[tuple[str, int, bool]]:
    """The votes in a ledger: kind, whether it holds, whether its call is known."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return Counter((kind, final, call is not None) for kind, final, call in
                       connection.execute("SELECT kind, final, call FROM votes"))


def annotated(receiver: Receiver, *traces: str) -> Counter[tuple[str, str]]:
    """What Phoenix has been told of the spans of these traces: the trace, and the label."""
    try:
        spans = {one["context"]["span_id"]: one["context"]["trace_id"] for one in ask(
            receiver, "/v1/projects/default/spans?limit=1000")["data"]}
        notes = ask(receiver, "/v1/projects/default/span_annotations?limit=1000&span_ids="
                   + "&span_ids=".join(span for span, trace in spans.items() if trace in traces))
    except AssertionError:  # it has no such project yet, or none of these spans
        return Counter()
    return Counter((spans[one["span_id"]], one["result"]["label"]) for one in notes["data"])


def test_what_a_person_does_is_exactly_what_is_counted_kept_and_sent_on(
        visitor: Visitor, running: Example, receiver: Receiver) -> None:
    before, kept, answered = (
        counted(running), ballots(running.gateway.ledger), posted(running))
    first = visitor.ask(ABOUT_THE_DOCS)
    assert visitor.last.locator(".sources summary").count() == 4
    visitor.press("Good answer", "Thank you.")
    visitor.press("Bad answer", "Noted.")
    visitor.press("Report made-up facts", "Reported.")
    visitor.press("Copy", "Copied.")
    text = visitor.last.locator(".text").text_content()
    assert visitor.page.evaluate("navigator.clipboard.readText()") == text
    visitor.press("Regenerate")
    second = visitor.answered(first)
    assert second != first
    assert visitor.page.locator("article").count() == 1
    visitor.press("Good answer", "Thank you.")
    visitor.page.get_by_role("button", name="New conversation").click()
    visitor.page.get_by_role("heading", name="What do you want to know?").wait_for()

    expected = Counter({"thumbs_up": 2, "thumbs_changed": 1, "report_hallucination": 1, "copy": 1,
                        "regenerate": 1, "conversation_end": 1,
                        "hit": 2, "success": 2, "reranks": 2})
    wait_for(lambda: (counted(running) - before).total() >= expected.total(), SECONDS, 0.5)
    settle(running)
    assert counted(running) - before == expected
    assert ballots(running.gateway.ledger) - kept == Counter({
        ("thumbs_up", 0, True): 1, ("thumbs_down", 1, True): 1, ("thumbs_up", 1, True): 1,
        ("report_hallucination", 1, True): 1, ("copy", 1, True): 1, ("regenerate", 1, True): 1,
        ("conversation_end", 1, True): 1})
    assert posted(running) - answered == {"taken": 7}  # none was sent twice or refused
    noted = Counter({(first, "thumbs_down"): 1, (first, "report_hallucination"): 1,
                     (first, "copy"): 1, (first, "regenerate"): 1, (second, "thumbs_up"): 1,
                     (second, "conversation_end"): 1})
    wait_for(lambda: annotated(receiver, first, second) == noted, STORED_SECONDS, 1.0)


def test_a_question_about_something_else_finds_no_page(visitor: Visitor, running: Example) -> None:
    before = counted(running)
    visitor.ask(ABOUT_NOTHING)
    assert visitor.last.get_by_text("No page is about this.").is_visible()
    wait_for(lambda: counted(running) != before, SECONDS, 0.5)
    settle(running)
    assert counted(running) - before == Counter({"empty": 1, "success": 1})


def test_an_answer_that_is_stopped_is_one_that_its_caller_left(
        visitor: Visitor, running: Example) -> None:
    before = counted(running)
    visitor.page.get_by_label("Your question").fill(ABOUT_THE_DOCS)
    visitor.page.keyboard.press("Enter")
    visitor.last.locator(".sources").wait_for()
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("button", name="Ask", exact=True).wait_for()
    wait_for(lambda: (counted(running) - before)["hit"], SECONDS, 0.5)
    settle(running)
    ended = counted(running) - before
    # Which of the two it was is a race that the page may lose: the model is a fast one.
    assert ended["abort"] + ended["success"] == 1
    assert visitor.last.locator(".text[aria-busy]").count() == 0


def test_the_engines_phases_are_those_of_the_calls_that_it_served(
        visitor: Visitor, running: Example) -> None:
    visitor.ask(ABOUT_THE_DOCS)
    settle(running)
    with closing(sqlite3.connect(f"file:{running.gateway.ledger}?mode=ro", uri=True)) as ledger:
        queries = wait_for(lambda: ledger.execute(
            "SELECT queue, prefill, decode FROM counted WHERE kind = 'call' AND "
            "outcome = 'success' ORDER BY seq DESC LIMIT 1").fetchone(), SECONDS)
    assert all(phase is not None for phase in queries)


def test_all_of_it_goes_by_keyboard_and_where_one_is_is_seen(visitor: Visitor) -> None:
    page = visitor.page
    visitor.ask(ABOUT_THE_DOCS)
    page.locator(".skip").focus()  # the first one that Tab reaches
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name, _, outline = page.evaluate(FOCUSED)
        assert outline == "solid", name
        reached.append(page.evaluate("() => document.activeElement.innerText.trim()"))
        if reached[-1] == "Ask":
            break
    names = ("New conversation", "Good answer", "Bad answer", "Copy", "Regenerate", "Ask")
    places = [reached.index(name) for name in names]
    assert places == sorted(places)
    visitor.last.get_by_role("button", name="Good answer").focus()
    page.keyboard.press("Space")
    visitor.last.locator(".noted").get_by_text("Thank you.").wait_for()
    pressed = visitor.last.locator("[aria-pressed=true]")
    assert pressed.text_content() == "Good answer"


def test_it_is_heard_as_a_log_of_questions_with_named_buttons(visitor: Visitor) -> None:
    visitor.ask(ABOUT_THE_DOCS)
    heard = visitor.page.locator("body").aria_snapshot()
    for expected in ('heading "Ask the docs" [level=1]', 'log "Conversation"',
                     f'heading "{ABOUT_THE_DOCS}" [level=2]', 'button "Good answer"',
                     'button "Bad answer"', 'button "Copy"', 'button "Regenerate"',
                     'heading "Sources" [level=3]', 'textbox "Your question"', "- status: "):
        assert expected in heard, expected
    assert not re.search(r"- (button|textbox|heading|log|img)(:|$)", heard, re.MULTILINE)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_text_stands_out_and_nothing_is_wider_than_the_window(
        browser: Browser, running: Example, width: int, dark: bool) -> None:
    visitor = Visitor(browser, running.url, width, dark)
    visitor.ask(ABOUT_THE_DOCS)
    visitor.last.locator(".sources summary").first.click()
    visitor.press("Bad answer", "Noted.")
    assert visitor.page.evaluate(WEAK_TEXTS) == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == width
    # Within a passage tables and code scroll.
    outside = TOO_WIDE.replace('"body *"', '"body *:not(.passage *)"')
    assert visitor.page.evaluate(outside) == []
    visitor.context.close()
    assert visitor.wrong == []
