"""Keeps the delay under a target by giving up, step by step, what is missed least."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from app.settings import LatencySettings, Settings

LEAST_FRAMES = 12  # before a window says anything good
QUICK_FRAMES = 5  # of which all but one are too late: enough for something bad
WINDOW_S = 1.0  # over which the delay is judged
WINDOW_FRAMES = 90  # most that are judged
WORTH = 0.8  # of the target: a frame that is expected to take longer is not begun
ALARM = 0.9  # of the target: the 95th percentile above it costs a step
CALM = 0.6  # of the target: below it for long enough a step is taken back
CALM_S = 4.0  # how long at first
MOST_CALM_S = 64.0  # and at most, after steps that had to be taken again
RELAPSE_S = 8.0  # a step that is needed again within this was taken back too soon
RECENT_FRAMES = 20  # whose work says what the next one will take
WORK_SHARE = 90  # percentile of it
FRESH_ONLY_MS = 5.0  # a frame that may wait no longer than this may not wait at all
GAP_S = 1.0  # without a frame for so long, what was measured before says nothing


@dataclass(frozen=True)
class Effort:
    """What is done at one step. Each number is at least what the user's own setting asks for.

    ``search_every``: frames between two searches of the whole picture. ``occluder_every``: frames
    between two looks for hands. ``preview_every``: every how many-th frame the window shows.
    ``patient``: searches whose turn it is come after the frame is out (``Wishes.patient``).
    ``frame_every``: every how many-th frame of the camera is processed at all, which leaves the
    processor to the others.
    """

    says: str
    search_every: int = 1
    occluder_every: int = 1
    preview_every: int = 1
    patient: bool = False
    frame_every: int = 1


# Rarer searches would leave somebody who comes in unseen for too long: one that is patient after
# nine frames finds them as soon as one in every tenth. Of half the frames more must be searched.
EFFORTS = (
    Effort("full quality"),
    Effort("calmer preview", 7, 2, 2, True),
    Effort("fewer searches", 9, 4, 2, True),
    Effort("every 2nd frame", 5, 4, 1, True, 2),
)


@dataclass(frozen=True)
class GovernorStatus:
    """``step`` of ``steps`` is given up (0: nothing), in words ``says``; times in milliseconds.

    ``p95_ms`` is the delay of late, 0 where it is not known yet; ``holds`` whether it is under the
    target. ``changes`` counts the steps taken either way since the start; ``fresh_only`` says that
    no frame may wait any more.
    """

    enabled: bool
    target_ms: float
    p95_ms: float
    step: int
    steps: int
    says: str
    changes: int
    fresh_only: bool = False

    @property
    def holds(self) -> bool:
        """Whether the delay is under the target."""
        return self.p95_ms <= self.target_ms

    def as_dict(self) -> dict[str, float | str | bool]:
        """As in ``--json``."""
        return {
            "enabled": self.enabled,
            "target_ms": self.target_ms,
            "p95_ms": round(self.p95_ms, 2),
            "holds": self.holds,
            "step": self.step,
            "steps": self.steps,
            "says": self.says,
            "changes": self.changes,
            "fresh_only": self.fresh_only,
        }


class Governor:
    """Is told each frame's delay; ``effort`` says what to do from the next frame on.

    A pure state machine: time is what it is told. Two things it does. ``most_wait_s`` follows the
    work of the last frames at once: a frame that waited so long that it would come too late is left
    for the next one, which is younger. What that does not mend, because the work itself takes too
    long, is left to the steps. One down (less effort) needs a window whose 95th percentile is above
    ``ALARM`` by more than one frame, or nearly all of ``QUICK_FRAMES``; one up needs ``CALM_S`` of
    windows below ``CALM``, and twice as long after each step up that had to be taken back, so that
    it does not swing. After every change a new window is measured.
    """

    def __init__(self) -> None:
        self._enabled, self._target_ms = True, 0.0
        self.reset()

    def reset(self) -> None:
        """Begin anew with full effort (another source)."""
        self._step = 0
        self._changes = 0
        self._calm_s = CALM_S
        self._eased_at: float | None = None  # the last step up in quality
        self._calm_since: float | None = None
        self._frames: deque[tuple[float, float]] = deque(maxlen=WINDOW_FRAMES)
        self._work_ms: deque[float] = deque(maxlen=RECENT_FRAMES)
        self._p95_ms = 0.0

    @property
    def effort(self) -> Effort:
        """What to do now."""
        return EFFORTS[self._step]

    @property
    def most_wait_s(self) -> float:
        """How long a frame may have waited to be worth the work; infinite where any may."""
        if not self._enabled or len(self._work_ms) < QUICK_FRAMES:
            return float("inf")
        left_ms = WORTH * self._target_ms - np.percentile(self._work_ms, WORK_SHARE)
        return max(float(left_ms), 0.0) / 1000

    def status(self) -> GovernorStatus:
        """How it stands."""
        return GovernorStatus(
            enabled=self._enabled,
            target_ms=self._target_ms,
            p95_ms=self._p95_ms,
            step=self._step,
            steps=len(EFFORTS) - 1,
            says=self.effort.says,
            changes=self._changes,
            fresh_only=self.most_wait_s * 1000 < FRESH_ONLY_MS,
        )

    def frame_done(
        self, latency_ms: float, now_s: float, wanted: LatencySettings, waited_ms: float = 0.0
    ) -> Effort:
        """Take note of a frame that left the pipeline at ``now_s``; the effort from now on.

        ``waited_ms`` of the latency it waited for the frame before. Switched off it measures and
        always answers with full effort.
        """
        on, target_ms = wanted.governor, float(wanted.target_ms)
        if (on, target_ms) != (self._enabled, self._target_ms):
            self._enabled, self._target_ms = on, target_ms
            self._calm_since = None
            if not on and self._step:
                self._move(0)
        if self._frames and now_s - self._frames[-1][0] > GAP_S:
            self._forget()
        self._frames.append((now_s, latency_ms))
        self._work_ms.append(max(latency_ms - waited_ms, 0.0))
        while now_s - self._frames[0][0] > WINDOW_S and len(self._frames) > LEAST_FRAMES:
            self._frames.popleft()
        delays = [ms for _, ms in self._frames]
        late = [ms > ALARM * target_ms for ms in delays]
        quick = len(late) >= QUICK_FRAMES and sum(late[-QUICK_FRAMES:]) >= QUICK_FRAMES - 1
        if len(late) >= LEAST_FRAMES or quick:
            self._p95_ms = float(np.percentile(delays, 95))
            if on:
                self._judge(now_s, sum(late))
        return self.effort

    def _judge(self, now_s: float, late: int) -> None:
        if self._p95_ms > ALARM * self._target_ms:
            self._calm_since = None
            if late > 1 and self._step < len(EFFORTS) - 1:
                if self._eased_at is not None and now_s - self._eased_at < RELAPSE_S:
                    self._calm_s = min(2 * self._calm_s, MOST_CALM_S)
                self._eased_at = None
                self._move(self._step + 1)
        elif self._p95_ms > CALM * self._target_ms or self._step == 0:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now_s
        elif now_s - self._calm_since >= self._calm_s:
            self._eased_at = now_s
            self._move(self._step - 1)

    def _move(self, step: int) -> None:
        self._step = step
        self._changes += 1
        self._forget()

    def _forget(self) -> None:
        self._frames.clear()
        self._calm_since = None


def governed(settings: Settings, effort: Effort) -> Settings:
    """``settings`` with what ``effort`` spares."""
    if effort is EFFORTS[0]:
        return settings
    detector, mask = settings.detector, settings.mask
    search_every = max(detector.interval, effort.search_every)
    occluder_every = max(mask.occluder_every, effort.occluder_every)
    return replace(
        settings,
        detector=replace(detector, interval=search_every),
        mask=replace(mask, occluder_every=occluder_every),
    )
