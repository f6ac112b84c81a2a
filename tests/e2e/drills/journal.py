"""What a sender knows: what it sent, and what was acknowledged, on the disk with an fsync."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

ID = 24  # bytes of a trace's id and a span's
Body = tuple[list[bytes], bytes]  # ids, and what is posted


class Journal:
    """A file for each sender, and what is to be sent again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._lock = threading.Lock()
        self._unanswered: deque[Body] = deque()
        self.sent = 0  # calls, each once

    def sending(self, ids: Sequence[bytes]) -> None:
        """Note that they are sent for the first time."""
        with self._lock:
            self.sent += len(ids)

    def acknowledged(self, ids: Sequence[bytes], sender: int = 0) -> None:
        """Write them, durably."""
        with (self._folder / f"{sender}.journal").open("ab") as file:
            file.write(b"".join(ids))
            file.flush()
            os.fsync(file.fileno())

    def missed(self, body: Body) -> None:
        """Keep what is to be sent again."""
        with self._lock:
            self._unanswered.append(body)

    def next_missed(self) -> Body | None:
        """What is to be sent again; None once there is nothing more."""
        with self._lock:
            return self._unanswered.popleft() if self._unanswered else None

    @property
    def unanswered(self) -> int:
        """Bodies that are to be sent again."""
        return len(self._unanswered)

    def ids(self) -> set[bytes]:
        """All that is written: trace and span of each call."""
        contents = [path.read_bytes() for path in self._folder.glob("*.journal")]
        return {content[i:i + ID] for content in contents for i in range(0, len(content), ID)}
