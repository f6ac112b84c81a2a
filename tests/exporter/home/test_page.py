from __future__ import annotations

import gzip
import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.engines.target import State
from inferometer.home.article import IN_FULL
from inferometer.home.history import POINTS
from inferometer.home.markup import printable
from inferometer.home.style import STYLE
from inferometer.values import Histogram
from tests.exporter.home.html_check import Checked
from tests.exporter.home.scene import BOUNDS, NOW, Endpoint, Scene
from tests.exporter.home.test_markup import HOSTILE, anything

LARGEST_PAGE = 2 * 2**20
MEBIBYTE = "<\u202e&\"'" * (2**20 // 5)


def text(scene: Scene) -> str:
    return Checked(scene.page()).text.replace("\u00a0", " ")


def busy() -> Scene:
    scene = Scene()
    scene.engine("chat")
    scene.engine("code", missing=("time_to_first_token", "requests_abort"), unknown=2.0)
    scene.down("summaries", read_at=NOW - 700, model="mistral")
    scene.gpu(0)
    scene.gpu(1, lost="GPU is lost")
    scene.say(c.COLLECTOR_SUCCESS, ("gpu",), 1.0)
    scene.say(c.COLLECTOR_DURATION, ("gpu",), 0.0004)
    scene.record(5)
    return scene


def test_it_says_first_what_is_wrong_and_links_to_it() -> None:
    page = busy().page()
    checked = Checked(page)
    assert checked.headings[:2] == [("h1", "Inferometer"), ("h2", "2 problems")]
    assert "summaries Down: connection refused" in checked.text
    assert "2 of 3 engines and 1 of 2 GPUs answer." in checked.text
    assert {"#engine-3", "#gpu-2"} <= set(checked.links)
    assert b"<title>2 problems \xe2\x80\x94 Inferometer</title>" in page


def test_without_a_problem_it_says_how_many_answer() -> None:
    scene = Scene()
    scene.engine()
    scene.gpu(0)
    scene.gpu(1)
    assert ("h2", "No problems") in Checked(scene.page()).headings
    assert "1 engine and 2 GPUs answer." in text(scene)


def test_every_engine_and_gpu_has_an_article_with_state_age_and_plots() -> None:
    checked = Checked(busy().page())
    text = checked.text.replace("\u00a0", " ")
    assert checked.tags.count("article") == 5
    figures = re.findall(r"<figure>.*?</figure>", busy().page().decode())
    assert sum("<svg" in figure for figure in figures) == 3 + 3 + 2  # no TTFT: nothing grew here
    for words in ("Up chat", "Read 2 s ago", "Down summaries", "Read 11 min 40 s ago", "Lost GPU 1",
                  "Read 10 min ago", "Utilisation 87 %", "Memory of 24.0 GiB 20.0 GiB",
                  "min 3 max 3"):
        assert words in text, words


def test_states_are_words_and_signs_and_not_colours_alone() -> None:
    page = busy().page().decode()
    for level, sign, word in (("good", "✓", "Up"), ("bad", "✕", "Down"), ("bad", "✕", "Lost")):
        assert (f'<span class="badge {level}"><span aria-hidden="true">{sign}</span> {word}</span>'
                in page)


def test_a_plot_has_its_numbers_in_words() -> None:
    scene = Scene()
    scene.engine(running=3.0)
    scene.record(2)
    scene.record(0)
    scene.say(c.SERVER_RUNNING, ("chat", "vllm", "tiny", ""), 9.0)
    page = scene.page().decode()
    assert "<title>chat: Running</title><desc>Lowest 3, highest 9.</desc>" in page


def test_a_plot_with_gaps_says_how_many() -> None:
    scene = Scene()
    scene.engine()
    scene.record(1)
    scene.history.record([], 30.0)
    scene.history.record([], 60.0)
    assert "2 of 3 readings brought no value." in scene.page().decode()


def test_where_only_a_lower_limit_is_known_it_says_so() -> None:
    scene = Scene()
    scene.engine()
    scene.record()
    scene.say(c.SERVER_TTFT, ("chat", "vllm", "tiny", ""),
              Histogram(BOUNDS, (0.0, 80.0, 100.0, 200.0), None))
    scene.record()
    assert "TTFT p95 ≥ 1.00 s" in text(scene)


def test_signals_that_an_engine_lacks_are_named() -> None:
    shown = text(busy())
    assert "More, 2 signals not told, 2 unknown" in shown
    assert "Not told: time_to_first_token requests_abort" in shown
    assert "2 families of this engine are not known to this exporter" in shown
    assert re.search(r"TTFT p95 —no value ?not told", shown)


def test_before_any_history_there_are_values_and_no_line() -> None:
    scene = Scene()
    scene.engine()
    shown = text(scene)
    assert "TTFT p95 —no valueno value so far" in shown
    assert "Running 3chat: RunningLowest 3, highest 3.min 3 max 3" in shown
    assert "a reading every 30 s, for 0 s so far." in shown


def test_how_long_it_has_recorded_is_said_until_the_hour_is_full() -> None:
    scene = Scene()
    scene.engine()
    scene.record(10)
    assert "at most 1 h ago: a reading every 30 s, for 5 min so far." in text(scene)
    assert "last 4 min 30 s" in text(scene)
    scene.record(POINTS)
    assert "for 1 h so far." in text(scene)


def test_with_nothing_at_all_it_says_where_it_looks_and_how_to_name_an_engine() -> None:
    scene = Scene()
    scene.gpu_state = "no driver: libnvidia-ml.so.1 not found"
    shown = text(scene)
    assert "Nothing to watch yet" in shown
    assert "try inferometer demo on your own machine" in shown
    assert "looked for on 127.0.0.1, ports 8000, 8080, every 10 s" in shown
    assert "inferometer run --engine http://HOST:PORT" in shown
    assert ("None found: no driver: libnvidia-ml.so.1 not found. "
            "Looked for again every 10 s") in shown


def test_where_nothing_is_looked_for_it_says_so() -> None:
    scene = Scene()
    scene.gpus, scene.ports = None, ()
    shown = text(scene)
    assert "None is configured, and none is looked for: engines.discover_ports is empty." in shown
    assert "Reading GPUs is switched off by gpu.enabled." in shown


@pytest.mark.parametrize(("role", "phrases", "absent"), [
    ("sidecar", ("1 engine answers.", "GPUsNot read in the role sidecar.",
                 "CostNot counted in the role sidecar."), "gpu.enabled"),
    ("node", ("1 GPU answers.", "EnginesNot read in the role node.",
              "has no price for these GPUs (cost.gpu_hour_usd)."), "monthly_usd"),
    ("fleet", ("In the role fleet neither engines nor GPUs are read.",
               "EnginesNot read in the role fleet.", "GPUsNot read in the role fleet.",
               "has no fixed cost (fleet.monthly_usd)."), "gpu_hour_usd"),
    ("gateway", ("neither engines nor GPUs are read.", "CostNot counted"), "is counted"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_the_page_speaks_only_of_what_its_role_reads_and_counts(role: str, phrases: tuple[str, ...],
                                                                absent: str) -> None:
    scene = Scene()
    scene.role, scene.gpus, scene.ports = role, None, ()
    if role == "sidecar":
        scene.engine()
    if role == "node":
        scene.gpus = []
        scene.gpu(price=False)
    shown = " ".join(text(scene).split())
    assert "No problems" in shown
    for words in phrases:
        assert words in shown
    assert absent not in shown
    assert f"in the role {role}. Its configuration is in force, as it was read last." in shown


def test_a_gpus_card_says_which_pods_have_it() -> None:
    scene = Scene()
    scene.gpu()
    for pod in ("chat-0", "chat-1", "embed-0", "embed-1", "embed-2"):
        for container in ("engine", "sidecar"):
            scene.say(c.GPU_POD_INFO, ("0", "GPU-0", "", "llm", pod, container, "true"), 1.0)
    assert "Pod llm/chat-0, llm/chat-1, llm/embed-0 and 2 more (shared)" in text(scene)


@pytest.mark.parametrize(("shared", "shown"), [("false", False), ("true", True)])
def test_a_gpus_card_says_whether_a_pod_has_it_to_itself(shared: str, shown: bool) -> None:
    scene = Scene()
    scene.gpu()
    scene.say(c.GPU_POD_INFO, ("0", "GPU-0", "", "llm", "chat-0", "engine", shared), 1.0)
    assert ("Pod llm/chat-0 (shared)" in text(scene)) is shown


def test_what_is_made_up_is_called_a_demo_at_the_top_and_in_the_title() -> None:
    scene = busy()
    scene.demo = True
    assert "Demo: what this page shows is made up." in text(scene)
    assert b"Inferometer demo</title>" in scene.page()
    assert "made up" not in text(busy())


def test_engines_and_gpus_have_a_line_each_with_figures_beside_their_limits() -> None:
    scene = busy()
    scene.say(c.GPU_POWER, ("0", "GPU-0"), 60.0)
    scene.say(c.GPU_POWER_LIMIT, ("0", "GPU-0"), 72.0)
    page = scene.page().decode()
    tables = re.findall(r'<table class="things">.*?</table>', page)
    assert [table.count("<tr") for table in tables] == [1 + 3, 1 + 2]
    line = next(line for line in re.findall(r"<tr.*?</tr>", tables[1]) if "#gpu-1" in line)
    assert '<td data-label="Power"><span class="figure"><strong>60.0</strong> of 72.0' in line
    assert '<a href="#gpu-1"><bdi>GPU 0</bdi></a>' in line
    assert 'class="fill" d="M0 0h83.3v6h-83.3z"' in line


def test_of_hundreds_of_problems_the_worst_are_listed_and_the_others_counted() -> None:
    scene = Scene()
    for number in range(c.TARGETS):
        scene.down(f"engine-{number}", why=f"reason {number}")
    shown = text(scene)
    assert "100 problems" in shown
    assert shown.count("Down: reason") == 50
    assert "and 50 more; Status has all" in shown


def test_totals_are_those_of_what_tells_them() -> None:
    scene = Scene()
    for index in range(2):
        scene.gpu(index)
    del scene.points[c.GPU_MEMORY_USED]["1", "GPU-1", ""]
    scene.engine()
    shown = text(scene)
    assert "87 % utilisation 20.0 of 24.0 GiB memory" in shown
    assert "3 running 1 waiting" in shown


def test_while_starting_the_page_says_so() -> None:
    scene = Scene()
    scene.ready = False
    assert ("h2", "Starting") in Checked(scene.page()).headings
    assert "still under way" in text(scene)


def test_cost_is_a_table_with_its_sum_and_what_was_idle() -> None:
    scene = Scene()
    scene.gpu(0)
    scene.gpu(1, name="NVIDIA H100", price=False)
    scene.say(c.COST, ("gpu", "", "GPU-0"), 12.5)
    scene.say(c.COST, ("storage", "", ""), 0.25)
    scene.say(c.COST_IDLE, ("0", "GPU-0"), 3.0)
    page = scene.page().decode()
    assert "<caption>Since this exporter started, 1\u00a0h 1\u00a0min ago</caption>" in page
    assert '<th scope="row">gpu</th><td>$12.50</td>' in page
    assert '<tfoot><tr><th scope="row">Together</th><td>$12.75</td></tr></tfoot>' in page
    shown = text(scene)
    assert "Of it $3.00 for GPUs while no kernel ran." in shown
    assert "No price in cost.gpu_hour_usd for NVIDIA H100." in shown


def test_without_prices_it_names_the_keys() -> None:
    shown = text(Scene())
    assert "cost.gpu_hour_usd" in shown
    assert "fleet.monthly_usd" in shown


def test_what_is_wrong_with_the_exporter_itself_is_a_problem_too() -> None:
    scene = Scene()
    scene.engine()
    scene.say(c.COLLECTOR_SUCCESS, ("cost",), 0.0)
    scene.say(c.COLLECTOR_DURATION, ("cost",), 7.2)
    scene.say(c.LABELS_FOLDED, ("llm_server_requests_total", "model"), 3.0)
    scene.say(c.CONFIG_RELOAD_OK, (), 0.0)
    checked = Checked(scene.page())
    assert checked.headings[1] == ("h2", "2 problems")
    for words in ("Collector cost failed, or was late", "the last reload failed",
                  "Label values folded over a family's cap"):
        assert words in checked.text
    assert '<th scope="row"><code>llm_server_requests_total</code></th>' in scene.page().decode()


def test_it_explains_its_own_words() -> None:
    page = busy().page().decode()
    legend = dict(re.findall(r"<div><dt>([^<]*)</dt><dd>([^<]*)</dd></div>", page))
    assert {"Absent is absent", "No progress", "TTFT p95", "Not told", "Cost"} <= legend.keys()
    assert Checked(page.encode()).tags.count("dl") == 5 * 2 + 1 + 1  # cards, legend, totals


def test_it_loads_itself_again_only_where_that_is_asked_for() -> None:
    scene = busy()
    assert b"http-equiv" not in scene.page()
    assert b'<a href="./?refresh">' in scene.page()
    assert b'<meta http-equiv="refresh" content="30">' in scene.page(refresh=True)
    assert b'<a href="./">Stop that</a>' in scene.page(refresh=True)
    Checked(scene.page(refresh=True))


def test_tables_have_captions_and_headings_with_a_scope() -> None:
    page = busy().page().decode()
    tables = re.findall(r"<table>.*?</table>", page)
    assert tables
    for table in tables:
        assert table.startswith("<table><caption>")
        assert set(re.findall(r"<th( [^>]*|)>", table)) == {' scope="col"', ' scope="row"'}


@settings(deadline=None, database=None, max_examples=60,
          suppress_health_check=[HealthCheck.too_slow])
@given(anything, anything, anything, st.sampled_from(HOSTILE))
def test_names_and_reasons_from_outside_are_text_whatever_they_are(
        name: str, model: str, why: str, product: str) -> None:
    scene = Scene()
    scene.engine("chat", model=model, version=why, missing=(why,))
    scene.down(name or "x", why=why, read_at=NOW - 5, model=model)
    scene.gpu(0, lost=why, name=product)
    scene.gpu_state = why
    scene.record(2)
    checked = Checked(scene.page())
    for value in (name, product):
        assert printable(value) in checked.text or len(value) > 80


def test_a_mebibyte_from_everywhere_is_cut() -> None:
    scene = Scene()
    scene.engine(MEBIBYTE, model=MEBIBYTE, version=MEBIBYTE, url="http://x/" + "y" * 2**20)
    scene.down("down", why=MEBIBYTE, read_at=NOW, model=MEBIBYTE)
    scene.gpu(0, lost=MEBIBYTE, name=MEBIBYTE)
    began = time.process_time()
    page = scene.page()
    assert time.process_time() - began < 2
    assert len(page) < 150_000
    assert f"({len(MEBIBYTE):,} characters)" in Checked(page).text
    longest = max(re.findall(r"<bdi>(.*?)</bdi>", page.decode()), key=len)
    assert len(longest) < 7 * IN_FULL


def test_a_long_name_is_cut_in_its_place_and_whole_below() -> None:
    scene = Scene()
    model = "organisation/" + "m" * 100
    scene.engine(model=model)
    page = scene.page().decode()
    assert f"<dd><bdi>{model[:79]}…</bdi></dd>" in page
    assert f"<dd><bdi>{model}</bdi></dd>" in page


def crowd(dice: random.Random) -> Scene:
    """64 GPUs and 100 engines with an hour of ragged history."""
    scene = Scene()
    for n in range(c.TARGETS):
        scene.engine(f"engine-{n}", model=f"organisation/model-{n}", unknown=3.0)
    for n in range(c.GPUS):
        scene.gpu(n, name="NVIDIA H100 80GB HBM3")
    for step in range(POINTS):
        for metric in (c.SERVER_RUNNING, c.SERVER_WAITING, c.GPU_UTILIZATION, c.GPU_MEMORY_USED):
            for key in scene.points[metric]:
                scene.say(metric, key, dice.random() * (24e9 if metric is c.GPU_MEMORY_USED else 1))
        for key, value in scene.points[c.SERVER_OUTPUT].items():
            assert isinstance(value, float)
            scene.say(c.SERVER_OUTPUT, key, value + dice.random() * 1000)
        for key, waits in scene.points[c.SERVER_TTFT].items():
            assert isinstance(waits, Histogram)
            fast = dice.randrange(100)
            scene.say(c.SERVER_TTFT, key, waits.plus(
                Histogram(BOUNDS, (fast, fast, 100.0, 100.0), None)))
        scene.record(judged=step >= POINTS - 5)
    return scene


def test_a_page_of_64_gpus_and_100_engines_is_bounded_in_size_and_time() -> None:
    scene = crowd(random.Random(1))
    began = time.process_time()
    page = scene.page()
    took = time.process_time() - began
    packed = len(gzip.compress(page, 1))
    print(f"{len(page) >> 10} KiB, {packed >> 10} KiB packed, {1000 * took:.0f} ms")
    checked = Checked(page)
    assert checked.tags.count("figure") == 4 * c.TARGETS + 2 * c.GPUS
    assert len(page) < LARGEST_PAGE
    assert took < 2.0


def test_of_more_than_may_be_watched_the_page_says_how_many_are_left_out() -> None:
    scene = Scene()
    scene.endpoints = [Endpoint(str(n), "http://x", State(False)) for n in range(c.TARGETS + 2)]
    for n in range(c.GPUS + 1):
        scene.gpu(n)
    checked = Checked(scene.page())
    assert checked.tags.count("article") == c.TARGETS + c.GPUS
    assert "Engines 2 more than may be watched are left out" in checked.text
    assert "GPUs 1 more than may be watched are left out" in checked.text


def luminance(colour: str) -> float:
    parts = [int(colour[n:n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_wcag_asks_for(scheme: int) -> None:
    palette = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", palette))
    for ground in ("page", "panel"):
        for ink in ("text", "quiet", "link", "bad", "over", "note", "waiting", "good"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["line"], colours[ground]) >= 3.0
    for level in ("bad", "over", "note"):
        for ink in (level, "text", "quiet"):
            assert contrast(colours[ink], colours[f"{level}-tint"]) >= 4.5
