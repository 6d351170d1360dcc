"""The two threads behind a running source: capture fills a mailbox, process empties it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from app.capture.source import Source, SourceInfo
from app.frame import Frame
from app.mailbox import BoundedQueue, Mailbox
from app.worker import Finished, Worker

log = logging.getLogger(__name__)

QUEUED_FRAMES = 2  # between the threads where no frame may be lost
RATE_WINDOW = 60  # frames over which the source's rate is measured
SILENT_S = 2.0  # without a frame for so long, the rate is 0


class Run:
    """One source from its opening to its end; used once.

    ``process(run, frame, arrived_at)`` is called in the process thread for each frame,
    ``arrived_at`` being monotonic seconds; ``on_end(run, cause)`` once, there, after the last one,
    with the first failure of either thread, or None.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        process: Callable[[Run, Frame, float], None],
        on_end: Callable[[Run, BaseException | None], None],
        *,
        lossless: bool,
    ) -> None:
        self.lossless = lossless
        self._opener = opener
        self._process = process
        self._on_end = on_end
        self._source: Source | None = None  # while it is in use: it may hold many pictures
        self._info: SourceInfo | None = None  # of a source that is no longer held
        self._incoming: Mailbox[tuple[Frame, float]] | BoundedQueue[tuple[Frame, float]] = (
            BoundedQueue(QUEUED_FRAMES, waits=True) if lossless else Mailbox()
        )
        self._arrivals: deque[float] = deque(maxlen=RATE_WINDOW)
        self._capturing = Worker("capture", self._capture_step, self._capture_ended)
        self._processing = Worker("process", self._process_step, self._process_ended)

    @property
    def info(self) -> SourceInfo | None:
        """What the source gives; None until it is open."""
        source = self._source
        return source.info if source is not None else self._info

    @property
    def dropped(self) -> int:
        """Frames replaced before they were processed."""
        return self._incoming.dropped

    def measured_rate(self) -> float:
        """Frames per second that really arrived of late."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or time.monotonic() - arrivals[-1] > SILENT_S:
            return 0.0
        span = arrivals[-1] - arrivals[0]
        return (len(arrivals) - 1) / span if span > 0 else 0.0

    def start(self) -> None:
        """Start both threads."""
        self._processing.start()
        self._capturing.start()

    def stop(self) -> None:
        """End both threads and wait for them; frames on their way are dropped."""
        self._capturing.request_stop()
        self._processing.request_stop()
        self._incoming.close()
        self._close_source()
        self._capturing.join()
        self._processing.join()
        self._let_go()

    def _capture_step(self) -> None:
        if self._source is None:
            self._source = self._opener()
            return
        frame = self._source.read()
        if frame is None:
            raise Finished
        now = time.monotonic()
        self._arrivals.append(now)
        self._incoming.put((frame, frame.captured_at if self._source.info.live else now))

    def _capture_ended(self, cause: BaseException | None) -> None:
        self._incoming.close(cause)
        self._close_source()

    def _process_step(self) -> None:
        item = self._incoming.take()
        if item is not None:
            self._process(self, *item)

    def _process_ended(self, cause: BaseException | None) -> None:
        self._incoming.close(cause)
        self._close_source()  # wakes a capture thread that waits for its next frame
        self._on_end(self, self._incoming.cause)

    def _close_source(self) -> None:
        """Close it, if it is open; the run is over, so that a failure of that changes nothing."""
        source = self._source
        if source is None:
            return
        try:
            source.close()
        except Exception:  # at the top of a thread: its end must be told whatever a driver says
            log.exception("the source could not be closed")

    def _let_go(self) -> None:
        """Forget the source, once no thread uses it; what it gave stays known."""
        self._info, self._source = self.info, None
