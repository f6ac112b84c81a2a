"""GPUs: all of them, node by node, and one by one on the nodes chosen."""

from typing import Any

from dashboards import features
from dashboards.lines import BY_NODE, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import (
    MODEL_KEYS,
    NO_GPU,
    NO_GPU_OF_MODELS,
    TOKENS_PER_SECOND,
    limit_line,
    stat,
    table,
    timeseries,
)
from dashboards.styles import ALL_ARE_WELL, NONE_IS_WELL, WELL, Colours, Field
from dashboards.variables import OF_MODELS, chosen, of_replicas
from inferometer import catalogue as c
from recording_rules import attribution, gpus, limits, tokens
from recording_rules.model import Rule
from recording_rules.promql import UUID, WINDOW, any_of, on

KEYS = {"node": "Node", "gpu": "GPU", "uuid": "UUID", "cluster": "Cluster"}
MAX_LINES = 40  # of GPUs or nodes in one picture
FULL: Colours = ((None, WELL), (0.98, "orange"))
HELD_DOWN: Colours = ((None, WELL), (0.1, "orange"), (0.5, "red"))


def _highest(rule: Rule, legend: str) -> Query:
    return line(f"topk({MAX_LINES}, {chosen(rule)})", legend, rule.labels)


def _nodes(title: str, description: str, unit: str, rule: Rule, *more: Query,
           **drawn: Any) -> Panel:
    return timeseries(title, description, unit, _highest(rule, BY_NODE), *more, empty=NO_GPU,
                      **drawn)


def _models(title: str, description: str, unit: str, rule: Rule, *more: Query,
            **drawn: Any) -> Panel:
    return timeseries(title, description, unit, line(rule), *more, empty=NO_GPU_OF_MODELS, **drawn)


def _gpus(title: str, description: str, rule: Rule, name: str) -> Panel:
    return timeseries(title, f"{description} The {MAX_LINES} highest.", "percentunit",
                      _highest(rule, name), empty=NO_GPU, maximum=1, width=12, height=10,
                      step=WINDOW)


# What the kubelets tell: of GPUs that are shared, of parts of GPUs, and of all that pods have.
_SHARED, _PARTS, _GIVEN = (of_replicas(f"{c.GPU_POD_INFO.name}{matcher}", ("cluster", "node"))
                           for matcher in (f"{{{any_of(c.SHARED, 'true')}}}",
                                           f'{{{c.MIG.name}!=""}}', ""))

