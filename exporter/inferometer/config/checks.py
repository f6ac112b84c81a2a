"""What no single key can tell: what is wrong between several keys, or in how many there are."""

from __future__ import annotations

from collections.abc import Mapping

from inferometer.catalogue import DESTINATIONS, TARGETS
from inferometer.config.destinations import DestinationEntry
from inferometer.config.sections import (
    MODELS,
    MOST_BILL_RULES,
    MOST_PRICES,
    BillRule,
    EngineTarget,
    GpuSection,
    PriceEntry,
)
from inferometer.documents.mistakes import Document

# Kinds of prices of an entry.
_PRICES = ("input", "cached", "cache_write", "output", "reasoning", "per_request")


def check_models(path: str, models: Mapping[str, object], document: Document) -> None:
    """Report a model without a name, and too many of them."""
    if "" in models:
        document.report(path, "has a model without a name")
    if len(models) > MODELS:
        document.report(path, f"must have at most {MODELS} models, not {len(models)}")


def check_gpu(gpu: GpuSection, document: Document) -> None:
    """Report times and a socket that do not go together."""
    interval, time_to_live = "gpu.interval_seconds", "gpu.time_to_live_seconds"
    if document.good(interval, time_to_live) and gpu.time_to_live_seconds < gpu.interval_seconds:
        line = document.lines.get(time_to_live) or document.line(interval)
        document.report(time_to_live, f"is {gpu.time_to_live_seconds:g} and must not be below "
                                      f"{interval}, which is {gpu.interval_seconds:g}", line)
    if gpu.kubelet_socket and not gpu.enabled and document.good("gpu.enabled"):
        document.report("gpu.kubelet_socket", "is of no use while gpu.enabled is false")


def check_bill(rules: tuple[BillRule, ...], document: Document) -> None:
    """Report rules that fit every line, and keys that belong to another category."""
    if len(rules) > MOST_BILL_RULES:
        document.report("cost.bill",
                        f"must have at most {MOST_BILL_RULES} rules, not {len(rules)}")
    for i, rule in enumerate(rules):
        path = f"cost.bill[{i}]"
        if document.good(f"{path}.match") and not rule.match:
            document.report(f"{path}.match", "names no column of the bill")
        if "" in rule.match:
            document.report(f"{path}.match", "has a column without a name")
        if not document.good(f"{path}.category"):
            continue
        for key, category in (("model", "api"), ("tokens", "api"), ("gpu", "gpu")):
            if getattr(rule, key) and rule.category != category:
                document.report(f"{path}.{key}", f"is for the category {category}, this is "
                                                 f"{rule.category}")


def check_prices(prices: tuple[PriceEntry, ...], document: Document) -> None:
    """Report entries without a price, or with several, and two for the same."""
    if len(prices) > MOST_PRICES:
        document.report("prices", f"must have at most {MOST_PRICES} prices, not {len(prices)}")
    earlier: dict[tuple[object, ...], str] = {}
    for i, entry in enumerate(prices):
        path = f"prices[{i}]"
        if not document.good(*(f"{path}.{key}" for key in (
                "provider", "model", "valid_from", "self_hosted", *_PRICES))):
            continue
        priced = any(getattr(entry, key) is not None for key in _PRICES)
        if entry.self_hosted and priced:
            document.report(f"{path}.self_hosted", "excludes prices; give one of them")
        elif not entry.self_hosted and not priced:
            document.report(path, "has no price; give one, or self_hosted: true")
        same = entry.provider, entry.model, entry.valid_from
        if same in earlier:
            document.report(path, f"is for what {earlier[same]} is for; give it another "
                                  "valid_from, or leave one out")
        earlier.setdefault(same, path)


def check_targets(targets: tuple[EngineTarget, ...], document: Document) -> None:
    """Report two ways to give a token, and two engines of one name."""
    if len(targets) > TARGETS:
        document.report("engines.targets",
                        f"must have at most {TARGETS} targets, not {len(targets)}")
    paths: dict[str, str] = {}
    for i, target in enumerate(targets):
        path = f"engines.targets[{i}]"
        if target.bearer_token_file and target.bearer_token_env:
            document.report(f"{path}.bearer_token_env",
                            "excludes bearer_token_file; give one of them")
        if not target.url or not document.good(f"{path}.url", f"{path}.name"):
            continue
        name = target.label
        if name in paths:
            document.report(path, f"has the name {name!r}, as {paths[name]} has; "
                                  "give it another name")
        paths.setdefault(name, path)


def check_destinations(destinations: tuple[DestinationEntry, ...], document: Document) -> None:
    """Report too many, two of one name, keys without a certificate, and a header named twice."""
    if len(destinations) > DESTINATIONS:
        document.report("destinations", f"must have at most {DESTINATIONS} destinations, not "
                                        f"{len(destinations)}")
    paths: dict[str, str] = {}
    for i, one in enumerate(destinations):
        path = f"destinations[{i}]"
        if one.client_key_file and not one.client_cert_file:
            document.report(f"{path}.client_key_file", "is of no use without client_cert_file")
        for header in one.headers.keys() & one.header_files.keys():
            document.report(f"{path}.header_files", f"has {header}, as headers has; give it once")
        if not document.good(f"{path}.url", f"{path}.name", f"{path}.preset") or not one.label:
            continue
        if one.label in paths:
            document.report(path, f"has the name {one.label!r}, as {paths[one.label]} has; "
                                  "give it another name")
        paths.setdefault(one.label, path)
