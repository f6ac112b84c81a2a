"""All forwarders of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from inferometer.config import Config
from inferometer.sinks.destinations import destination_of
from inferometer.sinks.forward_http import Poster
from inferometer.sinks.forwarder import Forwarder
from inferometer.sinks.outbox import ForwardCounts, ForwardOutbox, LoopedError, SentBody
from inferometer.sinks.own_doors import own_addresses
from inferometer.threads import Loop

OpenOutbox = Callable[[str, frozenset[str]], ForwardOutbox]  # by a destination's name and signals


class Forwarding:
    """A thread for each destination. `mark` is this gateway's in headers of what it sends."""

    def __init__(self, config: Config, open_outbox: OpenOutbox, mark: str) -> None:
        self._mark = mark
        is_own = own_addresses(config)
        self._forwarders = []
        for entry in config.destinations:
            destination = destination_of(entry)

            def opened(name: str = destination.name, signals: frozenset[str] = destination.signals
                       ) -> ForwardOutbox:
                return open_outbox(name, signals)

            self._forwarders.append(Forwarder(
                destination, opened, Poster(destination, is_own), mark))

    def loops(self) -> Sequence[Loop]:
        """Those that send."""
        return [one.loop for one in self._forwarders]

    def wake(self) -> None:
        """There is something to send."""
        for one in self._forwarders:
            one.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        for one in self._forwarders:
            one.stop()

    def counts(self) -> Mapping[str, ForwardCounts]:
        """By destination."""
        return {one.destination.name: one.counts for one in self._forwarders}

    def require_new(self, body: SentBody) -> None:
        """Raise LoopedError for one that this gateway has sent."""
        if self._mark in body.hops.split():
            raise LoopedError("it comes from this gateway: a destination of its leads back to it")
