"""The page for a person in a real browser, as one sees, hears and walks it."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from inferometer.demo.clock import StoryClock
from inferometer.demo.dialects import VLLM
from inferometer.demo.endpoint import Endpoint
from inferometer.demo.engine import ScriptedEngine, Workload
from tests.e2e.browser import chromium
from tests.e2e.scene import Scene, Shown
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.home.quick import quick
from tests.exporter.support import Engine, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120)]

STEP = 0.3
HOSTILE = "</svg><script>window.hurt=1</script><img src=x onerror=window.hurt=1>\u202egnp"

# Of every text that is shown: its colour against the ground it stands on, where that is too weak.
WEAK_TEXTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const rgb = parts(getComputedStyle(e).backgroundColor);
      if (rgb.length < 4 || rgb[3] === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const weak = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, element = text.parentElement;
    if (!text.data.trim() || element.closest("svg") || !element.checkVisibility()) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) weak.push([text.data, contrast]);
  }
  return weak;
}"""
# Whatever reaches beyond the window's right edge.
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((e) => e.outerHTML.slice(0, 100))"""
FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  return [e.tagName, e.getAttribute("href") || "", style.outlineStyle];
}"""


class Visit:
    """A window on the page, and all that happened in it that should not."""

    def __init__(self, browser: Browser, port: int, path: str = "/", width: int = 1280,
                 dark: bool = False, javascript: bool = True) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=javascript,
            color_scheme="dark" if dark else "light")
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.home = f"http://127.0.0.1:{port}"
        self.page.goto(self.home + path)


Visiting = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"), 60.0)


@pytest.fixture(scope="module")
def server(scene: Scene) -> Iterator[Shown]:
    """Three engines on three GPUs, watched for long enough to be drawn."""
    with scene.watched(STEP) as running:
        wait_for(lambda: running.scrape().value("gpu_up", gpu="2") == 1.0)
        yield running


@pytest.fixture
def visit(browser: Browser, server: Shown) -> Iterator[Visiting]:
    """Opens the page; at the end nothing may have gone wrong in any window."""
    visits: list[Visit] = []

    def go(port: int = server.port, **options: object) -> Visit:
        visits.append(Visit(browser, port, **options))  # type: ignore[arg-type]
        return visits[-1]

    yield go
    for visited in visits:
        visited.context.close()
        assert visited.wrong == []


def opened(page: Page) -> None:
    """Everything that is on demand is shown: first the outer ones, then those in them."""
    for level in ("main > section > details, .card", ".card details"):
        for disclosure in page.locator(level).all():
            if not disclosure.evaluate("e => e.open"):
                disclosure.locator("summary").first.click()


@contextlib.contextmanager
def serving(model: str) -> Iterator[Endpoint]:
    """An engine of the demo's that serves such a model."""
    endpoint = Endpoint(ScriptedEngine(VLLM, Workload(model, 24, 0.5, 0.6), StoryClock(60)))
    endpoint.live()
    try:
        yield endpoint
    finally:
        endpoint.die()


def drawn(page: Page) -> int:
    """How many plots have a line on the page as it is now."""
    page.reload()
    return page.locator("figure svg .line").count()


def test_it_is_one_request_to_one_host(visit: Visiting) -> None:
    visited = visit()
    visited.page.wait_for_load_state("networkidle")
    assert visited.requests == [f"{visited.home}/"]


def test_the_style_is_let_in_by_its_policy(visit: Visiting) -> None:
    header = visit().page.locator("header")
    assert header.evaluate("e => getComputedStyle(e).display") == "flex"


def test_it_needs_no_javascript(visit: Visiting) -> None:
    page = visit(javascript=False).page
    assert page.locator("table.things a").first.inner_text() == "chat"
    page.locator(".card summary").first.click()
    assert page.locator(".card[open]").count() == 1
    assert page.locator("article").first.is_visible()


@pytest.mark.parametrize("width", [320, 480, 700, 1000])
def test_nothing_is_wider_than_the_window(visit: Visiting, width: int) -> None:
    page = visit(width=width).page
    opened(page)
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_its_ground(visit: Visiting, dark: bool) -> None:
    page = visit(dark=dark).page
    opened(page)
    assert page.evaluate(WEAK_TEXTS) == []


