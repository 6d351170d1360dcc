"""The contract of everything that gives frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.capture.diagnosis import CameraFacts
from app.errors import CaptureError
from app.frame import Frame


class SourceAway(CaptureError):  # noqa: N818 - a state that passes, not the end of a source
    """A live source gives nothing for now; a later ``read`` may find it back."""


@dataclass(frozen=True)
class SourceInfo:
    """What a source really gives, read back from it.

    ``width`` and ``height`` in pixels; ``rate`` in frames per second, 0 where the source does not
    say; ``frame_count`` is None for a live source; ``note`` is one sentence where what was asked
    and what was given differ, else empty; ``camera`` is what is known of a camera or stream.
    """

    name: str
    width: int
    height: int
    rate: float
    live: bool
    frame_count: int | None = None
    note: str = ""
    camera: CameraFacts | None = None


class Source(Protocol):
    """Gives frames one after the other. Open, checked and first frame seen when constructed.

    Used by one thread. A live source may drop frames; a clip gives each one in order.
    """

    @property
    def info(self) -> SourceInfo:
        """What this source gives."""

    def read(self) -> Frame | None:
        """The next frame, waiting at most about half a second; None at the end of a finite source.

        Raises ``CaptureError`` where the source breaks off or gives damaged frames, and its child
        ``SourceAway`` where it was unplugged or stalls: then ``read`` may be called again.
        """

    def close(self) -> None:
        """Give the device or file back; may be called twice, and from another thread than read."""
