from __future__ import annotations

from collections.abc import Sequence

import pytest

from inferometer import catalogue as c
from inferometer.engines.target import State
from inferometer.gpu.registry import Gpu, Snapshot
from inferometer.home.content import BAD, GOOD, WAITING, Card, Plot
from inferometer.home.history import POINTS, PlotPoint
from inferometer.values import Histogram
from tests.exporter.home.scene import BOUNDS, NOW, Endpoint, Scene


def cards(scene: Scene, title: str) -> Sequence[Card]:
    (section,) = (section for section in scene.content().sections if section.title == title)
    return section.cards


def engine(scene: Scene) -> Card:
    (card,) = cards(scene, "Engines")
    return card


def gpu(scene: Scene) -> Card:
    (card,) = cards(scene, "GPUs")
    return card


def judged(card: Card) -> tuple[str, str, str]:
    return card.level, card.state, card.why


def plot(card: Card, title: str) -> Plot:
    (selected,) = (plot for plot in card.plots if plot.title.startswith(title))
    return selected


def test_an_engine_that_answers_is_up_and_has_its_present_values() -> None:
    scene = Scene()
    scene.engine(unknown=2.0)
    card = engine(scene)
    assert judged(card) == (GOOD, "Up", "")
    assert dict(card.details) == {"Model": "tiny", "Engine": "vllm 0.32.0",
                                  "KV cache": "56\u00a0%"}
    assert (card.read_at, card.unknown) == (NOW - 2, 2)
    assert [(plot.title, plot.now) for plot in card.plots] == [
        ("TTFT p95", None), ("Output tokens/s", None), ("Waiting", PlotPoint(1.0)),
        ("Running", PlotPoint(3.0))]


def test_what_grows_has_the_value_of_the_last_interval() -> None:
    scene = Scene()
    scene.engine()
    scene.record()
    scene.say(c.SERVER_OUTPUT, ("chat", "vllm", "tiny", ""), 6000.0)
    scene.say(c.SERVER_TTFT, ("chat", "vllm", "tiny", ""),
              Histogram(BOUNDS, (0.0, 80.0, 100.0, 200.0), None))
    scene.record()
    assert plot(engine(scene), "Output").now == PlotPoint(100.0)
    assert plot(engine(scene), "TTFT").now == PlotPoint(1.0, at_least=True)


def test_an_engine_that_is_down_says_why_and_keeps_its_name_but_no_value() -> None:
    scene = Scene()
    scene.engine()
    scene.record(2)
    scene.points.clear()
    scene.endpoints.clear()
    scene.down(read_at=NOW - 60, model="tiny")
    card = engine(scene)
    assert judged(card) == (BAD, "Down", "connection refused")
    assert dict(card.details)["Model"] == "tiny"
    assert card.read_at == NOW - 60
    assert [plot.now for plot in card.plots] == [None] * 4
    assert plot(card, "Waiting").points[-1] == PlotPoint(1.0)


def test_an_engine_that_was_never_read_has_no_kind() -> None:
    scene = Scene()
    scene.down()
    assert (engine(scene).details, engine(scene).read_at) == ([], None)


def test_one_that_answered_before_but_not_in_time_for_the_page_says_that() -> None:
    scene = Scene()
    scene.engine()
    scene.say(c.SERVER_UP, ("chat", "vllm", "tiny"), 0.0)
    assert judged(engine(scene)) == (BAD, "Down", "no answer while this page was made")


@pytest.mark.parametrize(("running", "progress", "state"), [
    (3.0, NOW - 200, "No progress"), (3.0, NOW - 60, "Up"), (0.0, NOW - 9999, "Up"),
])
def test_requests_without_a_token_for_long_are_a_warning(running: float, progress: float,
                                                         state: str) -> None:
    scene = Scene()
    scene.engine(running=running, progress=progress)
    scene.say(c.SERVER_WAITING, ("chat", "vllm", "tiny", ""), 0.0)
    assert engine(scene).state == state


def test_what_an_engine_that_hangs_says_names_requests_and_time() -> None:
    scene = Scene()
    scene.engine(running=3.0, progress=NOW - 200)
    assert engine(scene).level == BAD
    assert engine(scene).why.replace("\u00a0", " ") == (
        "4 requests at work, but no token for 3 min 20 s")


