"""What applications spend at their dearest: what a loop is told from."""

from inferometer import catalogue as c
from recording_rules.client import COST
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, by

SERVICE = (*FLEET, c.SERVICE_NAME.name)
DAY, WEEK = "1d", "1w"

MOST_COST = Rule(
    f"client:{c.CLIENT_COST.name.removesuffix('_total')}:max_1w",
    f"sum {by(SERVICE)} (max_over_time({COST}[{WEEK}] offset {DAY}))", SERVICE,
    "The most that an application's calls cost, in USD per second over 5 minutes, in the week that "
    "ended a day ago; so a loop of today is not part of it.")

GROUPS = (Group("inferometer-agents", (MOST_COST,), interval="4m"),)
