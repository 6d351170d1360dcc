"""Keys on Windows: ``RegisterHotKey`` in a thread that waits for its messages.

https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerhotkey
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Protocol

from app.hotkeys.chord import Chord
from app.hotkeys.grab import OnPress
from app.worker import Finished, Worker

MODIFIERS = {"Alt": 1, "Ctrl": 2, "Shift": 4, "Meta": 8}
NO_REPEAT = 0x4000
WM_HOTKEY, WM_QUIT = 0x0312, 0x0012
VIRTUAL_KEYS = {
    "Backspace": 0x08,
    "Tab": 0x09,
    "Return": 0x0D,
    "Pause": 0x13,
    "Esc": 0x1B,
    "Space": 0x20,
    "PgUp": 0x21,
    "PgDown": 0x22,
    "End": 0x23,
    "Home": 0x24,
    "Left": 0x25,
    "Up": 0x26,
    "Right": 0x27,
    "Down": 0x28,
    "Ins": 0x2D,
    "Del": 0x2E,
    **{f"F{number}": 0x6F + number for number in range(1, 25)},
}


class User32(Protocol):
    """What is needed of the system; all but ``quit`` are called in one thread."""

    def register(self, number: int, modifiers: int, key: int) -> bool:
        """Whether the key is ours now."""
        ...

    def unregister(self, number: int) -> None:
        """Give it back."""
        ...

    def next_hotkey(self) -> int | None:
        """Wait for a press: its number, or None once ``quit`` was called."""
        ...

    def thread(self) -> int:
        """The calling thread, for ``quit``; makes its message queue."""
        ...

    def quit(self, thread: int) -> None:
        """End a thread's ``next_hotkey``."""
        ...


class WindowsGrabber:
    """See ``app.hotkeys.grab.Grabber``."""

    def __init__(self, chords: Sequence[Chord], on_press: OnPress, user32: User32) -> None:
        self.refused: dict[Chord, str] = {}
        self._chords = dict(enumerate(chords, 1))
        self._on_press = on_press
        self._user32 = user32
        self._ready = threading.Event()
        self._thread = 0
        self._worker = Worker("hotkeys", self._step, self._ended)
        self._worker.start()
        self._ready.wait()

    def close(self) -> None:
        """Give the keys back."""
        if self._worker.alive:
            self._user32.quit(self._thread)
            self._worker.join()

    def _step(self) -> None:
        if not self._ready.is_set():
            self._register()
        number = self._user32.next_hotkey()
        if number is None:
            raise Finished
        if number in self._chords:
            self._on_press(self._chords[number])

    def _register(self) -> None:
        self._thread = self._user32.thread()
        for number, chord in self._chords.items():
            modifiers = NO_REPEAT + sum(MODIFIERS[name] for name in chord.modifiers)
            key = VIRTUAL_KEYS.get(chord.key, ord(chord.key[0]))
            if not self._user32.register(number, modifiers, key):
                self.refused[chord] = "another program has it"
        self._ready.set()

    def _ended(self, cause: BaseException | None) -> None:
        for number, chord in self._chords.items():
            if chord not in self.refused:
                self._user32.unregister(number)
        self._ready.set()


class _Message(ctypes.Structure):
    _fields_ = (
        ("window", ctypes.c_void_p),
        ("message", ctypes.c_uint),
        ("first", ctypes.c_size_t),
        ("second", ctypes.c_ssize_t),
        ("time", ctypes.c_uint32),
        ("x", ctypes.c_long),
        ("y", ctypes.c_long),
        ("private", ctypes.c_uint32),
    )


class _System:
    """The real ``User32``."""

    def __init__(self) -> None:
        self._user32 = ctypes.CDLL("user32")
        self._kernel32 = ctypes.CDLL("kernel32")
        self._user32.GetMessageW.argtypes = (
            ctypes.POINTER(_Message),
            ctypes.c_void_p,
            ctypes.c_uint,
            ctypes.c_uint,
        )
        self._user32.RegisterHotKey.argtypes = (
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
        )
        self._user32.UnregisterHotKey.argtypes = (ctypes.c_void_p, ctypes.c_int)

    def register(self, number: int, modifiers: int, key: int) -> bool:
        """As ``User32``."""
        return bool(self._user32.RegisterHotKey(None, number, modifiers, key))

    def unregister(self, number: int) -> None:
        """As ``User32``."""
        self._user32.UnregisterHotKey(None, number)

    def next_hotkey(self) -> int | None:
        """As ``User32``."""
        message = _Message()
        while self._user32.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
            if message.message == WM_HOTKEY:
                return int(message.first)
        return None

    def thread(self) -> int:
        """As ``User32``."""
        self._user32.PeekMessageW(ctypes.byref(_Message()), None, 0, 0, 0)
        return int(self._kernel32.GetCurrentThreadId())

    def quit(self, thread: int) -> None:
        """As ``User32``."""
        self._user32.PostThreadMessageW(thread, WM_QUIT, 0, 0)


def load_user32() -> User32:
    """The system's own; on Windows alone."""
    return _System()
