"""What people make of answers, and answers that nobody can use."""

from __future__ import annotations

from dashboards.lines import BY_CALLER, line
from dashboards.model import Board, Panel, PanelRow, Query
from dashboards.panels import stat, table, timeseries
from dashboards.rag import of_limit
from dashboards.styles import OF_LIMIT, PLAIN, Field
from dashboards.variables import chosen
from inferometer import catalogue as c
from inferometer.catalogue import Label
from recording_rules import shares, votes
from recording_rules.promql import any_of, by, ratio
from recording_rules.shares import ANSWERS, WeighedShare

NO_VOTE = "No data: nobody voted in this time, or no application sends votes: see docs/feedback.md."
NO_THUMB = "No data: nobody gave a thumb in the last complete hours: see docs/feedback.md."
NO_REFUSAL = "No data: no answer was looked at in this time: see docs/telemetry.md."
NOT_LOOKED_AT = ("No data: no answer was looked at in this time, as that takes their content or an "
                 "event of the application: see docs/telemetry.md.")
NO_CONVERSATION = ("No data: no conversation ended in this time, or no span says of which one it "
                   "is: see docs/telemetry.md.")
_RATIO = votes.RATIO
# That a conversation ended is no opinion of its answers.
CAST = chosen(votes.VOTES, any_of(c.VOTE_KIND, *(
    kind for kind in c.VOTE_KIND.values if kind != "conversation_end")))


def _tile(title: str, description: str, expr: str, empty: str, unit: str = "percentunit") -> Panel:
    return stat(title, description, unit, expr, empty=empty, width=4, colours=PLAIN)


def _overall(share: WeighedShare) -> str:
    """Of all that is chosen together."""
    return ratio(f"sum({chosen(share.part)})", f"sum({chosen(share.total)})")


def _ratio(kind: str) -> str:
    return chosen(_RATIO, any_of(c.VOTE_RATIO, kind))


def _kinds(title: str, description: str, series: str, label: Label, empty: str, width: int
           ) -> Panel:
    expr = f"sum {by((label.name,))} ({series})"
    return timeseries(title, description, "short", Query(expr, f"{{{{{label.name}}}}}"),
                      stacked=True, empty=empty, width=width)


def _lines(title: str, description: str, expr: str, empty: str, width: int = 8,
           maximum: float | None = None) -> Panel:
    return timeseries(title, description, "percentunit", line(expr, BY_CALLER, ANSWERS),
                      empty=empty, width=width, maximum=maximum)


NOW = PanelRow("Now", (
    _tile("Votes", "Cast in the last hour, of all kinds.", f"sum({CAST})", "no votes", "short"),
    _tile("Satisfied", "Thumbs up of all thumbs that hold, of the last complete hours, where it is "
          "least: a thumb that was changed counts as it is now.",
          f"min({_ratio('satisfaction')})", "no thumbs"),
    _tile("Thumbs down", "Of all thumbs in the last hour.", _overall(shares.THUMBS_DOWN),
          "no thumbs"),
    _tile("Made again", "Share of answers in the last hour that people had made again.",
          _overall(shares.REGENERATED), "no votes"),
    _tile("Refused", "Share of answers in the last hour that are refusals.",
          _overall(shares.REFUSALS), "not looked at"),
    _tile("Unreadable", "Share of answers that are not the JSON, or the arguments of a tool, that "
          "they were to be; of those in the last hour that were looked at.",
          _overall(shares.PARSE_FAILURES), "not looked at"),
))
PEOPLE = PanelRow("What people say", (
    _kinds("Votes by kind", "Cast in an hour. Who changes a thumb has cast one more, "
           "thumbs_changed: many of these are a page on which one hits the wrong thumb.",
           CAST, c.VOTE_KIND, NO_VOTE, width=8),
    _lines("Thumbs up", "Of the thumbs of an hour: what holds in the end is in the table below.",
           f"1 - {chosen(shares.THUMBS_DOWN.now)}", NO_THUMB, maximum=1),
    _lines("Answers made again", "Share of answers that people had made again, over an hour: many "
           "do so rather than give a thumb.", chosen(shares.REGENERATED.now), NO_VOTE),
    _lines("Answers copied", "Share of answers that people copied, over an hour: these were of "
           "use.",
           chosen(votes.COPIED), NO_VOTE, width=12),
    timeseries("Turns of a conversation", "Of those that ended in an hour: many turns are people "
               "who do not get what they ask for, or who like to talk.", "short",
               *(Query(f"max {by((c.SERVICE_NAME.name,))} ({chosen(rule)})",
                       f"{{{{service_name}}}} p{rank * 100:g}")
                 for rank, rule in votes.TURNS.items()), empty=NO_CONVERSATION, width=12),
))
ANSWERED = PanelRow("Answers that nobody can use", (
    _kinds("Refusals by who says so", "In an hour: the provider by why a call ended, a field of "
           "the answer, the words that it begins with, or a judge.", chosen(votes.REFUSALS),
           c.REFUSAL_SOURCE, NO_REFUSAL, width=12),
    _lines("Answers refused", "Share of answers that are refusals, over an hour.",
           chosen(shares.REFUSALS.now), NO_REFUSAL, width=12),
    _kinds("Unreadable by kind", "In an hour: no JSON, not of the schema that the request "
           "has, or arguments that the tool does not take.", chosen(votes.UNREADABLE),
           c.PARSE_KIND, NOT_LOOKED_AT, width=12),
    _lines("Answers that cannot be read", "Share of answers that were looked at, over an hour: a "
           "rise is a new model or prompt, or answers that are cut off.",
           chosen(shares.PARSE_FAILURES.now), NOT_LOOKED_AT, width=12),
))


def _against(title: str, share: WeighedShare, width: int = 76) -> tuple[Field, Field]:
    return (Field(title, chosen(share.now), "percentunit", width=width),
            Field(f"{title} ÷ limit", of_limit(share), "percentunit", OF_LIMIT, width=width))


USUAL = PanelRow("Against the week before", (
    table("Answers of each application and model", "Of the last hour; ÷ limit above 100 % is more "
          "than in its own week, and more than chance.",
          {"service_name": "Service", "model": "Model", "cluster": "Cluster"}, [
              Field("Satisfied", _ratio("satisfaction"), "percentunit", width=80),
              *_against("Thumbs down", shares.THUMBS_DOWN),
              *_against("Made again", shares.REGENERATED),
              *_against("Refused", shares.REFUSALS),
              *_against("Unreadable", shares.PARSE_FAILURES, width=94)],
          empty=NO_VOTE, links=dict.fromkeys(("service_name", "model"), "feedback")),
))

BOARD = Board(
    "feedback", "Feedback",
    "What people make of answers, and how many of these nobody can use.",
    ("cluster", c.MODEL.name, c.SERVICE_NAME.name), (NOW, PEOPLE, ANSWERED, USUAL))
