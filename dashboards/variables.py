"""What a reader of a board may choose, and how a query heeds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inferometer import catalogue as c
from recording_rules import limits
from recording_rules.capacity import EXPECTED
from recording_rules.client import COUNT
from recording_rules.gpus import NODE_GPUS
from recording_rules.limits import Limit
from recording_rules.model import Rule

EVERYTHING = ".*"  # also where there is no such label


@dataclass(frozen=True)
class Variable:
    """A label whose values are offered: read from a series of which there are few."""

    name: str
    source: str
    within: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """What Grafana asks for the values."""
        return f"label_values({_matched(self.source, self.within)}, {self.name})"


def _matched(selector: str, labels: Iterable[str], *matchers: str) -> str:
    """The selector with what is chosen for these labels."""
    inside = ", ".join((*matchers, *(f'{label}=~"${label}"' for label in labels)))
    if not inside:
        return selector
    return f"{selector[:-1]}, {inside}}}" if selector.endswith("}") else f"{selector}{{{inside}}}"


# Every exporter publishes the first one's source, the second one's only where there are engines.
VARIABLES = (
    Variable("cluster", limits.GPU_BUSY.selector),
    Variable("namespace", str(EXPECTED), ("cluster",)),
    Variable(c.ENGINE.name, str(EXPECTED), ("cluster", "namespace")),
    Variable(c.MODEL.name, str(EXPECTED), ("cluster", "namespace", c.ENGINE.name)),
    Variable(c.SERVICE_NAME.name, str(COUNT[c.CLIENT_DURATION]), ("cluster",)),
    Variable("node", str(NODE_GPUS), ("cluster",)),
    Variable("pod", c.SERVER_UP.name, ("cluster", "namespace", c.ENGINE.name, c.MODEL.name)),
)
NAMES = tuple(variable.name for variable in VARIABLES)
NOTIFIED = 'severity=~"critical|warning"'  # those of which somebody is notified
OF_MODELS = ("cluster", "namespace", c.ENGINE.name, c.MODEL.name)
OF_SERVICES = ("cluster", c.SERVICE_NAME.name)
OF_REPLICAS = (*OF_MODELS, "pod")


def chosen(series: Rule | Limit, *matchers: str, labels: Iterable[str] = NAMES) -> str:
    """The series of what the reader chose, of these labels."""
    selector = series.selector if isinstance(series, Limit) else str(series)
    names = {*labels} & {*series.labels}
    return _matched(selector, (name for name in NAMES if name in names), *matchers)


def of_replicas(name: str, labels: Iterable[str] = OF_REPLICAS) -> str:
    """The exporters' own series, unrecorded, of what the reader chose."""
    return _matched(name, labels)


def of_one_model(name: str) -> str:
    """A gateway's own series, unrecorded, of the model that the reader chose; none of several."""
    return _matched(name, ("cluster", c.SERVICE_NAME.name), f'{c.MODEL.name}="${{model:raw}}"')


def of_services(name: str, *matchers: str) -> str:
    """The gateways' own series, unrecorded, of the applications that the reader chose."""
    return _matched(name, OF_SERVICES, *matchers)


def firing(labels: Iterable[str], *matchers: str) -> str:
    """The alerts that fire about what the reader chose."""
    return _matched("ALERTS", labels, 'alertstate="firing"', *matchers)


def pending_since(labels: Iterable[str], *matchers: str) -> str:
    """Since when what they ask is true, which is before they fire, in Grafana's milliseconds."""
    labels = tuple(labels)
    return (f"{_matched('ALERTS_FOR_STATE', labels, *matchers)} * 1000 "
            f"and ignoring (alertstate) {firing(labels, *matchers)}")
