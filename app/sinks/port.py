"""What a live output sends its pictures into: a device, a server, a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.frame import Pixels


@dataclass(frozen=True)
class Format:
    """Size in pixels (even) and rate in frames per second; fixed while the output is open."""

    width: int
    height: int
    rate: float

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"format is {self.width} x {self.height}, expected even sides from 2")
        if not 1 <= self.rate <= 240:
            raise ValueError(f"rate is {self.rate}, expected 1 to 240 frames a second")


class Port(Protocol):
    """An open device. Used by one thread; ``name``, ``address`` and ``viewers`` from any."""

    @property
    def name(self) -> str:
        """What the user looks for in other programs, e.g. ``Omokage (/dev/video10)``."""

    @property
    def address(self) -> str:
        """What the user copies into other programs, or empty."""

    @property
    def viewers(self) -> int | None:
        """How many programs look at it; None where that cannot be known."""

    def send(self, pixels: Pixels) -> None:
        """Show a picture of the format's size; the same array again is a repeat.

        Returns within a second, the first time within ten; raises ``SinkError`` where the device
        is gone or stalls.
        """

    def close(self) -> None:
        """Give the device back; may be called twice, never raises."""


PortOpener = Callable[[Format], Port]  # SinkError where the device is missing or busy
