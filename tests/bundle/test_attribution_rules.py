"""GPU → pod → model, with the labels of a PodMonitor's sidecars and of a DaemonSet's exporters.

Every GPU costs 3.60 USD an hour, 0.001 a second, draws 600 W and is busy for half of the time.
Whatever happens, the models' money and what is no model's come to what the fleet spends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from dashboards import gpu as gpu_board
from dashboards.model import queries
from dashboards.variables import NAMES
from inferometer import catalogue as c
from recording_rules import attribution as by_model
from recording_rules import cost
from recording_rules.model import Rule
from tests.bundle.alert_cases import resting_on
from tests.bundle.promtool import Series, ask, documents, growing, selector, series
from tests.bundle.rule_cases import BOTH_VERSIONS, NOTHING, Case, cases, one, prove, record

DOCUMENT = Path(__file__).parents[2] / "docs/attribution.md"
PORT, MINUTES = 9839, 120
NODE = {"job": "inferometer-node", "instance": f"10.0.0.7:{PORT}", "cluster": "east",
        "namespace": "monitoring", "pod": "inferometer-node-x2x4z", "container": "inferometer",
        "endpoint": "inferometer", "service": "inferometer-node", "node": "node-1"}
OTHER_NODE = {**NODE, "instance": f"10.0.0.8:{PORT}", "pod": "inferometer-node-9kq7d"}
SIDECAR = {"job": "monitoring/inferometer-sidecar", "instance": f"10.1.0.5:{PORT}",
           "cluster": "east", "namespace": "chat", "pod": "llama-0", "container": "inferometer",
           "endpoint": "inferometer", "node": "node-1"}
EAST = {"cluster": "east"}
USD = 0.001
Labels = Mapping[str, str]
Told = tuple[Series, ...]
MONEY = (cost.TOTAL_RATE, cost.MODEL_RATE, cost.UNATTRIBUTED)


def gpu(uuid: str = "GPU-0", *, scrape: Labels = NODE, without: Iterable[c.Metric] = ()) -> Told:
    """What a node's exporter measures of a GPU."""
    which = {"gpu": uuid[-1], "uuid": uuid}
    measured = (
        (c.GPU_INFO, "1x120", {**which, "name": "H100", "driver_version": "570",
                               "pci_bus_id": which["gpu"]}),
        (c.GPU_UP, "1x120", which), (c.GPU_OBSERVED, growing(60, MINUTES), which),
        (c.GPU_BUSY, growing(30, MINUTES), which),
        (c.GPU_ENERGY, growing(60 * 600, MINUTES), which),
        (c.COST, growing(60 * USD, MINUTES), {"category": "gpu", "model": "", "uuid": uuid}),
        (c.COST_IDLE, growing(30 * USD, MINUTES), which))
    return tuple(series(metric, values, scrape=scrape, **labels)
                 for metric, values, labels in measured if metric not in without)


def claim(uuid: str = "GPU-0", pod: str = "llama-0", values: str = "1x120", *,
          namespace: str = "chat", container: str = "engine", shared: str = "false",
          mig: str = "", scrape: Labels = NODE) -> Series:
    """What the kubelet says of a GPU, as the same exporter tells it."""
    return series(c.GPU_POD_INFO, values, scrape=scrape, gpu=uuid[-1], uuid=uuid,
                  k8s_namespace_name=namespace, k8s_pod_name=pod, k8s_container_name=container,
                  shared=shared, **({"mig": mig} if mig else {}))


def serves(pod: str = "llama-0", model: str = "llama", values: str = "1x120", *,
           engine: str = "vllm", target: str = "127.0.0.1:8000", scrape: Labels = SIDECAR,
           metric: c.Metric = c.SERVER_UP) -> Series:
    """What the sidecar in a pod says of the engine beside it."""
    own = {name: value for name, value in {**scrape, "pod": pod}.items() if value}
    return series(metric, values, scrape=own, target=target, engine=engine, model=model)


