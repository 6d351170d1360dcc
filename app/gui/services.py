"""What the window is given beside the session and the faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.capture.opening import CameraEntry
from app.capture.source import Source
from app.settings import CaptureSettings


@dataclass(frozen=True)
class GuiServices:
    """Filled by the entry point.

    ``open_source(text, settings)`` opens a camera, clip, picture or the demo for live use and may
    raise ``CaptureError``; ``video_dir`` is where recordings and snapshots go; ``notes`` are
    sentences to show at the start (a damaged settings file, a model that was not used);
    ``unavailable`` says of settings (by dotted path) why they have no effect here.
    """

    list_cameras: Callable[[], list[CameraEntry]]
    open_source: Callable[[str, CaptureSettings], Source]
    device: str
    engine: str
    settings_path: Path
    video_dir: Path
    notes: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def window_path(self) -> Path:
        """Where the window's size and place are kept: beside the settings."""
        return self.settings_path.with_name("window.ini")
