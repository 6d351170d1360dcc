"""The thread behind every live output: beat, slate, repeats, and the way back from a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic

import numpy as np
import pytest

from app.errors import SinkError
from app.frame import Frame, Pixels
from app.sinks import live_output
from app.sinks.live_output import CLOSED, STALE, STARTING, LiveOutput, OutputState
from app.sinks.port import Format
from app.slates import slate_pixels
from tests.helpers.ports import FORM, FakePort, Shelf

Make = Callable[..., LiveOutput]


def face(value: int = 200, width: int = 64, height: int = 48) -> Frame:
    return Frame(np.full((height, width, 3), value, np.uint8), value, monotonic())


def is_slate(pixels: Pixels, words: tuple[str, str]) -> bool:
    return np.array_equal(pixels, slate_pixels(FORM.width, FORM.height, *words))


def shows(value: int) -> Callable[[list[Pixels]], bool]:
    return lambda sent: bool(sent) and bool((sent[-1] == value).all())


def slated(words: tuple[str, str]) -> Callable[[list[Pixels]], bool]:
    return lambda sent: bool(sent) and is_slate(sent[-1], words)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def changed() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def make(
    shelf: Shelf, changed: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    monkeypatch.setattr(live_output, "RETRY_S", (0.01,))
    made: list[LiveOutput] = []

    def build(form: Format = FORM) -> LiveOutput:
        made.append(LiveOutput("fake", form, shelf, slate_pixels, changed.release))
        return made[-1]

    yield build
    for output in made:
        output.close()


def opened(shelf: Shelf, number: int = 1) -> FakePort:
    for _ in range(2000):
        if len(shelf.ports) >= number:
            return shelf.ports[number - 1]
        assert shelf.tried.acquire(timeout=20)
    raise AssertionError("never opened")


def until(
    output: LiveOutput, changed: threading.Semaphore, wanted: OutputState
) -> live_output.OutputStatus:
    while (status := output.status()).state is not wanted:
        assert changed.acquire(timeout=20), status
    return status


def test_it_starts_with_the_slate_then_shows_and_repeats(make: Make, shelf: Shelf) -> None:
    output = make()
    port = opened(shelf)
    assert is_slate(port.wait_for(lambda sent: len(sent) >= 2)[1], STARTING)
    output.write(face(200))
    sent = port.wait_for(shows(200))
    more = port.wait_for(lambda now: len(now) >= len(sent) + 5)
    assert all((picture == 200).all() for picture in more[len(sent) :])
    assert more[-1] is more[len(sent)]  # a repeat is the same array: a device may skip its work
    status = output.status()
    assert status.state is OutputState.LIVE
    assert status.repeated >= 5
    assert status.fps > 0
    assert status.latency_ms.p50 > 0


def test_the_slate_is_the_very_next_picture(
    make: Make, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "STALE_S", 100.0)
    output = make(Format(64, 48, 1.0))  # so slow a beat that only haste can be in time
    port = opened(shelf)
    output.write(face(200))
    port.wait_for(shows(200))
    port.gate.clear()
    port.sending.clear()
    output.write(face(100))
    assert port.sending.wait(20)  # a face is on its way into the device
    output.write(face(101))
    output.show_slate("Hidden", "Panic")
    before = len(port.sent)
    port.gate.set()
    sent = port.wait_for(lambda now: len(now) >= before + 2)
    assert (sent[before] == 100).all()
    assert is_slate(sent[before + 1], ("Hidden", "Panic"))
    assert output.status().state is OutputState.SLATE


def test_the_slate_stays_until_the_next_frame(make: Make, shelf: Shelf) -> None:
    output = make()
    port = opened(shelf)
    output.write(face(200))
    port.wait_for(shows(200))
    output.show_slate("Hidden", "Panic")
    port.wait_for(slated(("Hidden", "Panic")))
    start = len(port.sent)
    sent = port.wait_for(lambda now: len(now) >= start + 10)
    assert all(is_slate(picture, ("Hidden", "Panic")) for picture in sent[start:])
    output.write(face(90))
    port.wait_for(shows(90))


def test_a_face_is_not_frozen_for_long(
    make: Make, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live_output.STALE_S <= 1
    monkeypatch.setattr(live_output, "STALE_S", 0.1)
    output = make()
    port = opened(shelf)
    output.write(face(200))
    port.wait_for(slated(STALE))
    assert output.status().state is OutputState.SLATE
    output.write(face(90))
    port.wait_for(shows(90))


def test_a_frame_from_before_an_outage_is_not_shown_after_it(
    make: Make, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "STALE_S", 0.05)
    shelf.missing = True
    output = make()
    output.write(face(200))
    threading.Event().wait(0.1)
    shelf.missing = False
    port = opened(shelf)
    assert is_slate(port.wait_for(bool)[0], STALE)


def test_a_slow_device_never_blocks_the_pipeline(make: Make, shelf: Shelf) -> None:
    output = make()
    port = opened(shelf)
    port.gate.clear()
    port.sending.clear()
    assert port.sending.wait(20)
    for value in range(1, 101):
        output.write(face(value))
    assert output.status().dropped == 99
    port.gate.set()
    sent = port.wait_for(shows(100))
    assert not any((picture == value).all() for picture in sent for value in range(1, 100))


@pytest.mark.parametrize("size", [(640, 480), (48, 64), (63, 47), (1, 1)])
def test_another_size_is_fitted(make: Make, shelf: Shelf, size: tuple[int, int]) -> None:
    output = make()
    port = opened(shelf)
    output.write(face(200, *size))
    sent = port.wait_for(lambda now: bool(now) and bool((now[-1][24, 32] == 200).all()))
    bars = size not in ((63, 47), (640, 480))  # one line is made good without
    assert bool((sent[-1][0, 0] == 0).all()) == bars


def test_a_lost_device_is_opened_again_by_itself(
    make: Make, shelf: Shelf, changed: threading.Semaphore
) -> None:
    output = make()
    port = opened(shelf)
    output.write(face(200))
    port.wait_for(shows(200))
    shelf.missing = True
    port.broken = SinkError("The fake device is gone.")
    status = until(output, changed, OutputState.WAITING)
    assert port.closes == 1
    assert "fake device" in str(status.problem)
    for _ in range(3):
        assert shelf.tried.acquire(timeout=20)
    assert str(output.status().problem) == "The fake device is missing. Run: plug it in"
    shelf.missing = False
    again = opened(shelf, 2)
    output.write(face(90))
    again.wait_for(shows(90))
    status = output.status()
    assert (status.reopened, status.problem, status.state) == (1, None, OutputState.LIVE)


def test_a_device_that_was_never_there_says_so(
    make: Make, shelf: Shelf, changed: threading.Semaphore
) -> None:
    shelf.missing = True
    output = make()
    status = until(output, changed, OutputState.WAITING)
    assert not status.opened
    assert status.name == "fake"
    output.close()
    assert output.status().state is OutputState.CLOSED


def test_a_device_that_opens_and_takes_nothing_is_not_opened_without_end(
    make: Make, shelf: Shelf, changed: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "RETRY_S", (0.01, 0.01, 100.0))
    shelf.broken = SinkError("It takes nothing.")
    output = make()
    for _ in range(3):
        assert shelf.tried.acquire(timeout=20)
    assert not shelf.tried.acquire(timeout=0.3)
    assert until(output, changed, OutputState.WAITING).problem is shelf.broken
    output.close()
    assert [port.closes for port in shelf.ports] == [1, 1, 1]


def test_closing_leaves_the_slate_in_the_device(make: Make, shelf: Shelf) -> None:
    output = make()
    port = opened(shelf)
    output.write(face(200))
    port.wait_for(shows(200))
    output.close()
    output.close()
    assert is_slate(port.sent[-1], CLOSED)
    assert port.closes == 1
    output.show_slate("a", "b")
    with pytest.raises(SinkError, match="closed"):
        output.write(face())


def test_a_bug_in_a_device_ends_this_output_with_a_sentence(
    make: Make, shelf: Shelf, changed: threading.Semaphore
) -> None:
    output = make()
    port = opened(shelf)
    port.broken = ZeroDivisionError("oh")
    status = until(output, changed, OutputState.CLOSED)
    assert "ZeroDivisionError: oh" in str(status.problem)
    assert port.closes == 1
    with pytest.raises(SinkError):
        output.write(face())