def of(model: str, value: float, *, engine: str = "vllm", namespace: str = "chat",
       cluster: str = "east") -> tuple[Labels, float]:
    where = {"cluster": cluster} if cluster else {}
    return {**where, "namespace": namespace, "engine": engine, "model": model}, value


def paid(model: str, gpus: float, cluster: str = "east") -> tuple[Labels, float]:
    return {**({"cluster": cluster} if cluster else {}), "model": model}, gpus * USD


def bare(scrape: Labels, *names: str) -> Labels:
    return {name: value for name, value in scrape.items() if name not in names}


TWO = (
    *gpu("GPU-0"), *gpu("GPU-1"), *gpu("GPU-2"), *gpu("GPU-3"),
    claim("GPU-0"), claim("GPU-1"), claim("GPU-2", "qwen-0"),
    serves(), serves("qwen-0", "qwen", engine="sglang"),
)
API = series(c.COST, growing(120 * USD, MINUTES), scrape=SIDECAR, category="api", model="llama")
STORED = series(c.COST, growing(120 * USD, MINUTES), scrape=SIDECAR, category="storage", model="")
ONE = (*gpu(), claim(), serves())
ATTRIBUTED = {by_model.GPUS: [of("llama", 1)], cost.MODEL_RATE: [paid("llama", 1)],
              cost.GPU_SHARE: one(1, **EAST)}
NOBODYS = {by_model.GPUS: NOTHING, by_model.MODEL_BUSY: NOTHING, by_model.ENERGY: NOTHING,
           cost.MODEL_RATE: NOTHING, cost.MODEL_IDLE_RATE: NOTHING,
           cost.UNATTRIBUTED: one(USD, **EAST), cost.GPU_SHARE: one(0, **EAST)}


