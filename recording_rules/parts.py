"""Where the time of applications' calls goes, by the engine's own span of each: sums and counts.

Of sums any mean follows, also of several applications, and over any time. What is summed up is of
calls alone whose parts are known, so that the parts add up to how long these took.
"""

from inferometer import catalogue as c
from recording_rules.client import CLIENT
from recording_rules.model import Group, Rule
from recording_rules.promql import rate

_BY_PART = (*CLIENT, c.PART.name)

SECONDS = Rule(
    f"client:{c.CLIENT_PART.name.removesuffix('_total')}:rate5m", rate(_BY_PART, c.CLIENT_PART),
    _BY_PART, "Time that calls spent in each part, in seconds per second.")
DECOMPOSED = Rule(
    f"client:{c.CLIENT_DECOMPOSED.name.removesuffix('_total')}:rate5m",
    rate(CLIENT, c.CLIENT_DECOMPOSED), CLIENT, f"{c.CLIENT_DECOMPOSED.help} Per second.")

GROUPS = (Group("inferometer-client-parts", (SECONDS, DECOMPOSED)),)