def test_signals_that_the_engine_does_not_tell_are_named_and_their_plots_say_so() -> None:
    scene = Scene()
    scene.engine(missing=("time_to_first_token", "spec_decode_draft_tokens"))
    card = engine(scene)
    assert card.missing == ["time_to_first_token", "spec_decode_draft_tokens"]
    assert [plot.missing for plot in card.plots] == [True, False, False, False]


def test_several_models_are_named_and_their_requests_added() -> None:
    scene = Scene()
    scene.engine()
    scene.say(c.SERVER_RUNNING, ("chat", "vllm", "other", ""), 4.0)
    scene.say(c.SERVER_KV_USAGE, ("chat", "vllm", "other", ""), 0.9)
    card = engine(scene)
    assert dict(card.details)["Model"] == "other, tiny"
    assert dict(card.details)["KV cache"] == "90\u00a0%"  # the fullest, not the sum
    assert plot(card, "Running").now == PlotPoint(7.0)


def test_of_hundreds_of_models_some_are_named_and_the_others_counted() -> None:
    scene = Scene()
    scene.engine(model="m00")
    for n in range(1, 45):
        scene.say(c.SERVER_RUNNING, ("chat", "vllm", f"m{n:02}", ""), 1.0)
    models = dict(engine(scene).details)["Model"]
    assert models.startswith("m00, m01, ")
    assert models.endswith(", m19 and 25 more")


def test_an_address_is_shown_without_its_query() -> None:
    scene = Scene()
    scene.engine(url="http://10.0.0.1:8000/metrics?key=secret")
    assert engine(scene).more == [("Address", "http://10.0.0.1:8000/metrics")]


def test_a_gpu_that_answers_is_up_with_its_memory_as_the_scale() -> None:
    scene = Scene()
    scene.gpu()
    scene.say(c.GPU_POWER, ("0", "GPU-0"), 60.0)
    scene.say(c.GPU_POWER_LIMIT, ("0", "GPU-0"), 72.0)
    card = gpu(scene)
    assert judged(card) == (GOOD, "Up", "")
    assert {label: text.replace("\u00a0", " ") for label, text in card.details} == {
        "Product": "NVIDIA L4", "Power": "60.0 W of 72.0 W", "Price": "$0.81 per hour"}
    assert plot(card, "Utilisation").now == PlotPoint(0.87)
    assert (plot(card, "Memory").title, plot(card, "Memory").top) == (
        "Memory of 24.0\u00a0GiB", 24.0 * 2**30)


def test_what_the_driver_does_not_tell_of_a_gpu_is_named_as_on_the_metrics_page() -> None:
    scene = Scene()
    scene.gpu()
    missing = gpu(scene).missing
    assert "gpu_encoder_utilization_ratio" in missing
    assert not {"gpu_up", "gpu_utilization_ratio", "gpu_mig_info",
                "gpu_xid_last_timestamp_seconds"} & {*missing} - {"gpu_up"}


def test_a_lost_gpu_says_why_and_keeps_the_scale_of_its_memory() -> None:
    scene = Scene()
    scene.gpu()
    scene.record(2)
    scene.points.clear()
    scene.gpus = []
    scene.gpu(lost="GPU is lost")
    card = gpu(scene)
    assert judged(card) == (BAD, "Lost", "GPU is lost")
    assert (card.read_at, card.missing) == (NOW - 600, ())
    assert plot(card, "Memory").top == 24.0 * 2**30
    assert plot(card, "Memory").now is None


@pytest.mark.parametrize(("gpu_", "why"), [
    (Gpu("GPU-0", 0, last_read=NOW - 9), "no driver: Driver Not Loaded"),
    (Gpu("GPU-0", 0, last_read=NOW - 9, snapshot=Snapshot(0.0, 0.0, {})),
     "its last reading is too old to be shown"),
    (Gpu("GPU-0", 0), "never read so far; no driver: Driver Not Loaded"),
])
def test_a_gpu_that_is_not_read_says_why(gpu_: Gpu, why: str) -> None:
    scene = Scene()
    scene.gpu_state = "no driver: Driver Not Loaded"
    scene.gpus = [gpu_]
    scene.say(c.GPU_UP, ("0", "GPU-0"), 0.0)
    assert judged(gpu(scene)) == (BAD, "Not read", why)