@BOTH_VERSIONS
@cases(
    Case("two models and a GPU that is free", TWO, {
        by_model.GPUS: [of("llama", 2), of("qwen", 1, engine="sglang")],
        by_model.MODEL_BUSY: [of("llama", 0.5), of("qwen", 0.5, engine="sglang")],
        by_model.ENERGY: [of("llama", 1200), of("qwen", 600, engine="sglang")],
        by_model.REPLICAS_KNOWN: [of("llama", 1), of("qwen", 1, engine="sglang")],
        cost.MODEL_GPU_RATE: [paid("llama", 2), paid("qwen", 1)],
        cost.MODEL_RATE: [paid("llama", 2), paid("qwen", 1)],
        cost.MODEL_IDLE_RATE: [paid("llama", 1), paid("qwen", 0.5)],
        cost.UNATTRIBUTED: one(USD, **EAST), cost.GPU_SHARE: one(0.75, **EAST)}),
    Case("a model that pays an API and has its storage as well", (*ONE, API, STORED), {
        cost.MODEL_GPU_RATE: [paid("llama", 1)], cost.MODEL_RATE: [paid("llama", 3)],
        cost.UNATTRIBUTED: one(2 * USD, **EAST), cost.GPU_SHARE: one(1, **EAST)}),
    Case("an exporter that says itself which model a GPU's money is", (
        *gpu(without=[c.COST]), claim(), serves(),
        series(c.COST, growing(60 * USD, MINUTES), scrape=NODE, category="gpu", model="qwen",
               uuid="GPU-0")), {
        cost.MODEL_RATE: [paid("qwen", 1)], cost.GPU_SHARE: one(1, **EAST)}),
    Case("two exporters on the node that say the same", (
        *ONE, *gpu(scrape=OTHER_NODE), claim(scrape=OTHER_NODE)), {
        **ATTRIBUTED, by_model.ENERGY: [of("llama", 600)]}),
    Case("two pods of a model on two nodes", (
        *ONE, *gpu("GPU-1", scrape={**OTHER_NODE, "node": "node-2"}),
        claim("GPU-1", "llama-1", scrape={**OTHER_NODE, "node": "node-2"}),
        serves("llama-1", scrape={**SIDECAR, "node": "node-2"})), {
        by_model.GPUS: [of("llama", 2)], cost.MODEL_RATE: [paid("llama", 2)]}),
    Case("two containers of a pod, with a GPU each and one for both", (
        *gpu(), *gpu("GPU-1"), claim(), claim("GPU-1"), claim("GPU-1", container="sidekick"),
        serves()), {
        by_model.GPUS: [of("llama", 2)], cost.MODEL_RATE: [paid("llama", 2)]}),
    Case("a time-sliced GPU", (*gpu(), claim(shared="true"), serves()), NOBODYS),
    Case("a time-sliced GPU of two pods", (
        *gpu(), claim(shared="true"), claim(pod="qwen-0", shared="true"), serves()), NOBODYS),
    Case("a MIG instance", (*gpu(), claim(mig="1/0"), serves()), NOBODYS),
    Case("an instance of a GPU and all of it", (*gpu(), claim(mig="1/0"), claim(), serves()),
         NOBODYS),
    Case("a GPU that two pods claim", (
        *gpu(), claim(), claim(pod="qwen-0"), serves(), serves("qwen-0", "qwen")), NOBODYS),
    Case("a GPU that two exporters give to two pods", (
        *gpu(), *gpu(scrape=OTHER_NODE), claim(), claim(pod="qwen-0", scrape=OTHER_NODE),
        serves(), serves("qwen-0", "qwen")), NOBODYS),
    Case("a GPU that one exporter says is shared", (
        *gpu(), claim(), claim(shared="true", scrape=OTHER_NODE), serves()), NOBODYS),
    Case("a pod's namesake in another namespace", (*gpu(), claim(namespace="batch"), serves()),
         NOBODYS),
    Case("namesakes in two namespaces", (
        *ONE, *gpu("GPU-1"), claim("GPU-1", namespace="batch"),
        serves(scrape={**SIDECAR, "namespace": "batch"})), {
        by_model.GPUS: [of("llama", 1), of("llama", 1, namespace="batch")],
        cost.MODEL_RATE: [paid("llama", 2)]}),
    Case("a pod's namesake in another cluster", (
        *gpu(), claim(), serves(scrape={**SIDECAR, "cluster": "west"})), NOBODYS),
    Case("the pod of the exporter itself", (
        *gpu(), claim(namespace="monitoring", pod=NODE["pod"]), serves()), NOBODYS),
    Case("a pod that serves two models", (*ONE, serves(model="qwen", target="b")), NOBODYS),
    Case("an engine that answers and names no model", (*gpu(), claim(), serves(model="")),
         NOBODYS),
    Case("a second engine that answers and names no model", (
        *ONE, serves(model="", target="b", engine="triton")), NOBODYS),
    Case("a second engine that has never answered", (
        *ONE, serves(model="", target="b", engine="unknown", values="0x120")), NOBODYS),
    Case("two endpoints of one model in a pod", (*ONE, serves(target="b")), {
        **ATTRIBUTED, by_model.REPLICAS_KNOWN: [of("llama", 1)]}),
    Case("two kinds of engine of one model in a pod", (*ONE, serves(target="b", engine="tgi")), {
        cost.MODEL_RATE: [paid("llama", 1)], cost.UNATTRIBUTED: one(0, **EAST)}),
    Case("a pod that two jobs scrape", (*ONE, serves(scrape={**SIDECAR, "job": "pods"})),
         ATTRIBUTED),
    Case("a front beside its worker", (*ONE, serves(model="qwen", target="b", engine="dynamo")),
         ATTRIBUTED),
    Case("a front alone", (*gpu(), claim(), serves(engine="sglang_router")), NOBODYS),
    Case("an exporter that reads an engine in another pod", (
        *ONE, serves("gateway", "remote")), {
        **ATTRIBUTED, by_model.REPLICAS_KNOWN: [of("llama", 1), of("remote", 0)]}),
    Case("a worker pod of an engine on two nodes", (
        *ONE, *gpu("GPU-1"), claim("GPU-1", "llama-0-worker-1")), {
        by_model.GPUS: [of("llama", 1)], cost.MODEL_RATE: [paid("llama", 1)],
        cost.UNATTRIBUTED: one(USD, **EAST), cost.GPU_SHARE: one(0.5, **EAST)}),
    Case("one of two replicas without a claim", (*ONE, serves("llama-1")), {
        **ATTRIBUTED, by_model.REPLICAS_KNOWN: [of("llama", 0.5)]}),
    Case("no cluster anywhere", (
        *gpu(scrape=bare(NODE, "cluster")), claim(scrape=bare(NODE, "cluster")),
        serves(scrape=bare(SIDECAR, "cluster"))), {
        by_model.GPUS: [of("llama", 1, cluster="")], cost.MODEL_RATE: [paid("llama", 1, "")],
        cost.UNATTRIBUTED: one(0), cost.GPU_SHARE: one(1)}),
    Case("no cluster on sidecars", (*gpu(), claim(), serves(scrape=bare(SIDECAR, "cluster"))),
         NOBODYS),
    Case("sidecars without the pod's labels", (
        *gpu(), claim(), serves("", scrape=bare(SIDECAR, "namespace"))), NOBODYS),
    Case("no Kubernetes", (
        *gpu(scrape=bare(NODE, "cluster", "namespace", "pod")),
        serves("", scrape=bare(SIDECAR, "cluster", "namespace"))), {
        by_model.GPUS: NOTHING, by_model.POD_GPUS: NOTHING, cost.MODEL_RATE: NOTHING,
        cost.UNATTRIBUTED: one(USD), cost.GPU_SHARE: one(0),
        by_model.REPLICAS_KNOWN: NOTHING}),
    Case("no prices", (*gpu(without=[c.COST, c.COST_IDLE]), claim(), serves()), {
        by_model.GPUS: [of("llama", 1)], cost.MODEL_RATE: NOTHING, cost.MODEL_IDLE_RATE: NOTHING,
        cost.UNATTRIBUTED: NOTHING, cost.GPU_SHARE: NOTHING}),
    Case("a GPU that does not tell its energy", (
        *ONE, *gpu("GPU-1", without=[c.GPU_ENERGY]), claim("GPU-1")), {
        by_model.GPUS: [of("llama", 2)], by_model.ENERGY: NOTHING}),
    Case("a lost GPU beside another", (
        *ONE, *gpu("GPU-1", without=[c.GPU_UP, c.GPU_ENERGY, c.GPU_OBSERVED]), claim("GPU-1"),
        series(c.GPU_UP, "0x120", scrape=NODE, gpu="1", uuid="GPU-1")), {
        by_model.GPUS: [of("llama", 2)], by_model.ENERGY: [of("llama", 600)],
        by_model.MODEL_BUSY: [of("llama", 0.5)], cost.MODEL_RATE: [paid("llama", 2)]}),
    Case("tokens, also of a replica whose GPU is not known", (
        *ONE, serves("llama-1"),
        serves(values=growing(60 * 30, MINUTES), metric=c.SERVER_OUTPUT),
        serves("llama-1", values=growing(60 * 90, MINUTES), metric=c.SERVER_OUTPUT)), {
        by_model.JOULES: [of("llama", 20)]}),
    Case("no tokens", (*ONE, serves(values="7x120", metric=c.SERVER_OUTPUT)), {
        by_model.JOULES: NOTHING, by_model.ENERGY: [of("llama", 600)]}),
)
def test_what_is_recorded_with(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
    sums_up(record(MONEY, case.inputs, version, tmp_path, case.time))


def sums_up(recorded: Mapping[Rule, Sequence[tuple[Labels, float]]]) -> None:
    """What models have and what is no model's is what is spent, cluster by cluster."""
    total, models, rest = (recorded[rule] for rule in MONEY)
    assert [labels for labels, _ in total] == [labels for labels, _ in rest]
    for (where, spent), (_, left) in zip(total, rest, strict=True):
        attributed = sum(usd for labels, usd in models
                         if labels.get("cluster") == where.get("cluster"))
        assert attributed + left == pytest.approx(spent, rel=1e-12)


# How many GPUs each model has at a minute, and with them their money.
Course = Mapping[int, Mapping[str, float]]
LLAMA, QWEN, NONE = {"llama": 1.0}, {"qwen": 1.0}, dict[str, float]()
COURSES: Mapping[str, tuple[Told, Course]] = {
    "a pod that comes": (
        (*gpu(), claim(values="_x20 1x100"), serves(values="_x30 1x90")),
        {15: NONE, 29: NONE, 30: LLAMA, 60: LLAMA}),
    "a pod that goes, as long as rates look back": (
        (*gpu(), claim(values="1x20 stale"), serves(values="1x20 stale")),
        {20: LLAMA, 24: LLAMA, 28: NONE, 60: NONE}),
    "a GPU that passes from one model to another, whose rates are of both for a while": (
        (*gpu(), claim(values="1x20 stale"), claim(pod="qwen-0", values="_x21 1x90"),
         serves(values="1x20 stale"), serves("qwen-0", "qwen", "_x10 1x100")),
        {20: LLAMA, 21: NONE, 24: NONE, 26: QWEN, 40: QWEN}),
    "a GPU that passes to a pod which takes its time to load": (
        (*gpu(), claim(values="1x20 stale"), claim(pod="qwen-0", values="_x21 1x90"),
         serves(values="1x20 stale"),
         serves("qwen-0", "", "_x21 0x8 stale", engine="unknown"),
         serves("qwen-0", "qwen", "_x30 1x90")),
        {20: LLAMA, 21: NONE, 29: NONE, 30: QWEN}),
    "a GPU that two pods claim for a while": (
        (*gpu(), claim(values="1x30 stale"), claim(pod="qwen-0", values="_x20 1x100"),
         serves(), serves("qwen-0", "qwen")),
        {19: LLAMA, 20: NONE, 34: NONE, 36: QWEN}),
    "a pod that moves to another GPU": (
        (*gpu(), *gpu("GPU-1"), claim(values="1x20 stale"),
         claim("GPU-1", values="_x21 1x90"), claim(pod="qwen-0", values="_x21 1x90"), serves(),
         serves("qwen-0", "qwen")),
        {20: LLAMA, 22: {"llama": 1}, 26: {**LLAMA, **QWEN}}),
    "a GPU that becomes shared": (
        (*gpu(), claim(values="1x20 stale"), claim(values="_x21 1x90", shared="true"), serves()),
        {20: LLAMA, 21: NONE}),
    "an engine that is down": (
        (*gpu(), claim(), serves(values="1x20 0x100")), {20: LLAMA, 21: LLAMA, 110: LLAMA}),
    "an exporter that starts anew beside an engine that is down": (
        (*gpu(), claim(), serves(values="1x20 stale _x24 1x70"),
         serves(model="", engine="unknown", values="_x24 0x20 stale")),
        {20: LLAMA, 22: LLAMA, 24: LLAMA, 44: LLAMA, 46: LLAMA, 60: LLAMA}),
    "an engine that nobody names for more than an hour": (
        (*gpu(), claim(), serves(values="1x20 stale"),
         serves(model="", engine="unknown", values="_x24 0x90")),
        {24: LLAMA, 75: LLAMA, 85: NONE}),
    "two models whose exporter goes": (
        (*gpu(), claim(), serves(values="1x20 stale"),
         serves(model="qwen", target="b", values="1x20 stale")),
        {20: NONE, 21: NONE, 40: NONE}),
    "an engine that begins to serve several models": (
        (*gpu(), claim(), serves(values="1x20 stale"), serves(model="", values="_x21 1x90")),
        {20: LLAMA, 21: NONE}),
    "a pod whose engine serves another model from now on": (
        (*gpu(), claim(), serves(values="1x20 stale"), serves(model="qwen", values="_x21 1x90")),
        {20: LLAMA, 21: QWEN}),
    "a node's exporter that is replaced": (
        (*gpu(without=[c.COST]), claim(values="1x20 stale"), claim(values="_x24 1x90",
                                                                   scrape=OTHER_NODE),
         series(c.COST, f"{growing(60 * USD, 20)} stale", scrape=NODE, category="gpu", model="",
                uuid="GPU-0"),
         series(c.COST, f"_x24 {growing(60 * USD, 90)}", scrape=OTHER_NODE, category="gpu",
                model="", uuid="GPU-0"), serves()),
        {20: LLAMA, 21: LLAMA, 23: LLAMA, 26: LLAMA, 60: LLAMA}),
    "a kubelet that is silent for some minutes": (
        (*gpu(), claim(values="1x20 stale _x2 1x90"), serves()),
        {20: LLAMA, 21: LLAMA, 23: LLAMA, 24: LLAMA, 60: LLAMA}),
}


@BOTH_VERSIONS
@pytest.mark.parametrize("name", COURSES)
def test_over_time_a_model_has(name: str, version: str, tmp_path: Path) -> None:
    inputs, course = COURSES[name]
    rules = (by_model.GPUS, *MONEY)
    count = sum(one["series"].startswith(f"{c.GPU_INFO.name}{{") for one in inputs)
    asked = {(rule, minute): f"{rule} @ {minute * 60}" for rule in rules for minute in course}
    answers = ask(version, tmp_path, documents(resting_on(" ".join(map(str, rules)))), inputs,
                  asked.values(), "119m")
    for minute, expected in course.items():
        samples = {
            rule: [({name: value for name, value in labels.items() if name != "__name__"}, value)
                   for labels, value in answers[asked[rule, minute]]] for rule in rules}
        gpus = {labels["model"]: value for labels, value in samples[by_model.GPUS]}
        a_gpu = samples[cost.TOTAL_RATE][0][1] / count  # less while its counter has just begun
        usd = {labels["model"]: value / a_gpu for labels, value in samples[cost.MODEL_RATE]}
        assert gpus == expected, f"minute {minute}"
        assert usd == pytest.approx(expected), f"minute {minute}"
        sums_up(samples)


@BOTH_VERSIONS
def test_what_is_left_of_what_was_recorded_of_a_pod_is_no_error(version: str,
                                                                tmp_path: Path) -> None:
    left: Told = tuple({"series": selector(str(by_model.POD_GPUS), {**of(model, 1)[0],
                                                                   "pod": "llama-0"}),
                        "values": "1x120"} for model in ("llama", "qwen"))
    recorded = record((*MONEY, by_model.MODEL_BUSY), (*gpu(), claim(), *left), version, tmp_path,
                      "30m")
    assert [value for _, value in recorded[cost.MODEL_RATE]] == pytest.approx([USD])
    assert [value for _, value in recorded[by_model.MODEL_BUSY]] == pytest.approx([0.5])
    sums_up(recorded)


@BOTH_VERSIONS
def test_a_model_has_a_day_a_month_and_a_price_for_its_tokens(version: str,
                                                              tmp_path: Path) -> None:
    """Two GPUs for two hours, for 30 tokens in and 10 out and a request each second."""
    traffic = (
        serves(values=growing(60 * 30, MINUTES), metric=c.SERVER_INPUT),
        serves(values=growing(60 * 10, MINUTES), metric=c.SERVER_OUTPUT),
        *(series(c.SERVER_REQUESTS, growing(60, MINUTES), scrape=SIDECAR, target="127.0.0.1:8000",
                 engine="vllm", model="llama", outcome=outcome, reason=reason)
          for outcome, reason in (("success", "stop"),)))
    budget = series(c.BUDGET, "28.8x120", scrape=NODE, period="day", model="llama")
    spent = {cost.MODEL_TODAY: 14.4, cost.MODEL_MONTH: 14.4, cost.UNATTRIBUTED_MONTH: 14.4,
             cost.MODEL_PER_REQUEST: 0.002, cost.MODEL_PER_1M_TOKENS: 50,
             cost.MODEL_PER_REQUEST_WEEK: 0.002, cost.MODEL_PER_1M_TOKENS_WEEK: 50,
             cost.MODEL_BUDGET_USED: 0.5}
    recorded = record(spent, (*TWO, STORED, *traffic, budget), version, tmp_path, "119m")
    figures = {rule: value for rule in spent for labels, value in recorded[rule]
               if labels.get("model", "llama") == "llama"}
    # qwen's GPU is 7.20 more, the free GPU and the storage are no model's.
    assert figures == {
        rule: pytest.approx(value * (3 if rule is cost.UNATTRIBUTED_MONTH else 2) / 2, rel=0.06)
        for rule, value in spent.items()}


@BOTH_VERSIONS
def test_units_of_a_time_whose_money_is_not_known_are_not_counted(version: str,
                                                                  tmp_path: Path) -> None:
    """A node's exporter that comes after an hour: a token is no cheaper for the hour before."""
    late = tuple({**one, "values": f"_x60 {growing(60 * USD, 59)}"} if "cost_usd" in one["series"]
                 else one for one in gpu())
    inputs = (*late, claim(), serves(), *(serves(values=growing(60 * 20, MINUTES), metric=metric)
                                          for metric in (c.SERVER_INPUT, c.SERVER_OUTPUT)))
    dear = (cost.PER_1M_TOKENS_WEEK, cost.MODEL_PER_1M_TOKENS_WEEK)
    recorded = record(dear, inputs, version, tmp_path, "119m")
    # Not 12.5; a rate that has just begun is too low for some minutes.
    assert [value for rule in dear for _, value in recorded[rule]] == pytest.approx(
        [25, 25], rel=0.05)


@BOTH_VERSIONS
def test_what_the_documentation_asks_is_answered_as_it_says(version: str, tmp_path: Path) -> None:
    claims, joined, nobodys = re.findall(
        r"\n\n    ((?:count|model:|gpu_pod_info unless).*)\n", DOCUMENT.read_text())
    inputs = (*TWO, claim("GPU-3", "batch-0", shared="true"))
    rules = documents(resting_on(joined))
    answers = ask(version, tmp_path, rules, inputs, (claims, joined, nobodys), "30m")
    claimed, owned = (
        {tuple(labels[name] for name in names): value for labels, value in answers[query]}
        for query, names in ((claims, ("k8s_pod_name", "shared")), (joined, ("pod", "model"))))
    assert claimed == {("llama-0", "false"): 2, ("qwen-0", "false"): 1, ("batch-0", "true"): 1}
    assert owned == {("llama-0", "llama"): 2, ("qwen-0", "qwen"): 1}
    assert [labels["uuid"] for labels, _ in answers[nobodys]] == ["GPU-3"]


@BOTH_VERSIONS
def test_the_board_tells_of_each_gpu_that_a_pod_has_whether_it_is_shared(version: str,
                                                                        tmp_path: Path) -> None:
    inputs = (claim("GPU-0"), claim("GPU-1", shared="true"), claim("GPU-2", mig="7/0"),
              claim("GPU-3"), claim("GPU-3", "batch-0", mig="9/0"), *gpu("GPU-4"))
    (query,) = (asked.expr for asked in queries(gpu_board.BOARD, dict.fromkeys(NAMES, ".*"))
                if asked.legend == "Shared")
    answer = ask(version, tmp_path, (), inputs, [query], "30m")[query]
    assert {labels["uuid"]: value for labels, value in answer} == {
        "GPU-0": 0, "GPU-1": 1, "GPU-2": 1, "GPU-3": 1}
