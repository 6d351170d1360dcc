"""What the window is given beside the session and the faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.automatic_build import AutomaticBuild
from app.capture.opening import CameraEntry
from app.capture.source import Source
from app.capture.v4l2 import keep_the_rate
from app.control.performing import Performer
from app.control.server import ControlServer
from app.engine_builder import EngineBuild
from app.enrolment import Enrolments
from app.hotkeys.grab import Grab
from app.settings import CaptureSettings, Settings


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
    while they run); ``video_dir`` is where recordings and snapshots go; ``notes`` are sentences to
    show at the start (a damaged settings file, a model that was not used); ``rescue`` brings back
    recordings that a kill cut off, which may take a while, and says so; ``engine_build`` is
    there where engines can be built and were not, ``automatic_build`` does it unasked;
    ``enrolments`` keeps the performer's face, None where none can be enrolled.
    ``open_control(performer, port)`` lets other programs give commands; ``grab`` takes keys from
    the system, or is None for the reason ``no_grab``; ``scene`` is shown first.
    ``keep_camera_rate(id)`` forbids a camera to slow down in the dark (``CaptureError``);
    ``machine`` names the processor, for reports; ``unavailable`` says of settings (by dotted path)
    why they have no effect here; ``mishap`` says what went wrong with a network since, if anything;
    ``kept_settings`` are those on disk, where this run begins with others that are not to be kept.
    """

    list_cameras: Callable[[], list[CameraEntry]]
    open_source: Callable[[str, CaptureSettings], Source]
    engine: Callable[[], EngineLine]
    settings_path: Path
    video_dir: Path
    notes: tuple[str, ...] = ()
    rescue: Callable[[], list[str]] = list
    engine_build: EngineBuild | None = None
    automatic_build: AutomaticBuild | None = None
    enrolments: Enrolments | None = None
    keep_camera_rate: Callable[[str], None] = keep_the_rate
    machine: str = ""
    scenes_path: Path | None = None  # None: beside the settings
    open_control: Callable[[Performer, int], ControlServer] | None = None
    grab: Grab | None = None
    no_grab: str = "These keys work in this window alone."
    scene: str = ""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    kept_settings: Settings | None = None
    mishap: Callable[[], str] = str

    @property
    def scenes_file(self) -> Path:
        """Where the scenes are kept."""
        return self.scenes_path or self.settings_path.with_name("scenes.toml")

    @property
    def window_path(self) -> Path:
        """Where the window's size and place are kept: beside the settings."""
        return self.settings_path.with_name("window.ini")
