"""Where each option stands in the files, and the files for what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inferometer.bundle.options import ADDRESSES, OptionError, Options, flags, listed
from inferometer.bundle.rehearsal import rehearsed
from inferometer.bundle.splice import Keys, spliced
from inferometer.durations import DurationError

_DEFAULTS = Options()
_SEVERAL = {option.name for option in flags() if option.metadata["form"] is ADDRESSES}
_RULES, _PROMETHEUS = "prometheus/alerts.rules.yml", "prometheus/prometheus.yml"
_KUBERNETES, _ROUTING = "kubernetes/*", "*/alertmanager.yml"
_TIMED = ("*.yml", "kubernetes/*")  # files with durations


@dataclass(frozen=True)
class OptionPlace:
    """Values of these files under these keys that are an option's default, or begin with it."""

    files: tuple[str, ...]  # patterns, like `keys`
    keys: str
    option: str

    def of(self, path: str) -> bool:
        """Whether this file is meant."""
        return any(fnmatchcase(path, pattern) for pattern in self.files)


PLACES = (
    OptionPlace((_RULES, _KUBERNETES), "*/annotations/runbook_url", "runbook_url"),
    OptionPlace((_RULES, _KUBERNETES), "*/annotations/dashboard_url", "grafana_url"),
    OptionPlace((_PROMETHEUS,), "*/static_configs/*/targets/*", "exporters"),
    OptionPlace((_PROMETHEUS,), "*/static_configs/*/targets/*", "alertmanagers"),
    OptionPlace((_PROMETHEUS, _KUBERNETES), "*/static_configs/*/targets/*", "prometheus"),
    OptionPlace(("*/prometheus.yml", _KUBERNETES), "*scrape_configs/*/labels/cluster", "cluster"),
    OptionPlace(("*/prometheus.yml",), "scrape_configs/*/labels/namespace", "namespace"),
    OptionPlace((_KUBERNETES,), "*/relabel_configs/*/replacement", "cluster"),
    OptionPlace((_KUBERNETES,), "*/relabelings/*/replacement", "cluster"),
    OptionPlace((_KUBERNETES,), "*/containers/*/image", "image"),
    OptionPlace((_KUBERNETES,), "*/containers/*/image", "gateway_image"),
    OptionPlace((_ROUTING,), "global/smtp_from", "email_from"),
    OptionPlace((_ROUTING,), "global/smtp_auth_username", "email_from"),
    OptionPlace((_ROUTING,), "global/smtp_smarthost", "smarthost"),
    OptionPlace(("alertmanager/*",), "*_file", "secrets"),  # Compose mounts them where it likes
    OptionPlace((_ROUTING,), "receivers/*/slack_configs/*/channel", "slack_channel"),
    OptionPlace((_ROUTING,), "receivers/*/slack_configs/*/channel", "finance_channel"),
    OptionPlace((_ROUTING,), "receivers/*/email_configs/*/to", "email_to"),
    OptionPlace((_ROUTING,), "receivers/*/email_configs/*/to", "finance_email_to"),
    OptionPlace(("alertmanager/*",), "receivers/*/webhook_configs/*/url", "alert_log"),
    OptionPlace((_ROUTING,), "receivers/*/webhook_configs/*/url", "dead_mans_switch"),
)


def written(contents: Mapping[str, str], options: Options) -> dict[str, str]:
    """Files of the default options as they are for others, by their paths.

    Raises OptionError for options that cannot be.
    """
    options.check()
    options = options.tidy()
    chosen = {place.option for place in PLACES
              if options.value(place.option) != _DEFAULTS.value(place.option)}
    places = [place for place in PLACES if place.option in chosen]
    return {path: _written(path, text, places, options) for path, text in contents.items()}


def _written(path: str, text: str, places: Sequence[OptionPlace], options: Options) -> str:
    places = [place for place in places if place.of(path)]
    divisor = options.faster if any(fnmatchcase(path, name) for name in _TIMED) else 1
    if not places and divisor == 1:
        return text

    def change(keys: Keys, value: str) -> str | Sequence[str]:
        place_of_value = "/".join(keys)
        for place in places:
            if fnmatchcase(place_of_value, place.keys):
                default = _DEFAULTS.value(place.option)
                if value == default and place.option in _SEVERAL:
                    return listed(options.value(place.option))
                if value == default or value.startswith((f"{default}/", f"{default}:")):
                    return f"{options.value(place.option)}{value[len(default):]}"
        return rehearsed(keys[-1], value, divisor) if keys else value

    try:
        return spliced(text, change)
    except DurationError as error:
        raise OptionError("--faster", f"{divisor}: {error}") from error
