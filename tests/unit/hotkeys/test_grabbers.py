"""Keys taken from a real X server, pressed by xdotool; and Windows' calls on a stand-in."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from app.errors import SettingsError
from app.hotkeys import x11
from app.hotkeys.chord import Chord, parse
from app.hotkeys.windows import WindowsGrabber
from app.hotkeys.x11 import X11Grabber

WAIT_S = 20
needs_x = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool"
)
F9, E, HOME = parse("Ctrl+Shift+F9"), parse("Ctrl+Alt+E"), parse("Meta+Home")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """An X server of our own."""
    read, write = os.pipe()
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            "320x240x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as stream:
        number = stream.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(WAIT_S)


def press(display: str, *words: str) -> None:
    subprocess.run(["xdotool", *words], env={**os.environ, "DISPLAY": display}, check=True)


@needs_x
def test_only_the_keys_asked_for_are_heard(display: str) -> None:
    heard: queue.Queue[Chord] = queue.Queue()
    grabber = X11Grabber([F9, E, HOME], heard.put, display)
    try:
        assert grabber.refused == {}
        press(display, "key", "a", "ctrl+e", "ctrl+shift+F9", "F9", "ctrl+alt+e", "super+Home")
        assert [heard.get(timeout=WAIT_S) for _ in range(3)] == [F9, E, HOME]
        assert heard.empty()
    finally:
        grabber.close()
        grabber.close()


@needs_x
def test_locks_do_not_matter(display: str) -> None:
    heard: queue.Queue[Chord] = queue.Queue()
    grabber = X11Grabber([F9], heard.put, display)
    try:
        for lock in ("Caps_Lock", "Num_Lock"):
            press(display, "key", lock)
            press(display, "key", "ctrl+shift+F9")
            assert heard.get(timeout=WAIT_S) == F9
        press(display, "key", "Caps_Lock", "Num_Lock")
    finally:
        grabber.close()


@needs_x
def test_a_held_key_is_pressed_once(display: str) -> None:
    heard: queue.Queue[Chord] = queue.Queue()
    grabber = X11Grabber([F9, E], heard.put, display)
    try:
        # the server repeats after 660 ms, 25 times a second
        press(display, "keydown", "ctrl", "keydown", "shift", "keydown", "F9", "sleep", "1.2")
        press(display, "keyup", "F9", "keyup", "shift", "keyup", "ctrl", "key", "ctrl+alt+e")
        assert heard.get(timeout=WAIT_S) == F9
        assert heard.get(timeout=WAIT_S) == E
    finally:
        grabber.close()


@needs_x
def test_a_key_of_another_program_is_refused_until_it_is_given_back(display: str) -> None:
    other = X11Grabber([F9], lambda _: None, display)
    grabber = X11Grabber([F9, E], lambda _: None, display)
    assert grabber.refused == {F9: "another program has it"}
    grabber.close()
    other.close()
    again = X11Grabber([F9], lambda _: None, display)
    again.close()
    assert again.refused == {}


@needs_x
def test_of_a_key_that_is_refused_nothing_is_kept(
    display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(x11, "LOCKS", (0,))  # as most programs, which forget the locks
        other = X11Grabber([F9], lambda _: None, display)
    grabber = X11Grabber([F9, E], lambda _: None, display)
    assert list(grabber.refused) == [F9]
    with monkeypatch.context() as patch:
        patch.setattr(x11, "LOCKS", (2, 16, 18))
        third = X11Grabber([F9], lambda _: None, display)
    refused = dict(third.refused)
    for one in (other, grabber, third):
        one.close()
    assert refused == {}


def test_a_display_that_is_not_there_is_a_sentence() -> None:
    pytest.importorskip("ctypes")
    with pytest.raises(SettingsError, match=r"display does not answer|libxcb is missing"):
        X11Grabber([F9], lambda _: None, ":987")


class User32:
    """Has some keys taken already; presses come from a queue."""

    def __init__(self, *taken: int) -> None:
        self.taken = set(taken)
        self.held: dict[int, tuple[int, int]] = {}
        self.presses: queue.Queue[int | None] = queue.Queue()

    def register(self, number: int, modifiers: int, key: int) -> bool:
        if key in self.taken:
            return False
        self.held[number] = (modifiers, key)
        return True

    def unregister(self, number: int) -> None:
        del self.held[number]

    def next_hotkey(self) -> int | None:
        return self.presses.get(timeout=WAIT_S)

    def thread(self) -> int:
        return 7

    def quit(self, thread: int) -> None:
        assert thread == 7
        self.presses.put(None)


def test_windows_holds_what_it_may_and_gives_it_back() -> None:
    heard: queue.Queue[Chord] = queue.Queue()
    user32 = User32(ord("E"))
    grabber = WindowsGrabber([F9, E], heard.put, user32)
    assert grabber.refused == {E: "another program has it"}
    assert user32.held == {1: (0x4000 | 2 | 4, 0x78)}
    user32.presses.put(1)
    assert heard.get(timeout=WAIT_S) == F9
    grabber.close()
    grabber.close()
    assert user32.held == {}
