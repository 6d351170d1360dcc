"""What the window is given beside the session and the faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.capture.opening import CameraEntry
from app.capture.source import Source
from app.enrolment import Enrolments
from app.gui.building import EngineBuild
from app.settings import CaptureSettings


@dataclass(frozen=True)
class EngineLine:
    """What runs the networks now, and in a line for each other engine why it does not."""

    engine: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuiServices:
    """Filled by the entry point.

    ``open_source(text, settings)`` opens a camera, clip, picture or the demo for live use and may
    raise ``CaptureError``; ``engine`` says what runs the networks at this moment (it may change
    while they run); ``video_dir`` is where recordings and snapshots go; ``notes`` are
    sentences to show at the start (a damaged settings file, a model that was not used);
    ``engine_build`` is there where engines can be built and were not; ``enrolments`` keeps the
    performer's face, None where none can be enrolled.
    """

    list_cameras: Callable[[], list[CameraEntry]]
    open_source: Callable[[str, CaptureSettings], Source]
    engine: Callable[[], EngineLine]
    settings_path: Path
    video_dir: Path
    notes: tuple[str, ...] = ()
    engine_build: EngineBuild | None = None
    enrolments: Enrolments | None = None

    @property
    def window_path(self) -> Path:
        """Where the window's size and place are kept: beside the settings."""
        return self.settings_path.with_name("window.ini")
