"""One sink with its own thread and short queue: what fails here ends only this sink."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from app.errors import SinkError
from app.frame import Frame
from app.mailbox import BoundedQueue
from app.sinks.sink import Sink
from app.worker import Worker

PATIENCE_S = 20.0  # with one frame that is queued; a slow disk has a few MB to write
QUEUE_FRAMES = 8  # 22 MB of 1280x720; a quarter of a second


class SinkFeed:
    """Hands frames to a sink that is opened with the first of them.

    ``opener(frame)`` opens the sink in this feed's thread. ``on_end(self)`` is called once, in that
    thread or in that of ``finish``, when the sink is closed, has failed or is given up; then
    ``problem`` says why, or is None. With
    ``waits`` ``put`` waits for a slow sink, otherwise its frames are dropped and counted.
    """

    def __init__(
        self,
        opener: Callable[[Frame], Sink],
        on_end: Callable[[SinkFeed], None],
        *,
        waits: bool = False,
    ) -> None:
        self._opener = opener
        self._on_end = on_end
        self._queue: BoundedQueue[Frame] = BoundedQueue(QUEUE_FRAMES, waits=waits)
        self.sink: Sink | None = None
        self.problem: BaseException | None = None
        self._written = 0  # frames
        self._telling = threading.Lock()
        self._told = False
        self._closing: Sink | None = None  # the sink, from then on
        self._worker = Worker("sink", self._step, self._tell, clean_up=self._clean_up)
        self._worker.start()

    @property
    def dropped(self) -> int:
        """Frames the sink was too slow for."""
        return self._queue.dropped

    def put(self, frame: Frame) -> None:
        """Queue a frame; raises ``Closed`` once the sink has ended."""
        self._queue.put(frame)

    def refuse(self) -> None:
        """Take no more frames, so that nobody waits in ``put``; what is queued is still written."""
        self._queue.close()

    def finish(self) -> None:
        """Write what is queued, close the sink and wait for it; may be called twice.

        A sink that blocks (a network disk that hangs) is waited for ``PATIENCE_S``, again and again
        while it still takes what is queued (a busy machine), once it is being closed its own
        ``closing_s`` more, and then left to itself: ``on_end`` is called here,
        and ``problem`` says so. Its thread ends when the sink comes back, and removes what is
        half-written.
        """
        self.refuse()
        written = -1
        while written != self._written:
            written = self._written
            if self._worker.join(PATIENCE_S):
                return
        closing = self._closing
        if closing is not None and self._worker.join(closing.closing_s):
            return
        self._tell(
            SinkError(
                "The recording was given up: its disk takes no more data.",
                "Look at the disk or the network it is on, and record to another one.",
            )
        )

    def _step(self) -> None:
        frame = self._queue.take()
        if frame is None:
            return
        if self.sink is None:
            self.sink = self._opener(frame)
        self.sink.write(frame)
        self._written += 1

    def _clean_up(self, cause: BaseException | None) -> None:
        self._queue.close(cause)
        if self.sink is None:
            return
        with contextlib.ExitStack() as undo:
            undo.callback(self.sink.abort)  # nothing half-written stays, whatever close raises
            if cause is None and not self._told:
                self._closing = self.sink
                self.sink.close()
                undo.pop_all()

    def _tell(self, problem: BaseException | None) -> None:
        """Say once how it ended."""
        with self._telling:
            if self._told:
                return
            self._told, self.problem = True, problem
        self._on_end(self)
