"""Cameras that go away and come back: found by identity, counted on, closed in any state."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture.listing import CameraEntry, find_again
from app.capture.recovery import Recovering
from app.capture.source import SourceAway
from app.errors import CaptureError
from tests.helpers.fakes import StillSource

C920 = CameraEntry("0", "C920", "usb:046d:082d:1A", "1-2:1.0", 480)
TWIN = CameraEntry("2", "C920", "usb:046d:082d", "1-3:1.0", 480)
GONE = SourceAway("C920 was unplugged.")


@pytest.mark.parametrize(
    ("wanted", "there", "found"),
    [
        (C920, [CameraEntry("4", "C920", C920.model, C920.port)], "4"),
        (C920, [CameraEntry("4", "C920", C920.model, "3-1:1.0")], "4"),  # in another port
        (C920, [CameraEntry("0", "Other", "usb:1:2", C920.port)], None),  # another in its place
        (C920, [CameraEntry("0", "C920 IR", C920.model, "1-2:1.2")], None),  # its infrared eye
        (C920, [], None),
        (TWIN, [CameraEntry("0", "C920", TWIN.model, "1-9:1.0")] * 2, None),  # which of the two?
        (TWIN, [CameraEntry("0", "C920", TWIN.model, "1-9:1.0"), TWIN], "2"),
        (CameraEntry("1", "FaceTime"), [CameraEntry("0", "FaceTime")], "0"),
        (CameraEntry("1", "Camera"), [CameraEntry(n, "Camera") for n in "012"], "1"),
        (CameraEntry("5", "Camera"), [CameraEntry(n, "Camera") for n in "012"], None),
    ],
)
def test_found_by_what_it_is(
    wanted: CameraEntry, there: list[CameraEntry], found: str | None
) -> None:
    again = find_again(wanted, there)
    assert (again.id if again else None) == found


words = st.sampled_from(["", "a", "b"])
entries = st.builds(CameraEntry, id=st.sampled_from("0123"), name=words, model=words, port=words)


@given(entries, st.lists(entries, max_size=5))
def test_never_another_camera(wanted: CameraEntry, there: list[CameraEntry]) -> None:
    found = find_again(wanted, there)
    if found is not None:
        assert (found.name, found.model) == (wanted.name, wanted.model)
    elif wanted.model or wanted.port:
        assert wanted not in there


def test_unplugged_and_back() -> None:
    ways = [StillSource(fail_after=2, error=GONE), CaptureError("not yet"), StillSource()]
    opened = []

    def opener() -> StillSource:
        way = ways[len(opened)]
        opened.append(way)
        if isinstance(way, CaptureError):
            raise way
        return way

    source = Recovering(opener, pause_s=0)
    assert [source.read().index for _ in range(2)] == [0, 1]  # type: ignore[union-attr]
    with pytest.raises(SourceAway, match="was unplugged"):
        source.read()
    assert ways[0].closes  # type: ignore[union-attr]
    assert source.info.name == "still"
    with pytest.raises(SourceAway, match="was unplugged"):  # the first cause stays
        source.read()
    assert [source.read().index for _ in range(2)] == [2, 3]  # type: ignore[union-attr]
    source.close()
    source.close()
    assert source.read() is None


def test_the_first_opening_fails_at_once() -> None:
    def refuse() -> StillSource:
        raise CaptureError("Camera 0 cannot be opened.")

    with pytest.raises(CaptureError, match="cannot be opened"):
        Recovering(refuse)


def test_other_failures_end_it() -> None:
    source = Recovering(lambda: StillSource(fail_after=0, error=CaptureError("one colour only")))
    with pytest.raises(CaptureError, match="one colour only") as raised:
        source.read()
    assert not isinstance(raised.value, SourceAway)
    source.close()


def test_closing_ends_the_wait_for_it() -> None:
    source = Recovering(lambda: StillSource(fail_after=0, error=GONE), pause_s=3600)
    with pytest.raises(SourceAway):
        source.read()
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.append(source.read()))
    reader.start()
    source.close()
    reader.join(10)
    assert read == [None]


def test_closed_while_it_is_opened_again() -> None:
    second = StillSource()
    opening, go_on = threading.Event(), threading.Event()

    def again() -> StillSource:
        opening.set()
        assert go_on.wait(10)
        return second

    source = Recovering(lambda: StillSource(fail_after=0, error=GONE), again, pause_s=0)
    with pytest.raises(SourceAway):
        source.read()
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.append(source.read()))
    reader.start()
    assert opening.wait(10)
    source.close()
    go_on.set()
    reader.join(10)
    assert read == [None]
    assert second.closes
