"""What a body costs without what is in it: the gateway's door, beside uvicorn with nothing on it.

    python -m bench.intake_door [BODIES]

prints microseconds of CPU time per body, of bodies as long as the captured ones in which there is
nothing to read. The door is the intake as it runs, with all of its threads, and a thread that takes
bodies in groups as the ledger does but keeps nothing. The other is uvicorn with httptools and an
application that awaits the body and answers 200. Both are asked in turn, in many short rounds, and
the lower quartile of the rounds is printed: other work on the machine disturbs the slower ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.otlp import PROTOBUF, Template, captured
from bench.otlp_sender import send
from bench.process import ROOT, Process
from inferometer.receipt import Receipt

ROUND = 200  # bodies that one is asked for before the other: few, so that one is undisturbed
LINGER_SECONDS = 0.004  # as the ledger waits for further bodies
_OK = [(b"content-type", PROTOBUF.encode()), (b"content-length", b"0")]


def measure(bodies: int) -> Mapping[str, float]:
    """Microseconds of CPU time per body, by what takes it."""
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(_served(name)) for name in SERVERS}
        rounds: dict[str, list[float]] = {name: [] for name in SERVERS}
        for server in servers.values():
            send(server.port, _empty(ROUND))  # loads and fills what later ones use
        for _ in range(max(4, bodies // ROUND)):
            for name, server in servers.items():
                before = server.cpu_seconds()
                send(server.port, _empty(ROUND))
                rounds[name].append((server.cpu_seconds() - before) / ROUND * 1e6)
        return {name: sorted(used)[len(used) // 4] for name, used in rounds.items()}


def _empty(number: int) -> Iterator[tuple[Template, bytes]]:
    """So many bodies, each one field that no message has, and as long as a captured one."""
    made = [Template(PROTOBUF, _field(len(one.body)), 0, ()) for one in captured()]
    for i in range(number):
        template = made[i % len(made)]
        yield template, template.body


def _field(size: int) -> bytes:
    length = max(0, size - 4)
    return bytes((0x7A, length & 127 | 128, length >> 7 & 127 | 128, length >> 14)) + bytes(length)


@contextlib.contextmanager
def _served(name: str) -> Iterator[Process]:
    command = ["taskset", "-c", "0", sys.executable, "-m", "bench.intake_door", name]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as child:
        assert child.stdout is not None
        yield Process(name, child.pid, int(child.stdout.readline()))
        child.communicate()  # which closes its input


def _serve_bare() -> None:
    import uvicorn

    from inferometer.serve.listening import listening_socket

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": _OK})
        await send({"type": "http.response.body", "body": b""})

    listener = listening_socket("127.0.0.1", 0)
    config = uvicorn.Config(answer, http="httptools", ws="none", loop="asyncio", lifespan="off",
                            log_config=None, access_log=False, server_header=False,
                            date_header=False)
    server = uvicorn.Server(config)
    print(listener.getsockname()[1], flush=True)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    sys.stdin.read()
    server.should_exit = True
    thread.join()


def _serve_door() -> None:
    from inferometer import heap
    from inferometer.config import IntakeSection
    from inferometer.intake.access import Admission, Tokens
    from inferometer.intake.body import BodyMemory, Sizes
    from inferometer.intake.service import IntakeService, Opening
    from inferometer.intake.tally import IntakeTally
    from inferometer.serve.listening import listening_socket

    heap.slim()
    access, settings, keeper = Admission(None, Tokens(())), IntakeSection(), _Keeper()
    listener = listening_socket("127.0.0.1", 0)
    service = IntakeService(
        Opening(listener, lambda: None), None, keeper.commit, IntakeTally(),
        BodyMemory(Sizes().held_bytes), access=lambda: access, headers=dict,
        settings=lambda: settings)
    print(listener.getsockname()[1], flush=True)
    service.start()
    sys.stdin.read()
    service.stop(10.0)


class _Keeper:
    """Takes what comes in groups, and keeps nothing of it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        threading.Thread(target=self._keep, daemon=True).start()

    def commit(self, facts: Sequence[object], links: Mapping[bytes, bytes], arrived: int,
               body: object = None, points: Sequence[object] = ()) -> Receipt:
        """As Commit has it."""
        done = Receipt()
        self._queue.put(done)
        return done

    def _keep(self) -> None:
        while True:
            group = [self._queue.get()]
            time.sleep(LINGER_SECONDS)  # for others, without being woken for each
            with contextlib.suppress(queue.Empty):
                while True:
                    group.append(self._queue.get_nowait())
            for done in group:
                done.set_result(None)


SERVERS = {"door": _serve_door, "bare": _serve_bare}


def main(arguments: Sequence[str]) -> None:
    """Measure, or serve as one of the two until the input ends."""
    if arguments and arguments[0] in SERVERS:
        SERVERS[arguments[0]]()
        return
    for name, microseconds in measure(int(arguments[0]) if arguments else 10_000).items():
        print(f"{name}: {microseconds:.0f} us of CPU time per body")


if __name__ == "__main__":
    main(sys.argv[1:])