NOW = PanelRow("Now, on the chosen nodes", (
    stat("GPUs", "As many as the driver knows of, each counted once.", "short",
         f"sum({chosen(gpus.NODE_GPUS)})", empty="no GPU is read"),
    stat("Lost", "GPUs that the driver knows of and that do not answer it.", "short",
         f"sum({chosen(gpus.NODE_GPUS)}) - sum({chosen(gpus.NODE_UP)})",
         empty="no GPU is read", colours=NONE_IS_WELL),
    stat("Busy", "Share of the time in which a kernel ran, mean of the GPUs: not how hard it "
         "worked.", "percentunit", f"avg({chosen(gpus.BUSY)})", empty="no GPU is read"),
    stat("Power", "Drawn by all GPUs together.", "watt", f"sum({chosen(gpus.NODE_POWER)})",
         empty="power is not told"),
    stat("Hottest", "Core temperature of the hottest GPU.", "celsius",
         f"max({chosen(gpus.NODE_TEMPERATURE)})", empty="heat is not told"),
    stat("Held down most", "Share of the time in which the clocks of the worst GPU were held down, "
         "by heat or power.", "percentunit", f"max({chosen(gpus.NODE_THROTTLED)})",
         empty="throttling is not told", colours=HELD_DOWN),
))
NODES = PanelRow("Node by node", (
    table("Nodes", "The idlest first: paid for and unused; a node's name narrows this board to it.",
          {"node": "Node", "cluster": "Cluster"}, [
              Field("GPUs", chosen(gpus.NODE_GPUS), "short"),
              Field("Busy", chosen(gpus.NODE_BUSY), "percentunit"),
              Field("Busy, last hour", chosen(gpus.NODE_BUSY_HOUR), "percentunit"),
              Field("Memory", chosen(gpus.NODE_MEMORY), "percentunit", FULL),
              Field("Power", chosen(gpus.NODE_POWER), "watt"),
              Field("Hottest", chosen(gpus.NODE_TEMPERATURE), "celsius"),
              Field("Tokens out/s per GPU", chosen(tokens.NODE_OUTPUT_PER_GPU), "short"),
              Field("Joules per token", chosen(tokens.NODE_JOULES), "joule")],
          empty=NO_GPU, sort="Busy", ascending=True, links={"node": "gpu"}),
    _nodes("Busy by node", "Share of the time in which a kernel ran, mean of the node's GPUs.",
           "percentunit", gpus.NODE_BUSY, limit_line(limits.GPU_BUSY), maximum=1),
    _nodes("Memory by node", "Of the fullest GPU: engines take nearly all of it on purpose, so "
           "look for changes.", "percentunit", gpus.NODE_MEMORY, limit_line(limits.GPU_MEMORY),
           maximum=1),
    _nodes("Clocks held down by node", "Share of the time, of the GPU held down most; above "
           "100 % where reasons coincide.", "percentunit", gpus.NODE_THROTTLED),
    timeseries("Clocks held down, by reason", "Share of the time, mean of all GPUs: heat and "
               "power brake are the hardware's trouble.", "percentunit",
               Query(chosen(gpus.FLEET_THROTTLED), "{{reason}} {{cluster}}"), empty=NO_GPU),
    _nodes("Power by node", "Drawn by the node's GPUs.", "watt", gpus.NODE_POWER),
    _nodes("Temperature by node", "Of the hottest GPU: steps upwards are fans, dust or neighbours.",
           "celsius", gpus.NODE_TEMPERATURE),
    _nodes("GPUs with an XID by node", "The driver reported one in the hour before each point: "
           "which code it was, the alert says.", "short", gpus.NODE_XIDS),
    _nodes("Uncorrected memory errors by node", "In the hour before each point: any is a reason to "
           "drain the node.", "short", gpus.NODE_ECC),
    timeseries("Drivers that do not answer, devices unlisted", "Of all nodes: exporters whose GPU "
               "driver does not answer, and devices given to containers that no driver lists.",
               "short", Query(chosen(gpus.FLEET_DRIVERS_DOWN), "drivers {{cluster}}"),
               Query(chosen(gpus.FLEET_UNLISTED), "devices {{cluster}}"), empty=NO_GPU),
    _nodes("Output tokens for each GPU by node", "What a node yields: compare like with like.",
           TOKENS_PER_SECOND, tokens.NODE_OUTPUT_PER_GPU, width=24),
))
MODELS = PanelRow("Model by model, on all nodes", (
    table("Models on their GPUs", "GPUs that the model's pods have to themselves; below 100 % of "
          "its replicas the others' are not in the figures.", MODEL_KEYS, [
              Field("GPUs", chosen(attribution.GPUS), "short"),
              Field("Replicas known", chosen(attribution.REPLICAS_KNOWN), "percentunit",
                     ((None, "orange"), (1, WELL))),
              Field("Busy", chosen(attribution.MODEL_BUSY), "percentunit"),
              Field("Power", chosen(attribution.ENERGY), "watt"),
              Field("Joules per token", chosen(attribution.JOULES), "joule")],
          empty=NO_GPU_OF_MODELS, sort="GPUs", links={"model": "throughput"}),
    _models("GPUs by model", "That its pods have to themselves: shared and sliced GPUs are no "
            "model's.", "short", attribution.GPUS, stacked=True),
    _models("Busy by model", "Mean of the model's GPUs: the lowest has the most to give back.",
            "percentunit", attribution.MODEL_BUSY, limit_line(limits.GPU_BUSY), maximum=1),
    _models("Power by model", "Energy that the model's GPUs use per second, as they count it.",
            "watt", attribution.ENERGY, stacked=True),
))
# Hundreds of lines: asked when somebody wants them, one point for each of the rules' windows.
ONE_BY_ONE = PanelRow("GPU by GPU, of the chosen nodes", (
    table("GPUs, one by one", "A red No is a lost GPU. Shared: pods have parts of it, as far as a "
          "kubelet tells. Choose a node to see its own.", KEYS, [
              Field("Answers", f"{chosen(gpus.LOST)} or {chosen(gpus.BUSY)} * 0 + 1",
                    "bool_yes_no", ALL_ARE_WELL),
              Field("Busy", chosen(gpus.BUSY), "percentunit"),
              Field("Memory", chosen(gpus.MEMORY), "percentunit", FULL),
              Field("Shared", f"{_SHARED} or {_PARTS} or {on(UUID)} {_GIVEN} * 0",
                    "bool_yes_no")],
          empty=NO_GPU, height=10),
    _gpus("Busy by GPU", "Share of the time in which a kernel ran.", gpus.BUSY, "{{node}} {{gpu}}"),
    _gpus("Memory by GPU", "Share of device memory in use, of each MIG instance where there are "
          "some.", gpus.MEMORY, "{{node}} {{gpu}} {{mig}}"),
), collapsed=True)

BOARD = Board(
    "gpu", "GPU", "How busy, full, hot and healthy the GPUs are, by node, by model and one by one.",
    (*OF_MODELS, "node"), (NOW, NODES, MODELS, ONE_BY_ONE, features.WORK))
