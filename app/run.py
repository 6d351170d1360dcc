"""The two threads behind a running source: capture fills a mailbox, process empties it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from app.capture.source import Source, SourceAway, SourceInfo
from app.frame import Frame
from app.mailbox import BoundedQueue, Mailbox
from app.worker import Finished, Worker

QUEUED_FRAMES = 2  # between the threads where no frame may be lost
RATE_WINDOW = 60  # frames over which the source's rate is measured
SILENT_S = 2.0  # without a frame for so long, the rate is 0
WATCHED_S = 0.4  # a camera that gives nothing for so long is away
WATCHED_PERIODS = 3  # or for so many of its own, where it says that it is slow,
WATCHED_MOST_S = 0.9  # or was with its last frame, as in the dark: then no longer than this
STOPPED_S = 4.0  # a driver that does not come back for so long is left behind

WAITED = "It is used again as soon as it gives one."

log = logging.getLogger(__name__)

Item: TypeAlias = tuple[Frame, float, float] | SourceAway  # when it was taken, and came here
Landing: TypeAlias = Callable[[], None]


class Run:
    """One source from its opening to its end; used once.

    ``process(run, frame, arrived_at, waited_s)`` is called in the process thread for each frame,
    ``arrived_at`` being monotonic seconds and ``waited_s`` how long it waited for the one before.
    Where a card is still at the frame it returns what passes it on: called there when the next
    frame has been begun, or at once where none waits, so that a frame is never late for want of
    another. ``on_end(run, cause)`` is called once, there, after the last one, with the first
    failure of either thread, or None; ``on_away(run, cause)`` there again and again while a camera
    is away: within ``WATCHED_S`` of its last frame (longer where it is slow), whatever its driver
    does meanwhile.
    ``frame_every`` and ``most_wait_s`` may be set at any time: of so many frames one is processed;
    one that waited longer than that is left for the next.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        process: Callable[[Run, Frame, float, float], Landing | None],
        on_end: Callable[[Run, BaseException | None], None],
        on_away: Callable[[Run, SourceAway], None],
        *,
        lossless: bool,
    ) -> None:
        self.lossless = lossless
        self.frame_every = 1
        self.most_wait_s = float("inf")
        self._skipped = 0
        self._on_away = on_away
        self._opener = opener
        self._process = process
        self._on_end = on_end
        self._landing: Landing | None = None  # of the frame under way; the process thread's
        self._source: Source | None = None  # while it is in use: it may hold many pictures
        self._info: SourceInfo | None = None  # of a source that is no longer held
        self._incoming: Mailbox[Item] | BoundedQueue[Item] = (
            BoundedQueue(QUEUED_FRAMES, waits=True) if lossless else Mailbox()
        )
        self._arrivals: deque[float] = deque(maxlen=RATE_WINDOW)
        self._arrived = 0
        self._capturing = Worker(
            "capture", self._capture_step, lambda cause: None, clean_up=self._close, daemon=True
        )
        self._processing = Worker(
            "process", self._process_step, self._process_ended, clean_up=self._close
        )

    @property
    def info(self) -> SourceInfo | None:
        """What the source gives; None until it is open."""
        source = self._source
        return source.info if source is not None else self._info

    @property
    def dropped(self) -> int:
        """Frames replaced, or left out, before they were processed."""
        return self._incoming.dropped + self._skipped

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
        """End both threads and wait for them; frames on their way are dropped.

        A driver that hangs is not waited for: should it come back, its camera is given back then.
        """
        self._capturing.request_stop()
        self._processing.request_stop()
        self._incoming.close()  # ends the process thread, which closes the source
        if not self._capturing.join(STOPPED_S):
            log.warning("the source does not answer; it is left behind")
        self._processing.join()
        self._let_go()

    def land(self) -> None:
        """In the process thread: pass on the frame under way, if there is one."""
        landing, self._landing = self._landing, None
        if landing is not None:
            landing()

    def _capture_step(self) -> None:
        source = self._source
        if source is None:
            self._source = self._opener()
            return
        try:
            frame = source.read()
        except SourceAway as away:
            self._arrivals.clear()
            self._incoming.put(away)
            return
        if frame is None:
            raise Finished
        now = time.monotonic()
        self._arrivals.append(now)
        self._arrived += 1
        if self.frame_every > 1 and self._arrived % self.frame_every:
            self._skipped += 1
            return
        arrived_at = frame.captured_at if source.info.live else now
        self._incoming.put((frame, arrived_at, now))

    def _process_step(self) -> None:
        oldest = time.monotonic() - self.most_wait_s
        if isinstance(self._incoming, Mailbox):
            self._incoming.drop_if(lambda item: isinstance(item, tuple) and item[2] < oldest)
        if not self._incoming.waiting:
            self.land()
        free_at = time.monotonic()
        item = self._incoming.take(self._patience_s())
        if isinstance(item, SourceAway):
            self.land()
            self._on_away(self, item)
        elif item is not None:
            frame, arrived_at, came_at = item
            self._begin(frame, arrived_at, max(free_at - came_at, 0.0))
        elif (info := self.info) is not None:
            self._on_away(self, SourceAway(f"{info.name} gives no picture.", WAITED))

    def _begin(self, frame: Frame, arrived_at: float, waited_s: float) -> None:
        """One more frame; the one before it is passed on while a card is at this one."""
        try:
            landing = self._process(self, frame, arrived_at, waited_s)
        except Finished:
            self.land()
            raise
        self.land()
        self._landing = landing

    def _patience_s(self) -> float | None:
        """How long a camera may be silent; None for ever, as before its first frame."""
        info = self.info
        if info is None or info.camera is None or not self._arrived:
            return None
        slow = WATCHED_PERIODS * self.frame_every / info.rate if info.rate else 0.0
        last = list(self._arrivals)[-2:]
        slower = WATCHED_PERIODS * self.frame_every * (last[-1] - last[0]) if last else 0.0
        return max(WATCHED_S, slow, min(slower, WATCHED_MOST_S))

    def _close(self, cause: BaseException | None) -> None:
        """At the end of either thread; the other one waits for a frame, which ends with this."""
        self._incoming.close(cause)
        source = self._source
        if source is not None:
            source.close()

    def _process_ended(self, cause: BaseException | None) -> None:
        self._landing = None  # stopped or failed: a frame under way is not shown any more
        self._on_end(self, self._incoming.cause)

    def _let_go(self) -> None:
        """Forget the source, once no thread uses it; what it gave stays known."""
        self._info, self._source = self.info, None
