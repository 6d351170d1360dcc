"""What every sink keeps to, and what its feed adds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import SinkError
from app.frame import Frame
from app.mailbox import Closed
from app.sinks.feed import QUEUE_FRAMES, SinkFeed
from app.sinks.live_output import LiveOutput
from app.sinks.recorder import Recorder
from app.sinks.sink import Sink
from app.sinks.snapshot import save_snapshot
from app.slates import slate_pixels
from tests.helpers.fakes import ListSink, picture
from tests.helpers.ports import FORM, Shelf

FRAME = Frame(picture(), 0, 0.0)
WAIT_S = 20


@pytest.fixture(params=["fake", "recorder", "live output"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    makers: dict[str, Callable[[], Sink]] = {
        "fake": ListSink,
        "recorder": lambda: Recorder(tmp_path / "a.mp4", 64, 48, 30),
        "live output": lambda: LiveOutput("live", FORM, Shelf(), slate_pixels),
    }
    return makers[request.param]()


def test_write_close_twice_abort(sink: Sink) -> None:
    assert sink.name
    for _ in range(3):
        sink.write(FRAME)
    sink.close()
    sink.close()
    sink.abort()
    with pytest.raises(SinkError):
        sink.write(FRAME)


def test_abort_twice_and_close(sink: Sink) -> None:
    sink.write(FRAME)
    sink.abort()
    sink.abort()
    sink.close()


def test_feed_writes_in_order_and_closes() -> None:
    sink, ended = ListSink(), []
    feed = SinkFeed(lambda frame: sink, ended.append, waits=True)
    for index in range(50):
        feed.put(Frame(picture(), index, 0.0))
    feed.finish()
    feed.finish()
    assert [frame.index for frame in sink.frames] == list(range(50))
    assert sink.state == "closed"
    assert ended == [feed]
    assert feed.problem is None


class SlowDisk(ListSink):
    """Is closed only after somebody asked how long that may take."""

    def __init__(self, frame: Frame) -> None:
        self.begun, self.asked = threading.Event(), threading.Event()
        super().__init__()

    @property
    def closing_s(self) -> float:
        self.asked.set()
        return WAIT_S

    def close(self) -> None:
        self.begun.set()
        assert self.asked.wait(WAIT_S)
        super().close()


def test_feed_waits_for_a_long_file_on_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sinks.feed.PATIENCE_S", 0.05)
    disks: list[SlowDisk] = []

    def opened(frame: Frame) -> SlowDisk:
        disks.append(SlowDisk(frame))
        return disks[0]

    feed = SinkFeed(opened, lambda feed: None, waits=True)
    feed.put(FRAME)
    feed.refuse()
    while not disks:
        threading.Event().wait(0.005)
    assert disks[0].begun.wait(WAIT_S)
    feed.finish()
    assert feed.problem is None
    assert disks[0].state == "closed"


def test_a_long_recording_may_take_longer_to_close(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30)
    at_first = recorder.closing_s
    for _ in range(600):
        recorder.write(FRAME)
    assert recorder.closing_s > at_first > 0
    recorder.abort()


def test_feed_drops_what_a_slow_sink_cannot_take() -> None:
    go_on = threading.Event()
    sink = ListSink()

    def slow(frame: Frame) -> ListSink:
        go_on.wait(5)
        return sink

    feed = SinkFeed(slow, lambda feed: None)
    for _ in range(QUEUE_FRAMES + 10):
        feed.put(FRAME)
    assert feed.dropped >= 9
    go_on.set()
    feed.finish()
    assert len(sink.frames) + feed.dropped == QUEUE_FRAMES + 10


def test_feed_waits_while_a_busy_machine_still_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    may, wrote = threading.Semaphore(0), threading.Semaphore(0)

    class Busy(ListSink):
        def write(self, frame: Frame) -> None:
            assert may.acquire(timeout=WAIT_S)
            super().write(frame)

    sink = Busy()
    feed = SinkFeed(lambda frame: sink, lambda feed: None, waits=True)
    join, left = feed._worker.join, [3]

    def patience_ends_after_one_frame(timeout_s: float | None = None) -> bool:
        if not left[0]:
            return join(WAIT_S)
        left[0] -= 1
        before = len(sink.frames)
        may.release()
        while feed._written == before:
            wrote.acquire(timeout=0.005)
        return False

    monkeypatch.setattr(feed._worker, "join", patience_ends_after_one_frame)
    for _ in range(3):
        feed.put(FRAME)
    feed.finish()
    assert feed.problem is None
    assert (len(sink.frames), sink.state) == (3, "closed")


def failing(frame: Frame) -> Sink:
    raise SinkError("No room.")


@pytest.mark.parametrize("opener", [failing, lambda frame: ListSink(fail_after=0)])
def test_feed_ends_with_the_first_failure(opener: Callable[[Frame], Sink]) -> None:
    ended = threading.Event()
    feed = SinkFeed(opener, lambda feed: ended.set())
    feed.put(FRAME)
    assert ended.wait(5)
    assert isinstance(feed.problem, SinkError)
    with pytest.raises(Closed):
        feed.put(FRAME)
    feed.finish()


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no mode")
def test_a_snapshot_can_be_read_by_whom_a_recording_can(tmp_path: Path) -> None:
    save_snapshot(tmp_path / "a.png", picture())
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.webp"])
def test_snapshot_formats(tmp_path: Path, name: str) -> None:
    save_snapshot(tmp_path / name, picture())
    assert (tmp_path / name).stat().st_size > 100
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("a.mp4", "PNG, JPEG or WebP"), ("none/a.png", "cannot be written"), ("a", "ends in nothing")],
)
def test_snapshot_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(SinkError, match=sentence):
        save_snapshot(tmp_path / name, picture())
    assert list(tmp_path.iterdir()) == []


def test_snapshot_too_large_for_its_format(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="17000 x 8"):
        save_snapshot(tmp_path / "a.webp", picture(17000, 8))
    assert list(tmp_path.iterdir()) == []
