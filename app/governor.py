"""Keeps the delay under a target by giving up, step by step, what is missed least."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from app.settings import LatencySettings, Settings, fields_of, get_value, with_value

LEAST_FRAMES = 12  # before a window says anything
WINDOW_S = 1.0  # over which the delay is judged
WINDOW_FRAMES = 90  # most that are judged
ALARM = 0.9  # of the target: the 95th percentile above it costs a step
CALM = 0.6  # of the target: below it for long enough a step is taken back
CALM_S = 4.0  # how long at first
MOST_CALM_S = 64.0  # and at most, after steps that had to be taken again
RELAPSE_S = 8.0  # a step that is needed again within this was taken back too soon
GAP_S = 1.0  # without a frame for so long, what was measured before says nothing


@dataclass(frozen=True)
class Effort:
    """What is done at one step. Each number is at least what the user's own setting asks for.

    ``search_every``: frames between two searches of the whole picture. ``occluder_every``: frames
    between two looks for hands. ``preview_every``: every how many-th frame the window shows.
    ``fresh``: a frame that had to wait is left for the next one, so that the delay is that of the
    work alone. ``frame_every``: every how many-th frame of the camera is processed at all, which
    leaves the processor to the others.
    """

    says: str
    search_every: int = 1
    occluder_every: int = 1
    preview_every: int = 1
    fresh: bool = False
    frame_every: int = 1


# A search less often than every tenth frame would leave somebody who comes in unseen for too long.
EFFORTS = (
    Effort("full quality"),
    Effort("calmer preview", 8, 2, 2),
    Effort("fewer searches", 10, 4, 2),
    Effort("only fresh frames", 10, 4, 2, True),
    Effort("every 2nd frame", 10, 4, 1, True, 2),
)
KNOBS = {"detector.interval": "search_every", "mask.occluder_every": "occluder_every"}


@dataclass(frozen=True)
class GovernorStatus:
    """``step`` of ``steps`` is given up (0: nothing), in words ``says``; times in milliseconds.

    ``p95_ms`` is the delay of late, 0 where it is not known yet; ``holds`` whether it is under the
    target. ``changes`` counts the steps taken either way since the start.
    """

    enabled: bool
    target_ms: float
    p95_ms: float
    step: int
    steps: int
    says: str
    changes: int

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
        }


class Governor:
    """Is told each frame's delay; ``effort`` says what to do from the next frame on.

    A pure state machine: time is what it is told. A step down (less effort) needs one window whose
    95th percentile is above ``ALARM``; a step up needs ``CALM_S`` of windows below ``CALM``, and
    twice as long after each step up that had to be taken back, so that it does not swing. After
    every change a whole new window is measured.
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
        self._p95_ms = 0.0

    @property
    def effort(self) -> Effort:
        """What to do now."""
        return EFFORTS[self._step]

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
        )

    def frame_done(self, latency_ms: float, now_s: float, wanted: LatencySettings) -> Effort:
        """Take note of a frame that left the pipeline at ``now_s``; the effort from now on.

        Switched off it measures and always answers with full effort.
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
        while now_s - self._frames[0][0] > WINDOW_S and len(self._frames) > LEAST_FRAMES:
            self._frames.popleft()
        if len(self._frames) >= LEAST_FRAMES:
            self._p95_ms = float(np.percentile([ms for _, ms in self._frames], 95))
            if on:
                self._judge(now_s)
        return self.effort

    def _judge(self, now_s: float) -> None:
        if self._p95_ms > ALARM * self._target_ms:
            self._calm_since = None
            if self._step < len(EFFORTS) - 1:
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
    """``settings`` with what ``effort`` spares; a setting that this build lacks is left out."""
    if effort is EFFORTS[0]:
        return settings
    present = {spec.path: spec for spec in fields_of(settings)}
    for path, name in KNOBS.items():
        if path in present:
            limits = present[path].limits
            wanted = max(get_value(settings, path), getattr(effort, name))
            value = wanted if limits is None else min(wanted, int(limits[1]))
            settings = with_value(settings, path, value)
    return settings
