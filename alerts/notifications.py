"""What people read of alerts: one title and one text, in the manner of each medium.

They are templates of Alertmanager, written into its configuration, so that no file goes with it.
Alertmanager 0.25 has neither counters nor lists that grow: names are gathered in a string.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST = 10  # alerts of each status that a message shows; of the others it has the number
# Boards open on the hour around the moment at which the alert began to fire.
BEFORE_MINUTES, AFTER_MINUTES = 45, 15
_NANOSECONDS = 60_000_000_000  # in a minute


@dataclass(frozen=True)
class Medium:
    """How a medium writes. `escape` follows a value; each `{}` of the others is a piece of text.

    `link` has the address and the word by their names, `gap` comes before each link.
    """

    bold: str
    link: str
    gap: str
    end: str  # of a line
    escape: str = ""

    def value(self, expression: str) -> str:
        """A value that cannot be taken for anything else."""
        return f"{{{{ {expression}{self.escape} }}}}"

    def linked(self, word: str, expression: str) -> str:
        """A word that leads to an address."""
        return self.gap + self.link.format(word=word, address=self.value(expression))


# Slack takes <, > and & for its own, and | within a link.
_ENTITIES = ' | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"'
CHAT = Medium("*{}*", "<{address}|{word}>", " ", "\n", _ENTITIES)
PLAIN = Medium("{}", "{word}: {address}", "\n", "\n")
# Alertmanager escapes what comes into HTML, by the place it comes to.
HTML = Medium("<b>{}</b>", '<a href="{address}">{word}</a>', " ", "<br>\n")

# What the message is about: what fires, or else what is over.
_CONCERNED = ("{{ $alerts := .Alerts.Firing }}"
              "{{ if not $alerts }}{{ $alerts = .Alerts.Resolved }}{{ end }}")
_NAMES = ('{{ $names := "" }}{{ range $alerts }}'
          "{{ if not (match (printf `, \\Q%s\\E(,|$)` .Labels.alertname) $names) }}"
          '{{ $names = printf "%s, %s" $names .Labels.alertname }}{{ end }}{{ end }}')
_ABOUT = (
    '{{ $about := "" }}'
    '{{ if .GroupLabels.node }}{{ $about = printf " of %s" .GroupLabels.node }}'
    "{{ else if and .GroupLabels.instance .CommonLabels.pod }}"
    '{{ $about = printf " of %s at %s" .CommonLabels.pod .GroupLabels.instance }}'
    "{{ else if .GroupLabels.instance }}"
    '{{ $about = printf " of %s" .GroupLabels.instance }}'
    '{{ else if .CommonLabels.model }}{{ $about = printf " of %s" .CommonLabels.model }}{{ end }}')
_PLACE = (
    '{{ $place := "" }}{{ with .CommonLabels.namespace }}{{ $place = printf " in %s" . }}{{ end }}'
    "{{ if and .CommonLabels.cluster .CommonLabels.namespace }}"
    '{{ $place = printf " in %s/%s" .CommonLabels.cluster .CommonLabels.namespace }}'
    '{{ else if .CommonLabels.cluster }}{{ $place = printf " in %s" .CommonLabels.cluster }}'
    "{{ end }}")
_ADDRESSES = (
    "{{ $runbook := .Annotations.runbook_url }}"
    '{{ $mark := "?" }}{{ if match "[?]" .Annotations.dashboard_url }}{{ $mark = "&" }}{{ end }}'
    '{{ $board := "" }}{{ with .Annotations.dashboard_url }}'
    '{{ $board = printf "%s%sfrom=%d&to=%d" . $mark '
    f"($alert.StartsAt.Add -{BEFORE_MINUTES * _NANOSECONDS}).UnixMilli "
    f"($alert.StartsAt.Add {AFTER_MINUTES * _NANOSECONDS}).UnixMilli }}}}{{{{ end }}}}")
_LINKS = {"Runbook": "$runbook", "Dashboard": "$board"}
_TIME = '.UTC.Format "2006-01-02 15:04"'


def title(medium: Medium = PLAIN) -> str:
    """Status and how many, severity, the names, and what they are about.

    Every label that a group goes by is in it.
    """
    return (f"{_CONCERNED}{_NAMES}{_ABOUT}{_PLACE}"
            "[{{ .Status | toUpper }}:{{ len $alerts }}] "
            f"{{{{ with .CommonLabels.severity }}}}{medium.value('.')}: {{{{ end }}}}"
            f"{medium.value('printf `%s%s%s` (slice $names 2) $about $place')}")


def text(medium: Medium) -> str:
    """What fires, and what is over, one alert after the other."""
    return firing(medium) + resolved(medium)


def firing(medium: Medium) -> str:
    """What fires: how much, since when, and where to look."""
    return _listed(medium, ".Alerts.Firing", "", f"Since {{{{ $alert.StartsAt{_TIME} }}}} UTC.")


def resolved(medium: Medium) -> str:
    """What is over."""
    return _listed(medium, ".Alerts.Resolved", "Resolved: ",
                   f"From {{{{ $alert.StartsAt{_TIME} }}}} to {{{{ $alert.EndsAt{_TIME} }}}} UTC.")


def first_links() -> list[dict[str, str]]:
    """Links of the first alert, for a medium that shows them beside the text."""
    def of_first(expression: str) -> str:
        return (f"{_CONCERNED}{{{{ range $i, $alert := $alerts }}}}{{{{ if eq $i 0 }}}}"
                f"{_ADDRESSES}{{{{ {expression} }}}}{{{{ end }}}}{{{{ end }}}}")

    name = of_first(".Labels.alertname")
    return [{"href": of_first(address), "text": f"{word} of {name}"}
            for word, address in _LINKS.items()]


def _listed(medium: Medium, alerts: str, mark: str, time: str) -> str:
    end = medium.end
    name = (f"{mark}{{{{ with .Labels.severity }}}}{medium.value('.')} {{{{ end }}}}"
            f"{medium.value('.Labels.alertname')}")
    links = "".join(f"{{{{ if {address} }}}}{medium.linked(word, address)}{{{{ end }}}}"
                    for word, address in _LINKS.items())
    one = (f"{_ADDRESSES}{medium.bold.format(name)}{end}"
           f"{medium.value('or .Annotations.description .Annotations.summary')}{end}"
           f"{time}{links}{end}{end}")
    return (f"{{{{ range $i, $alert := {alerts} }}}}{{{{ if lt $i {MOST} }}}}{one}{{{{ end }}}}"
            f"{{{{ end }}}}{{{{ if gt (len {alerts}) {MOST} }}}}"
            f"{mark}and {{{{ len (slice {alerts} {MOST}) }}}} more{end}{end}{{{{ end }}}}")
