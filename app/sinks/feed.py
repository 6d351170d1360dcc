"""One sink with its own thread and short queue: what fails here ends only this sink."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import AppError
from app.frame import Frame
from app.mailbox import BoundedQueue
from app.sinks.sink import Sink
from app.worker import Worker

QUEUE_FRAMES = 8  # 22 MB of 1280x720; a quarter of a second


class SinkFeed:
    """Hands frames to a sink that is opened with the first of them.

    ``opener(frame)`` opens the sink in this feed's thread. ``on_end(self)`` is called once, in that
    thread, when the sink is closed or has failed; then ``problem`` says why, or is None. With
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
        self._worker = Worker("sink", self._step, self._ended)
        self._worker.start()

    @property
    def dropped(self) -> int:
        """Frames the sink was too slow for."""
        return self._queue.dropped

    def put(self, frame: Frame) -> None:
        """Queue a frame; raises ``Closed`` once the sink has ended."""
        self._queue.put(frame)

    def finish(self) -> None:
        """Write what is queued, close the sink and wait for it; may be called twice."""
        self._queue.close()
        self._worker.join()

    def _step(self) -> None:
        frame = self._queue.take()
        if frame is None:
            return
        if self.sink is None:
            self.sink = self._opener(frame)
        self.sink.write(frame)

    def _ended(self, cause: BaseException | None) -> None:
        self.problem = cause
        self._queue.close(cause)
        if self.sink is not None:
            try:
                if cause is None:
                    self.sink.close()
                else:
                    self.sink.abort()
            except AppError as error:
                self.problem = self.problem or error
        self._on_end(self)
