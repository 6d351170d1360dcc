"""The frame that is shown instead of a picture: nothing of the camera, marked like every output."""

from __future__ import annotations

from functools import lru_cache

from app.frame import Frame, Pixels
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import BadgeSettings
from app.stages.privacy import Reason
from app.stages.veil import slate

WORD = "Hidden"
SENTENCES = {
    Reason.NOBODY: "No face in view",
    Reason.LOST: "The face is out of sight",
    Reason.DOUBTFUL: "The face cannot be seen clearly",
    Reason.FAILED: "The face cannot be swapped",
    Reason.NO_SOURCE: "Choose a face",
    Reason.PAUSED: "The swap is off",
    Reason.PANIC: "The picture is paused",
}


def slated(frame: Frame, reason: Reason, badge: BadgeSettings) -> Frame:
    """A slate of the frame's size and time that says why; badge and invisible mark are on it."""
    height, width = frame.pixels.shape[:2]
    sentence = SENTENCES.get(reason, "")
    return Frame(_made(height, width, sentence, badge), frame.index, frame.captured_at)


def slate_pixels(width: int, height: int, word: str, sentence: str) -> Pixels:
    """The slate of a live output, read-only, with badge and invisible mark."""
    return _made(height, width, sentence, BadgeSettings(), word)


@lru_cache(maxsize=8)
def _made(height: int, width: int, sentence: str, badge: BadgeSettings, word: str = WORD) -> Pixels:
    pixels = slate(height, width, word, sentence)
    draw_badge(pixels, badge)
    apply_mark(pixels)
    pixels.flags.writeable = False
    return pixels
