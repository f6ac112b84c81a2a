"""The gateway of the demo: the real one, with a ledger of its own in the demo's folder."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from inferometer.app import App
from inferometer.config import CALL_LIMITS
from inferometer.demo.applications import Applications, Doors
from inferometer.demo.endpoint import LOOPBACK
from inferometer.demo.exporters import Served, Targets
from inferometer.demo.fleet import (
    APPLICATIONS,
    CLUSTER,
    GATEWAY_POD,
    MONITORING,
    NODE,
    money,
)
from inferometer.demo.judge import MODEL, DemoJudge
from inferometer.demo.world import World
from inferometer.intake.feedback.part import FeedbackPart
from inferometer.intake.part import IntakePart
from inferometer.quality.judge.prompted import PromptedJudge
from inferometer.roles import GATEWAY
from inferometer.settings import Flags

GATEWAY_JOB = "inferometer-gateway"
TOKEN_FILE = "votes.token"
DAYS_KEPT = 60
SAMPLE_RATIO = 0.05  # of answers, which are many here
JUDGE_USD = {"input": 0.4, "output": 1.6}  # for a million tokens
BUDGET = {"daily_usd": 50, "daily_calls": 200_000}
SEED = 1  # of the weeks before the demo
SETTLE_SECONDS = 1.0  # the shortest: calls come at once, and the rules are in a hurry


class DemoGateway:
    """A gateway, and the applications that send to it. `listen` is where its page is.

    `folder` is for its configuration and its ledger.
    """

    def __init__(self, world: World, folder: Path, listen: str) -> None:
        file = folder / "gateway.yml"
        self._token = secrets.token_hex(16)
        (folder / TOKEN_FILE).write_text(self._token, encoding="utf-8")
        self._judge = DemoJudge()
        self._judge.start()
        file.write_text(json.dumps(_document(folder, listen, self._judge.url), indent=1),
                        encoding="utf-8")
        self._world = world
        self._app = App(file, Flags(role=GATEWAY), demo=True)
        self._served: Served | None = None
        self._applications: Applications | None = None

    def start(self) -> None:
        """Listen, and have the applications call. Raises OSError and LedgerError."""
        # Here alone: what they need is in the extra.
        from inferometer.demo.past_usage import remember
        from inferometer.demo.past_verdicts import write_past

        config = self._app.config
        write_past(config.ledger, PromptedJudge(config.judge.model).version, [
            (caller.service, caller.model.name) for caller in APPLICATIONS if caller.index],
            time.time_ns())
        remember(config, time.time_ns(), Random(SEED))
        self._served = Served.begin(self._app, "demo-gateway")
        self._applications = Applications(self._world, Doors(
            self.intake, self._url_of(FeedbackPart), self._token))
        self._applications.start()

    def stop(self) -> None:
        """End the applications, then it."""
        if self._applications is not None:
            self._applications.stop()
        if self._served is not None:
            self._served.stop()
        self._judge.stop()

    def revive(self) -> None:
        """Start again what could not go on for want of a thread."""
        if self._applications is not None:
            self._applications.revive()

    @property
    def url(self) -> str:
        """Its page, once it has started."""
        assert self._served is not None
        return self._served.server.url

    @property
    def intake(self) -> str:
        """Where applications send to, once it has started."""
        return self._url_of(IntakePart)

    def _url_of(self, kind: type[IntakePart | FeedbackPart]) -> str:
        return next(part.url for part in self._app.parts if isinstance(part, kind))

    def targets(self) -> Targets:
        """Port and labels of its scrape, by job."""
        assert self._served is not None
        labels = {"cluster": CLUSTER, "namespace": MONITORING, "node": NODE, "pod": GATEWAY_POD}
        return {GATEWAY_JOB: [(self._served.server.server_port, labels)]}


def _document(folder: Path, listen: str, judge: str) -> Mapping[str, Any]:
    limits = money()["fleet"]["limits"]
    return {
        "web": {"listen": listen},
        "intake": {"listen": f"{LOOPBACK}:0", "settle_seconds": SETTLE_SECONDS},
        "feedback": {"listen": f"{LOOPBACK}:0", "bearer_token_files": [str(folder / TOKEN_FILE)]},
        "ledger": {"path": str(folder / "ledger.db"), "retention_days": DAYS_KEPT},
        "content": {"store": True},
        "judge": {"enabled": True, "url": judge, "model": MODEL, "sample_ratio": SAMPLE_RATIO,
                  **BUDGET},
        "prices": [{"model": MODEL, **JUDGE_USD}],
        "limits": {limit: limits[limit] for limit in CALL_LIMITS if limit in limits},
    }
