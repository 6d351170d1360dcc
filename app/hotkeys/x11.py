"""Keys on an X display: grabs on the root window over a connection of their own (libxcb).

Checked requests give each refusal by itself; Xlib's error handler would belong to the process.
Layouts of structures: https://xcb.freedesktop.org/manual/ and the X11 protocol, appendix B.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
from collections.abc import Sequence
from typing import Any

from app.errors import SettingsError
from app.hotkeys.chord import Chord
from app.hotkeys.grab import OnPress
from app.worker import Finished, Worker

KEYSYMS = {  # X11/keysymdef.h; letters and digits are their own (small) Latin-1 codes
    "Esc": 0xFF1B,
    "Space": 0x20,
    "Tab": 0xFF09,
    "Return": 0xFF0D,
    "Backspace": 0xFF08,
    "Ins": 0xFF63,
    "Del": 0xFFFF,
    "Home": 0xFF50,
    "Left": 0xFF51,
    "Up": 0xFF52,
    "Right": 0xFF53,
    "Down": 0xFF54,
    "PgUp": 0xFF55,
    "PgDown": 0xFF56,
    "End": 0xFF57,
    "Pause": 0xFF13,
    **{f"F{number}": 0xFFBD + number for number in range(1, 25)},
}
MASKS = {"Shift": 1, "Ctrl": 4, "Alt": 8, "Meta": 64}
LOCKS = (0, 2, 16, 18)  # with and without Caps Lock and Num Lock
HELD = 1 | 4 | 8 | 64
KEY_PRESS, KEY_RELEASE = 2, 3
REPEAT_MS = 5  # a press so soon after its release is the keyboard repeating
BAD_ACCESS = 10


class _Setup(ctypes.Structure):
    _fields_ = (
        ("head", ctypes.c_uint8 * 34),
        ("min_keycode", ctypes.c_uint8),
        ("max_keycode", ctypes.c_uint8),
    )


class _Roots(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.POINTER(ctypes.c_uint32)),
        ("rem", ctypes.c_int),
        ("index", ctypes.c_int),
    )


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


class _KeyEvent(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("keycode", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("time", ctypes.c_uint32),
        ("windows", ctypes.c_uint32 * 3),
        ("places", ctypes.c_int16 * 4),
        ("state", ctypes.c_uint16),
    )


class _Error(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_uint8), ("code", ctypes.c_uint8))


class _Mapping(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("per_keycode", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint32),
        ("pad", ctypes.c_uint8 * 24),
    )


def _library() -> tuple[Any, Any]:
    """libxcb, and what frees its answers."""
    try:
        xcb, libc = ctypes.CDLL("libxcb.so.1"), ctypes.CDLL(None)
    except OSError as error:
        raise SettingsError(
            "Keys cannot be taken from other programs: libxcb is missing.",
            "On Debian or Ubuntu run: sudo apt install libxcb1",
        ) from error
    void, u8, u16, u32 = ctypes.c_void_p, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
    signatures = {
        "xcb_connect": (void, (ctypes.c_char_p, void)),
        "xcb_connection_has_error": (ctypes.c_int, (void,)),
        "xcb_disconnect": (None, (void,)),
        "xcb_get_file_descriptor": (ctypes.c_int, (void,)),
        "xcb_get_setup": (ctypes.POINTER(_Setup), (void,)),
        "xcb_setup_roots_iterator": (_Roots, (void,)),
        "xcb_get_keyboard_mapping": (_Cookie, (void, u8, u8)),
        "xcb_get_keyboard_mapping_reply": (ctypes.POINTER(_Mapping), (void, _Cookie, void)),
        "xcb_grab_key_checked": (_Cookie, (void, u8, u32, u16, u8, u8, u8)),
        "xcb_ungrab_key_checked": (_Cookie, (void, u8, u32, u16)),
        "xcb_request_check": (ctypes.POINTER(_Error), (void, _Cookie)),
        "xcb_poll_for_event": (ctypes.POINTER(_KeyEvent), (void,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(xcb, name)
        function.restype, function.argtypes = result, arguments
    libc.free.restype, libc.free.argtypes = None, (void,)
    return xcb, libc.free


class X11Grabber:
    """See ``app.hotkeys.grab.Grabber``; ``display`` as in DISPLAY, None for that one."""

    def __init__(
        self, chords: Sequence[Chord], on_press: OnPress, display: str | None = None
    ) -> None:
        self.refused: dict[Chord, str] = {}
        self._on_press = on_press
        self._taken: dict[tuple[int, int], Chord] = {}  # by keycode and held modifiers
        self._released = (0, 0)  # keycode and server time of the last release
        self._xcb, self._free = _library()
        self._connection = self._xcb.xcb_connect(display.encode() if display else None, None)
        if self._xcb.xcb_connection_has_error(self._connection):
            self._xcb.xcb_disconnect(self._connection)
            raise SettingsError("The X display does not answer, so no key can be taken.")
        self._grab(chords)
        self._wake_read, self._wake_write = os.pipe()
        self._worker: Worker | None = Worker("hotkeys", self._step, lambda cause: None)
        self._worker.start()

    def close(self) -> None:
        """The server gives the keys back when the connection ends."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        os.write(self._wake_write, b"x")
        worker.join()
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._xcb.xcb_disconnect(self._connection)

    def _grab(self, chords: Sequence[Chord]) -> None:
        setup = self._xcb.xcb_get_setup(self._connection)
        root = self._xcb.xcb_setup_roots_iterator(setup).data[0]
        keycodes = self._keycodes(setup.contents.min_keycode, setup.contents.max_keycode)
        for chord in chords:
            symbol = KEYSYMS.get(chord.key, ord(chord.key[0].lower()))
            code = keycodes.get(symbol)
            if code is None:
                self.refused[chord] = "this keyboard has no such key"
                continue
            mask = sum(MASKS[name] for name in chord.modifiers)
            refusals = [self._grab_one(root, code, mask | lock) for lock in LOCKS]
            if any(refusals):
                self.refused[chord] = next(filter(None, refusals))
                for lock in LOCKS:  # nobody else would have them either
                    self._give_back(root, code, mask | lock)
            else:
                self._taken[code, mask] = chord

    def _grab_one(self, root: int, code: int, mask: int) -> str:
        asynchronous = 1
        cookie = self._xcb.xcb_grab_key_checked(
            self._connection, 0, root, mask, code, asynchronous, asynchronous
        )
        error = self._xcb.xcb_request_check(self._connection, cookie)
        if not error:
            return ""
        problem = error.contents.code
        self._free(error)
        if problem == BAD_ACCESS:
            return "another program has it"
        return f"the X server answered with error {problem}"

    def _give_back(self, root: int, code: int, mask: int) -> None:
        cookie = self._xcb.xcb_ungrab_key_checked(self._connection, code, root, mask)
        self._free(self._xcb.xcb_request_check(self._connection, cookie))

    def _keycodes(self, first: int, last: int) -> dict[int, int]:
        """Symbol to keycode, of the first group of the layout."""
        count = last - first + 1
        cookie = self._xcb.xcb_get_keyboard_mapping(self._connection, first, count)
        reply = self._xcb.xcb_get_keyboard_mapping_reply(self._connection, cookie, None)
        if not reply:
            return {}
        per = reply.contents.per_keycode
        start = ctypes.addressof(reply.contents) + ctypes.sizeof(_Mapping)
        symbols = (ctypes.c_uint32 * (per * count)).from_address(start)
        found: dict[int, int] = {}
        for row in range(count):
            for column in range(min(per, 2)):
                found.setdefault(symbols[row * per + column], first + row)
        self._free(reply)
        return found

    def _step(self) -> None:
        while event := self._xcb.xcb_poll_for_event(self._connection):
            with contextlib.ExitStack() as stack:
                stack.callback(self._free, event)
                self._handle(event.contents)
        descriptor = self._xcb.xcb_get_file_descriptor(self._connection)
        ready, _, _ = select.select([descriptor, self._wake_read], [], [])
        if self._wake_read in ready or self._xcb.xcb_connection_has_error(self._connection):
            raise Finished

    def _handle(self, event: _KeyEvent) -> None:
        kind = event.kind & 0x7F  # the high bit says that another program sent it
        if kind == KEY_RELEASE:
            self._released = (event.keycode, event.time)
        elif kind == KEY_PRESS:
            code, at = self._released
            repeat = code == event.keycode and event.time - at < REPEAT_MS
            chord = self._taken.get((event.keycode, event.state & HELD))
            if chord is not None and not repeat:
                self._on_press(chord)