def test_dark_mode_is_dark(visit: Visiting) -> None:
    def colours(dark: bool) -> list[str]:
        page = visit(dark=dark).page
        return [str(page.locator(of).first.evaluate(f"e => getComputedStyle(e).{css_property}"))
                for of, css_property in (("body", "backgroundColor"), ("body", "color"),
                                         ("table", "backgroundColor"), ("svg .fill", "fill"))]

    light, dark = colours(False), colours(True)
    assert all(one != other for one, other in zip(light, dark, strict=True))


def test_every_link_and_disclosure_is_reached_by_tab_in_its_order_and_seen(
        visit: Visiting) -> None:
    page = visit().page
    expected = page.locator("a, summary").evaluate_all(
        "all => all.filter(e => e.checkVisibility({contentVisibilityAuto: true}))"
        ".map(e => [e.tagName, e.getAttribute('href') || ''])")
    reached = []
    for _ in expected:
        page.keyboard.press("Tab")
        name, href, outline = page.evaluate(FOCUSED)
        assert outline == "solid", (name, href)
        reached.append([name, href])
    assert reached == expected


def test_a_disclosure_opens_by_key(visit: Visiting) -> None:
    page = visit().page
    page.locator(".card summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".card[open]").count() == 1
    page.locator(".card[open] article summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("http://127.0.0.1:").first.is_visible()


def test_it_is_heard_as_regions_articles_and_named_plots(visit: Visiting) -> None:
    page = visit().page
    wait_for(lambda: drawn(page) >= 9)
    opened(page)
    heard = page.locator("body").aria_snapshot()
    for expected in (
        "- banner:", 'heading "Inferometer" [level=1]', 'navigation "On this page"', "- main:",
        'region "Engines"', 'region "GPUs"', 'region "Cost"', 'region "This exporter"',
        'region "How to read this page"', 'article "', 'article "Up GPU 0"',
        'table "Engines, the worst first"', 'columnheader "TTFT p95"', 'link "Runbook"',
        'table "GPUs, the worst first"', 'columnheader "Temperature"', 'link "Status"',
        "img \"chat: TTFT p95\"", "img \"chat: Running\"", "img \"GPU 0: Utilisation\"",
        'table "Collectors"', 'columnheader "State"', 'rowheader "engines"', "- contentinfo:",
        'link "Metrics"', 'link "Health"', 'link "Readiness"',
    ):
        assert expected in heard, expected
    assert not re.search(r"- (img|link|article|region|navigation|heading|table)(:|$)", heard,
                         re.MULTILINE)  # none is without a name
    levels = [int(level) for level in re.findall(r"\[level=(\d)\]", heard)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_plot_is_described(visit: Visiting) -> None:
    page = visit().page
    wait_for(lambda: drawn(page) >= 9)
    for drawing in page.locator("svg[role=img]").all():
        assert re.match(r"Lowest .+, highest .+\.", drawing.locator("desc").text_content() or "")


def test_plots_appear_with_the_history_and_fill_their_place(visit: Visiting) -> None:
    page = visit().page
    wait_for(lambda: drawn(page) >= 9)
    opened(page)
    box = page.locator("figure svg").first.bounding_box()
    assert box is not None
    assert (box["width"] > 100, box["height"] > 30) == (True, True)


def test_links_lead_where_they_say(visit: Visiting) -> None:
    visited = visit()
    page = visited.page
    page.get_by_role("link", name="GPUs 3").click()
    assert page.url.endswith("/#gpus")
    page.get_by_role("link", name="Reload every 30 s").click()
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    page.get_by_role("link", name="Stop that").click()
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    for name, words in (("Metrics", "llm_server_up"), ("Health", "healthy"),
                        ("Readiness", "ready")):
        path = page.get_by_role("link", name=name).get_attribute("href")
        assert words in visited.context.request.get(f"{visited.home}/{path}").text()


def test_hostile_names_are_read_and_never_run(visit: Visiting, tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    with serving(HOSTILE.replace('"', "")) as engine, Engine(b"no metrics") as dumb:
        config.write_text(json.dumps({
            "web": {"listen": "127.0.0.1:0"}, "gpu": {"enabled": False}, "engines": {"targets": [
                {"url": engine.url, "name": "<script>window.hurt=1</script>"},
                {"url": dumb.url, "name": "\"><svg onload=window.hurt=1>"}]}}))
        with quick(STEP, config) as running:
            wait_for(lambda: drawn(visit(running.port).page) >= 3)
            for width in (1280, 320):
                visited = visit(running.port, width=width)
                page = visited.page
                assert page.evaluate("window.hurt") is None
                assert page.locator("script, img, svg[onload]").count() == 0
                assert page.get_by_text("<script>window.hurt=1</script>").first.is_visible()
                details = page.locator("article:not(.bad) dl").first.inner_text()
                assert "</svg><script>" in details
                assert "\\u202e" in details
                assert set(visited.requests) == {f"{visited.home}/"}
                assert page.evaluate(TOO_WIDE) == []


def test_an_engine_that_ends_is_shown_first_and_why(visit: Visiting, tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    with serving("tiny") as engine:
        config.write_text(json.dumps({
            "web": {"listen": "127.0.0.1:0"}, "gpu": {"enabled": False},
            "engines": {"targets": [{"url": engine.url, "name": "chat"}]}}))
        shows_that_it_ended(config, engine, visit)


def shows_that_it_ended(config: Path, engine: Endpoint, visit: Visiting) -> None:
    with quick(STEP, config) as running:
        page = visit(running.port).page
        engine.die()
        page.reload()
        assert page.title().startswith("1 problem")
        assert page.get_by_role("article", name="Down chat").is_visible()
        assert "connection refused" in page.locator("#engine-1 .why").inner_text()
        page.locator(".problems").get_by_role("link", name="chat").first.click()
        assert page.url.endswith("/#engine-1")


def test_eight_gpus_and_three_engines_fit_a_laptops_screen(
        visit: Visiting, tmp_path: Path) -> None:
    fake = FakeNvml(tmp_path / "nvml")
    fake.write("gpus 8", "set * name NVIDIA H100 80GB HBM3", "set * utilization 90")
    config = tmp_path / "inferometer.yml"
    with contextlib.ExitStack() as engines:
        urls = [engines.enter_context(serving(f"model-{number}")).url for number in range(3)]
        config.write_text(json.dumps({
            "web": {"listen": "127.0.0.1:0"}, "gpu": {"interval_seconds": 0.5},
            "engines": {"targets": [{"url": url} for url in urls]}}))
        with quick(STEP, config, fake.env()) as running:
            wait_for(lambda: running.scrape().value("gpu_up", gpu="7") == 1.0)
            page = visit(running.port).page
            last = page.locator("table.things").last.locator("tr").last.bounding_box()
            assert last is not None
            assert last["y"] + last["height"] <= 800


@pytest.mark.parametrize("dark", [False, True])
def test_the_runbook_is_readable_on_a_narrow_screen_and_loads_nothing(
        visit: Visiting, dark: bool) -> None:
    visited = visit(path="/runbook", width=320, dark=dark)
    page = visited.page
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(WEAK_TEXTS) == []
    assert visited.requests == [f"{visited.home}/runbook"]
    page.get_by_role("link", name="Back to what is watched").click()
    assert "Inferometer" in page.title()
    assert page.locator("table.things").count() == 2


def test_a_lost_gpu_is_shown_and_its_engine_too(visit: Visiting, scene: Scene) -> None:
    """The last of this scene."""
    scene.lose()
    page = visit().page
    wait_for(lambda: page.reload() and page.get_by_text("Lost: GPU_IS_LOST").count())
    line = page.locator(".problems li", has_text="GPU 2")
    assert "after XID 79" in line.inner_text()
    line.get_by_role("link", name="GPU 2").click()
    card = page.get_by_role("article", name="Lost GPU 2")
    assert card.is_visible()  # the link has opened it
    assert "summaries" in page.locator(".problems").first.inner_text()
    line.get_by_role("link", name="GpuLost").click()
    assert page.url.endswith("/runbook#gpulost")
    assert page.locator("#gpulost").is_visible()