def test_a_gpu_whose_first_reading_is_under_way_is_starting() -> None:
    scene = Scene()
    scene.gpus = [Gpu("GPU-0", 0)]
    assert judged(gpu(scene))[:2] == (WAITING, "Starting")


def test_where_a_collector_did_not_answer_nothing_is_known_of_what_it_reads() -> None:
    scene = Scene()
    scene.gpus = [Gpu("GPU-0", 0, last_read=NOW - 1)]
    scene.endpoints = [Endpoint("chat", "http://127.0.0.1:8000", State(True))]
    assert judged(gpu(scene))[:2] == judged(engine(scene))[:2] == (BAD, "Not known")


def test_an_xid_that_asks_for_a_drain_is_a_problem_and_another_is_a_detail() -> None:
    scene = Scene()
    scene.gpu(xids=("79", "31"))
    scene.record()
    assert judged(gpu(scene)) == (
        BAD, "Problem", "XID 79 came; NVIDIA's catalogue says: drain and restart the node")
    assert dict(gpu(scene).details)["XIDs"].replace("\u00a0", " ") == "79 (2 times), 31 (2 times)"
    scene = Scene()
    scene.gpu(xids=("31",))
    assert gpu(scene).level == GOOD


def test_a_gpu_lost_after_such_an_xid_says_so() -> None:
    scene = Scene()
    scene.gpu(lost="GPU_IS_LOST", xids=("79", "31"))
    assert judged(gpu(scene)) == (BAD, "Lost", "GPU_IS_LOST after XID 79")


def test_the_worst_stand_first_and_else_the_order_stays() -> None:
    scene = Scene()
    for name in ("a", "b", "c"):
        scene.engine(name, progress=NOW - (999 if name == "b" else 1))
    scene.down("d")
    for index in range(3):
        scene.gpu(index, lost="GPU is lost" if index == 2 else "")
    engines = cards(scene, "Engines")
    assert [card.name for card in engines] == ["d", "b", "a", "c"]
    assert [card.name for card in cards(scene, "GPUs")] == ["GPU 2", "GPU 0", "GPU 1"]
    assert [card.anchor for card in engines] == [
        "engine-4", "engine-2", "engine-1", "engine-3"]


def test_cost_is_added_by_category_in_the_catalogues_order() -> None:
    scene = Scene()
    scene.gpu(0)
    scene.gpu(1, name="NVIDIA H100", price=False)
    scene.say(c.COST, ("storage", "", ""), 0.5)
    for index in range(2):
        scene.say(c.COST, ("gpu", "", f"GPU-{index}"), 2.0)
        scene.say(c.COST_IDLE, (str(index), f"GPU-{index}"), 0.75)
    content = scene.content()
    assert list(content.costs.items()) == [("gpu", 4.0), ("storage", 0.5)]
    assert (content.idle_usd, content.unpriced) == (1.5, ["NVIDIA H100"])


def test_collectors_folded_labels_and_the_configuration_are_told() -> None:
    scene = Scene()
    for name, works in (("gpu", 1.0), ("engines", 0.0)):
        scene.say(c.COLLECTOR_SUCCESS, (name,), works)
        scene.say(c.COLLECTOR_DURATION, (name,), 0.01)
    scene.say(c.LABELS_FOLDED, ("llm_server_requests_total", "model"), 3.0)
    scene.say(c.LABELS_FOLDED, ("llm_server_requests_total", "rank"), 0.0)
    scene.say(c.CONFIG_RELOAD_OK, (), 0.0)
    content = scene.content()
    assert [(part.name, part.works, part.seconds) for part in content.collectors] == [
        ("gpu", True, 0.01), ("engines", False, 0.01)]
    assert content.folded == {("llm_server_requests_total", "model"): 3.0}
    assert not content.config_good


def test_plots_have_their_points_from_the_history() -> None:
    scene = Scene()
    scene.engine()
    scene.record(3)
    points = plot(engine(scene), "Running").points
    assert (len(points), points[-4:]) == (POINTS, [None, *([PlotPoint(3.0)] * 3)])
