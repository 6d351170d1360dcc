"""Why a camera is slower or smaller than asked, and what mends it. No device is touched here."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from app.capture.listing import CameraEntry

USB2_MBIT = 480
USABLE = 0.5  # share of a USB connection that pictures get: 24 MB/s of USB 2
COMPRESSED = frozenset({"MJPG", "JPEG", "H264", "HEVC"})
PLAIN_BITS = {"NV12": 12, "YU12": 12, "I420": 12, "YV12": 12, "GREY": 8, "RGB3": 24, "BGR3": 24}
SLOW = 0.85  # of the rate that was promised
SMALLER = ((1280, 720), (960, 540), (800, 600), (640, 480), (640, 360), (424, 240), (320, 240))


class Fix(enum.Enum):
    """What a button or ``omokage doctor --fix-camera`` can do."""

    KEEP_RATE = "keep the rate in the dark"
    SMALLER = "ask for a smaller picture"


@dataclass(frozen=True)
class CameraFacts:
    """What is known of an open camera: asked, given and, where the system tells, what it can.

    Sizes are (width, height) in pixels, rates frames per second (0: not said, not measured);
    ``given_format`` and ``formats`` are four characters each; ``slows_in_the_dark`` is None where
    that is not known.
    """

    entry: CameraEntry
    asked_size: tuple[int, int]
    asked_rate: float
    given_size: tuple[int, int]
    given_rate: float
    given_format: str = ""
    formats: tuple[str, ...] = ()
    slows_in_the_dark: bool | None = None


@dataclass(frozen=True)
class CameraFinding:
    """What is wrong, what to do, and what can do it: ``fix`` with ``size`` for ``SMALLER``."""

    what: str
    remedy: str
    fix: Fix | None = None
    size: tuple[int, int] | None = None


def diagnose(facts: CameraFacts, measured_rate: float = 0.0) -> list[CameraFinding]:
    """What keeps this camera from what was asked of it; the likeliest cause first."""
    found = [*_uncompressed(facts), *_slow(facts, measured_rate)]
    return found or [*_other_than_asked(facts)]


def most_by_usb(facts: CameraFacts) -> float:
    """Frames per second of this size and format that its USB connection carries; 0: no limit."""
    if facts.given_format in COMPRESSED or not facts.given_format or not facts.entry.usb_mbit:
        return 0.0
    return USABLE * facts.entry.usb_mbit * 1e6 / _bits(facts.given_size, facts.given_format)


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have about the same shape: 16:9 should stay 16:9."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) < 0.02


def _bits(size: tuple[int, int], code: str) -> int:
    return size[0] * size[1] * PLAIN_BITS.get(code, 16)


def _uncompressed(facts: CameraFacts) -> Iterator[CameraFinding]:
    most = most_by_usb(facts)
    if not most or most >= facts.asked_rate * SLOW:
        return
    what = (
        f"It sends {_size(facts.given_size)} uncompressed ({facts.given_format}); its USB "
        f"connection ({_speed(facts.entry.usb_mbit)}) carries {most:.0f} of "
        f"{facts.asked_rate:g} frames/s."
    )
    fits = [
        size
        for size in SMALLER
        if size[0] < facts.given_size[0]
        and USABLE * facts.entry.usb_mbit * 1e6 / _bits(size, facts.given_format)
        >= facts.asked_rate
    ]
    if "MJPG" in facts.formats:
        remedy = "It offers MJPG, but did not take it: close other programs that use it."
    elif facts.entry.usb_mbit <= USB2_MBIT:
        remedy = "Plug it into a USB 3 port, or ask for a smaller picture."
    else:
        remedy = "Ask for a smaller picture."
    size = next((s for s in fits if _alike(s, facts.given_size)), fits[0] if fits else None)
    yield CameraFinding(what, remedy, Fix.SMALLER if size else None, size)


def _slow(facts: CameraFacts, measured: float) -> Iterator[CameraFinding]:
    promised = facts.given_rate or facts.asked_rate
    most = most_by_usb(facts)
    if not measured or measured >= SLOW * min(promised, most or promised):
        return
    what = f"It gives {measured:.0f} of {promised:g} frames/s."
    if facts.slows_in_the_dark:
        remedy = "It exposes longer in dim light. Use more light, or keep its rate."
        yield CameraFinding(what, remedy, Fix.KEEP_RATE)
    elif facts.slows_in_the_dark is None:
        remedy = "Most cameras do so in dim light: use more light, or another USB port."
        yield CameraFinding(what, remedy)
    else:
        yield CameraFinding(what, "Use another USB port, without a hub.")


def _other_than_asked(facts: CameraFacts) -> Iterator[CameraFinding]:
    slower = 0 < facts.given_rate < facts.asked_rate - 1
    if facts.given_size == facts.asked_size and not slower:
        return
    rate = f" at {facts.given_rate:g}" if facts.given_rate else ""
    yield CameraFinding(
        f"Asked for {_size(facts.asked_size)} at {facts.asked_rate:g}, "
        f"the camera gives {_size(facts.given_size)}{rate}.",
        "",
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _speed(mbit: int) -> str:
    return {12: "USB 1", 480: "USB 2"}.get(mbit, f"USB 3, {mbit / 1000:g} Gbit/s")
