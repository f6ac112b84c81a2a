"""What of answers and searches goes wrong, as a share, and what that share is usually.

Each share is held against its own past: the seven days that ended an hour ago. Its limit leaves
room for chance, so that a few events more than usual say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.agents import SERVICE
from recording_rules.model import Group, Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, on, ratio

ANSWERS = (*FLEET, c.SERVICE_NAME.name, c.MODEL.name)
WEEK = "1w"
LEAST_EVENTS = 50  # in the hour that is judged, and in the week that it is judged by
DEVIATIONS = 3  # standard ones, of a share of so many
MORE = 0.5  # of the usual share, that a share is above it at least
LEAST_POINTS = 0.02  # the same, whatever the usual one is


def _gained(level: tuple[str, ...], metric: Metric | str, *matchers: str) -> str:
    name = metric if isinstance(metric, str) else metric.name
    chosen = f"{name}{{{', '.join(matchers)}}}" if matchers else name
    return f"sum {by(level)} (increase({chosen}[{HOUR}]))"


@dataclass(frozen=True)
class WeighedShare:
    """A share of events. `part` of `total`, over an hour; `usual` over a week; `limit` of now."""

    part: Rule
    total: Rule
    now: Rule
    usual: Rule
    limit: Rule

    @property
    def rules(self) -> tuple[Rule, ...]:
        """In the order in which they are made of each other."""
        return self.part, self.total, self.now, self.usual, self.limit


def _share(stem: str, level: tuple[str, ...], part: str, total: str, meaning: str,
           events: str) -> WeighedShare:
    """`meaning` is the share of `events`, as it follows on "Share of"."""
    parts = Rule(f"{stem}_part:increase1h", part, level, f"In an hour: {meaning}.")
    # While nobody counts the part, it is not known to be 0.
    totals = Rule(f"{stem}_whole:increase1h", f"{total} and {on(level)} {parts}", level,
                  f"In an hour: {events}. Absent where nobody tells of which the share would be.")
    now = Rule(f"{stem}:ratio_1h", ratio(str(parts), str(totals)), level,
               f"Share of {events}: {meaning}. Over an hour; absent without any.")
    usual = Rule(
        f"{stem}:ratio_1w", f"{_week(parts)} / ({_week(totals)} >= {LEAST_EVENTS})", level,
        f"The same over the {WEEK} that ended {HOUR} ago. Absent below {LEAST_EVENTS} of them.")
    chance = f"{DEVIATIONS} * sqrt({usual} * (1 - {usual}) / ({totals} > 0))"
    limit = Rule(
        f"{stem}:ratio_limit", f"{usual} + clamp_min({_larger(chance, f'{MORE} * {usual}', level)}"
        f", {LEAST_POINTS})", level,
        f"What that of an hour is held against: above that of the week by {DEVIATIONS} standard "
        f"deviations, by {MORE:.0%} of it, and by {LEAST_POINTS:.0%} of all.")
    return WeighedShare(parts, totals, now, usual, limit)


def _week(rule: Rule) -> str:
    """All of a week, hour by hour."""
    return f"sum_over_time({rule}[{WEEK}:{HOUR}] offset {HOUR})"


def _larger(one: str, other: str, level: tuple[str, ...]) -> str:
    return f"({one} > {on(level)} {other} or {on(level)} {other})"


def _vote(*kinds: str) -> str:
    return _gained(ANSWERS, c.FEEDBACK, any_of(c.VOTE_KIND, *kinds))


_ANSWERED = _gained(ANSWERS, c.CLIENT_REQUESTS, any_of(c.OUTCOME, "success"))
_DISAGREEMENT: Callable[[str], str] = f"{c.RERANK_DISAGREEMENT.name}_{{}}".format

EMPTY = _share(
    "client:rag_retrievals_empty", SERVICE,
    _gained(SERVICE, c.RETRIEVALS, any_of(c.RESULT_OF_RETRIEVAL, "empty")),
    _gained(SERVICE, c.RETRIEVALS, any_of(c.RESULT_OF_RETRIEVAL, "hit", "empty")),
    "those without a document", "searches whose number of documents is known")
DISAGREEMENT = _share(
    "client:rag_rerank_disagreement", SERVICE,
    _gained(SERVICE, _DISAGREEMENT("sum")), _gained(SERVICE, _DISAGREEMENT("count")),
    "how far rerankings changed the order, added up", "rerankings")
PARSE_FAILURES = _share(
    "client:llm_parse_failures", ANSWERS, _gained(ANSWERS, c.PARSE_FAILURES),
    _gained(ANSWERS, c.PARSE_CHECKS), "those that cannot be read", "answers that were looked at")
REFUSALS = _share(
    "client:llm_refusals", ANSWERS, _gained(ANSWERS, c.REFUSALS), _ANSWERED,
    "those that are refusals", "answers")
THUMBS_DOWN = _share(
    "client:llm_thumbs_down", ANSWERS, _vote("thumbs_down"), _vote("thumbs_up", "thumbs_down"),
    "thumbs down", "thumbs")
REGENERATED = _share(
    "client:llm_regenerated", ANSWERS, _vote("regenerate"), _ANSWERED,
    "those that people had made again", "answers")
SHARES = (EMPTY, DISAGREEMENT, PARSE_FAILURES, REFUSALS, THUMBS_DOWN, REGENERATED)

GROUPS = tuple(
    Group(f"inferometer-shares-{name}", tuple(rule for share in shares for rule in share.rules),
          interval="2m")
    for name, shares in (("searches", SHARES[:2]), ("answers", SHARES[2:5]),
                         ("votes", SHARES[5:])))
