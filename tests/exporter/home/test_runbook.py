"""The runbook as this exporter serves it."""

from __future__ import annotations

import re

from alerts import ALERT_GROUPS
from inferometer.bundle import runbook as carried_runbook
from inferometer.home.runbook import render


def test_every_shipped_alert_has_its_anchor_once_and_every_link_on_the_page_an_end() -> None:
    page = render(carried_runbook()).decode()
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {alert.name.lower() for group in ALERT_GROUPS for alert in group.alerts} <= {*ids}
    assert {*re.findall(r'href="#([^"]*)"', page)} <= {*ids}


def test_no_word_of_the_runbook_is_lost() -> None:
    text = carried_runbook()
    shown = re.sub(r"<[^>]+>", " ", render(text).decode())
    words = re.findall(r"\w+", re.sub(r"\]\([^)]*\)|^# .*", "", text, flags=re.MULTILINE))
    assert {*words} <= {*re.findall(r"\w+", shown)} | {"gt", "lt", "quot", "amp"}


def test_what_is_marked_is_shown_as_such_and_all_else_is_text() -> None:
    page = render("# Runbook\n\n## LLMModelDown\n\n**Meaning.** `a < b` & <b>c</b>, see\n"
                  "LLMModelDown, [x](https://example.com/) and [y](../y.md).\n\n- one\n  more\n"
                  "- two\n\n    amtool \\\n      --all\n").decode()
    assert "<strong>Meaning.</strong> <code>a &lt; b</code> &amp; &lt;b&gt;c&lt;/b&gt;" in page
    assert 'see <a href="#llmmodeldown">LLMModelDown</a>' in page
    assert '<a href="https://example.com/" rel="noreferrer">x</a> and y.' in page
    assert '<ul class="list"><li>one   more</li><li>two</li></ul>' in page
    assert "<pre><code>amtool \\\n  --all\n</code></pre>" in page


def test_an_address_that_is_no_web_page_is_no_link() -> None:
    assert "javascript:" not in render("[x](javascript:alert)").decode()
