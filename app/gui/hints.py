"""What the short notes over the picture say: that no face is in view, how long it records."""

from __future__ import annotations

import time

from app.gui.transport import clock
from app.session import SessionStatus
from app.settings import Settings
from app.stages.identity import Identity
from app.stages.privacy import Reason, Showing

MISSING_S = 1.0  # a face that is away for less is not worth a word


class Hints:
    """Remembers when a face was last seen."""

    def __init__(self) -> None:
        self._seen_at = 0.0  # monotonic, seconds

    def face_seen(self) -> None:
        """There is one now, or nothing was to be seen yet."""
        self._seen_at = time.monotonic()

    def text(
        self,
        status: SessionStatus,
        settings: Settings,
        identity: Identity | None,
        *,
        enrolled: bool,
    ) -> str:
        """What the user should do or know; empty for nothing. The chip says what is hidden."""
        if status.away is not None or not settings.swap:
            return ""
        if settings.detector.faces == "me" and not enrolled:
            return "Enrol your face first"
        if identity is None:
            return "Choose a face below"
        if status.showing not in (None, Showing.LIVE) or status.reason is Reason.EMPTY:
            return ""
        return "No face in view" if time.monotonic() - self._seen_at > MISSING_S else ""


def recording_text(status: SessionStatus) -> str:
    """The time recorded; empty where nothing is."""
    return f"REC {clock(status.recording.seconds)}" if status.recording is not None else ""
