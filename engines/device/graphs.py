"""What is put on a stream frame after frame, captured once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from engines.device.driver import Driver, Graph, Stream

Work = Callable[[Stream], None]


class Graphs:
    """Captured work by key; ``enabled`` off runs everything launch by launch.

    The first run of a key is put on the stream as it is, since runtimes allocate in their first run
    and a capture must not; the second run is captured.
    """

    def __init__(self, driver: Driver, *, enabled: bool = True) -> None:
        self._driver, self._enabled = driver, enabled
        self._warm: set[Hashable] = set()
        self._graphs: dict[Hashable, Graph] = {}

    def __len__(self) -> int:
        return len(self._graphs)

    def run(self, key: Hashable, work: Work, stream: Stream) -> None:
        """Put ``work`` on ``stream``; it must put the same launches there for the same key."""
        if not self._enabled:
            work(stream)
            return
        if key not in self._warm:
            self._warm.add(key)
            work(stream)
            return
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = self._driver.capture(stream, lambda: work(stream))
        self._driver.replay(graph, stream)
