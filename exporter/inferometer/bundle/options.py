"""The options of a deployment: what it may choose. All else is in the definitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from inferometer.addresses import URL, is_address, is_engine_url

RUNBOOK = "runbook.md"  # as alerts link to it
ALERT_LOG = "/v1/alerts"  # of an exporter that has it switched on
_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[\w./-]*\w", re.ASCII)


def _is_text(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _is_label(text: str) -> bool:
    """Relabelling would take a dollar sign for a reference."""
    return _is_text(text) and text == text.strip() and "$" not in text


def _is_host_and_port(text: str) -> bool:
    return is_address(text) and not text.startswith(":")


def _begins_links(text: str) -> bool:
    """A path comes after it, in annotations of alerts: templates, where braces mean something."""
    return is_engine_url(text) and not {*"{?"} & {*text}


@dataclass(frozen=True)
class Form:
    """Whether it takes a value, what it takes, and that in one word of a help."""

    takes: Callable[[Any], bool]
    words: str
    word: str


TEXT = Form(_is_text, "printable text, and not empty", "TEXT")
LABEL = Form(_is_label, "a label's value: printable text without $, and not empty", "NAME")
ADDRESS = Form(_is_host_and_port, "HOST:PORT", "HOST:PORT")
ADDRESSES = Form(lambda text: all(map(_is_host_and_port, listed(text))),
                 "HOST:PORT, or several with commas in between", "HOST:PORT,...")
BASE = Form(_begins_links,
            "an http:// or https:// URL without user, password, query, fragment or braces", "URL")
HOOK = Form(is_engine_url, URL, "URL")
IMAGE = Form(lambda text: _IMAGE.fullmatch(text) is not None,
             "the name of an image without a tag, which is the version", "IMAGE")
MAIL = Form(lambda text: _is_text(text) and "@" in text.strip("@"), "a mail address", "ADDRESS")
NUMBER = Form(lambda number: number > 0, "1 or more", "N")


class OptionError(ValueError):
    """A flag's value that cannot be."""

    def __init__(self, flag: str, problem: str) -> None:
        super().__init__(f"{flag} {problem}")
        self.flag, self.problem = flag, problem


def listed(text: str) -> list[str]:
    """The items of a text with commas in between."""
    return [item.strip() for item in text.split(",")]


def _flag(default: str, form: Form, text: str) -> str:
    value: str = field(default=default, metadata={"help": text, "form": form})
    return value


@dataclass(frozen=True)
class Addresses:
    """Where notifications go. Each field is a flag of `inferometer bundle`.

    Secrets are files in the folder `secrets`: `pagerduty_routing_key`, `slack_api_url`,
    `smtp_password` and `dead_mans_switch_token`.
    """

    secrets: str = _flag("/etc/alertmanager/secrets", TEXT, "the folder of Alertmanager's secrets")
    slack_channel: str = _flag("#llm-alerts", TEXT,
                               "the channel for alerts of severity critical and warning")
    email_to: str = _flag("llm-alerts@example.org", MAIL,
                          "the address for alerts of severity warning")
    finance_channel: str = _flag("#llm-cost", TEXT, "the channel for alerts about money")
    finance_email_to: str = _flag("llm-cost@example.org", MAIL,
                                  "the address for alerts about money")
    email_from: str = _flag("alertmanager@example.org", MAIL,
                            "the sender of mail, and the user at the mail server")
    smarthost: str = _flag("smtp.example.org:587", ADDRESS, "the mail server, as host:port")
    alert_log: str = _flag(f"http://127.0.0.1:9839{ALERT_LOG}", HOOK,
                           "the exporter that logs alerts of severity info; it needs "
                           "web.enable_alert_log")
    dead_mans_switch: str = _flag("https://dead-mans-switch.example.org/inferometer", HOOK,
                                  "who raises the alarm when the Watchdog falls silent")


@dataclass(frozen=True)
class Options:
    """Each field is a flag of `inferometer bundle`, and so is each address."""

    cluster: str = _flag("default", LABEL, "the `cluster` label of all that is scraped")
    namespace: str = _flag("default", LABEL, "the `namespace` label of the exporters")
    image: str = _flag("inferometer", IMAGE,
                       "the image of Kubernetes' manifests, without its tag, which is the version")
    gateway_image: str = _flag("inferometer-gateway", IMAGE,
                               "the image of a gateway there, likewise")
    exporters: str = _flag("127.0.0.1:9839", ADDRESSES,
                           "exporters to scrape, as host:port, commas in between")
    alertmanagers: str = _flag("127.0.0.1:9093", ADDRESSES,
                               "Alertmanagers, as host:port, commas in between")
    prometheus: str = _flag("127.0.0.1:9090", ADDRESSES,
                            "the address at which this Prometheus scrapes itself, as host:port")
    runbook_url: str = _flag(
        "https://example.org/inferometer/alerts", BASE,
        "the folder in which people read runbook.md; alerts link to its headings")
    grafana_url: str = _flag("http://127.0.0.1:3000", BASE,
                             "where people reach Grafana; alerts link to its boards")
    faster: int = field(default=1, metadata={
        "form": NUMBER,
        "help": "divide every duration by this, to rehearse hours in minutes; limits stay"})
    addresses: Addresses = field(default_factory=Addresses)

    @classmethod
    def from_flags(cls, values: Mapping[str, Any]) -> Options:
        """The options of flags' values by their names, whatever else is among them."""
        own, addresses = ({option.name: values[option.name] for option in fields(kind)
                           if option.name in values} for kind in (cls, Addresses))
        return cls(**own, addresses=Addresses(**addresses))

    def check(self) -> None:
        """Raise OptionError for the first flag whose value cannot be."""
        for option in flags():
            value, form = self.value(option.name), option.metadata["form"]
            if not form.takes(value):
                raise OptionError(flag_name(option), f"{value!r} must be {form.words}")

    def value(self, name: str) -> Any:
        """The value of a flag."""
        return getattr(self if hasattr(self, name) else self.addresses, name)

    def tidy(self) -> Options:
        """The same, but no URL or folder ends in a slash: what follows begins with one."""
        return Options.from_flags({flag.name: _tidy(self.value(flag.name)) for flag in flags()})


def _tidy(value: Any) -> Any:
    return value.rstrip("/") if isinstance(value, str) and "/" in value else value


def flags() -> Iterator[Field[Any]]:
    """What may be chosen, Alertmanager's addresses included."""
    yield from (option for option in fields(Options) if "help" in option.metadata)
    yield from fields(Addresses)


def flag_name(option: Field[Any]) -> str:
    """As it is written on the command line."""
    return f"--{option.name.replace('_', '-')}"
