"""Boards have uid and title, their links lead to boards there are, and the mixin has all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.model import PREFIX
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import listed

_LINK = re.compile(rf"/d/({PREFIX}-[\w-]+)")
_IMPORT = re.compile(r"^ *'([\w-]+)\.json': import 'generated/dashboards/\1\.json',$", re.MULTILINE)


def findings(bundle: Bundle, _: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    for uid, board in bundle.boards.items():
        if board.get("uid") != uid or not board.get("title"):
            yield (f"board {uid}: uid {board.get('uid')!r}, title {board.get('title')!r}: "
                   "it needs a title, and its own uid")
        for link in sorted({*_LINK.findall(str(board))} - bundle.boards.keys()):
            yield (f"board {uid}: links to {link}, which is none: "
                   f"there are {listed(bundle.boards)}")
    imported = {*_IMPORT.findall(bundle.mixin)}
    for uid in sorted(bundle.boards.keys() - imported):
        yield (f"board {uid} is not in deploy/mixin.libsonnet: add "
               f"`'{uid}.json': import 'generated/dashboards/{uid}.json',` to grafanaDashboards")
    for uid in sorted(imported - bundle.boards.keys()):
        yield f"deploy/mixin.libsonnet imports {uid}.json, which is no board: take it out"
