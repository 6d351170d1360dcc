"""Taking keys from the whole system where it lets a program do so.

Only the keys that were asked for are ever seen: a grab, not a listener to everything typed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from app.hotkeys.chord import Chord

INSTEAD = "bind a key to omokage control in the system's own settings"


class Grabber(Protocol):
    """Holds keys from its making until ``close``.

    The callback it was made with is called from its thread, once a press, without repeats, and
    must return at once.
    """

    @property
    def refused(self) -> Mapping[Chord, str]:
        """What could not be taken, and why."""
        ...

    def close(self) -> None:
        """Give the keys back and end the thread; may be called twice."""
        ...


OnPress = Callable[[Chord], None]
Grab = Callable[[Sequence[Chord], OnPress], Grabber]


def unavailable(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """One sentence why no key can be taken from the whole system here; empty where one can."""
    if platform in ("win32", "cygwin"):
        return ""
    if platform == "darwin":
        return f"On macOS the keys work in this window alone; {INSTEAD}."
    if environment.get("WAYLAND_DISPLAY"):
        return f"Wayland gives keys to the window in front alone; {INSTEAD}."
    if not environment.get("DISPLAY"):
        return f"There is no X display, so the keys work in this window alone; {INSTEAD}."
    return ""


def grab_keys(chords: Sequence[Chord], on_press: OnPress) -> Grabber:
    """Take ``chords``; ``SettingsError`` where the system does not answer.

    Only where ``unavailable`` is empty.
    """
    if sys.platform == "win32":
        from app.hotkeys.windows import WindowsGrabber, load_user32

        return WindowsGrabber(chords, on_press, load_user32())
    from app.hotkeys.x11 import X11Grabber

    return X11Grabber(chords, on_press)
