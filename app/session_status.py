"""How a session stands at one moment."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.capture.source import SourceInfo
from app.errors import AppError
from app.governor import GovernorStatus
from app.sinks.live_output import OutputStatus
from app.stages.privacy import Reason, Showing
from app.timing import TimingReport


class State(enum.Enum):
    """Where a session stands."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class RecordingStatus:
    """A recording under way; ``dropped`` frames came faster than they could be written."""

    path: Path
    seconds: float
    bytes_written: int
    dropped: int


@dataclass(frozen=True)
class SessionStatus:
    """A session at one moment.

    ``problem`` is the first cause behind FAILED; ``measured_rate`` is what the source really gives,
    in frames per second; ``dropped`` counts frames replaced before they were processed; ``notice``
    is one sentence about something that did not end the session, or empty. ``showing`` is what the
    newest frame shows and ``reason`` why, ``shown`` how many frames showed what since the start,
    ``panicked`` whether the output is hidden until ``resume``; ``outputs`` are the live ones that
    are switched on, and ``recorded`` the file that was finished and that ``stop_recording`` gives.
    ``away`` says why a camera gives nothing for now, ``recoveries`` how often it came back, and
    ``governor`` what is spared for the sake of the delay. ``refusal`` says why the source face may
    not be used any more, ``unsealed`` why the last recording has no content credentials; both may
    be empty.
    """

    state: State
    problem: AppError | None
    source: SourceInfo | None
    measured_rate: float
    timing: TimingReport
    dropped: int
    recording: RecordingStatus | None
    notice: str
    showing: Showing | None = None
    shown: Mapping[Showing, int] = field(default_factory=dict)
    panicked: bool = False
    outputs: tuple[OutputStatus, ...] = ()
    recorded: Path | None = None
    refusal: str = ""
    unsealed: str = ""
    reason: Reason = Reason.NONE
    away: AppError | None = None
    recoveries: int = 0
    governor: GovernorStatus | None = None
