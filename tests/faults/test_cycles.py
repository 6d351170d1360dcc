"""A thousand starts and stops leave nothing: no thread, no handle, no picture in memory."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import CaptureError
from app.session import State
from tests.faults.scene import Scene
from tests.helpers.fakes import FakePipeline, StillSource

Build = Callable[..., Scene]
HANDLES = Path("/proc/self/fd")


def handles() -> int:
    return len(list(HANDLES.iterdir())) if HANDLES.is_dir() else 0


def test_a_thousand_starts_and_stops_leave_nothing(scene: Build) -> None:
    stage = scene()
    session = stage.session

    def cycle(number: int) -> None:
        if number % 7 == 3:
            opened = threading.Event()

            def refused() -> StillSource:
                opened.set()
                raise CaptureError("There is no camera.")

            session.start(refused)
            assert opened.wait(20)
        else:
            fail_after = 2 if number % 5 == 0 else None
            session.start(lambda: StillSource(fail_after=fail_after, pause_s=0.0))
        if number % 2:
            session.take_preview(0.02)
        if number % 3:
            session.stop()

    for number in range(20):
        cycle(number)
    session.stop()
    threads, open_handles = threading.active_count(), handles()
    for number in range(1000):
        cycle(number)
    session.stop()
    assert session.status().state is State.IDLE
    assert threading.active_count() == threads
    assert handles() == open_handles


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed is freed by itself: the collector of cycles may not come for a long time."""
    logging.disable()  # pytest keeps what is logged, tracebacks and all
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    logging.disable(logging.NOTSET)


class _Camera(StillSource):
    """A source that can be watched."""


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("end", ["stopped", "ended", "failed", "pipeline failed"])
def test_a_source_that_is_over_is_not_kept_in_memory(scene: Build, end: str) -> None:
    stage = scene(FakePipeline(fail_after=3) if end == "pipeline failed" else None)
    watched: list[weakref.ref[_Camera]] = []

    def opened() -> _Camera:
        camera = _Camera(
            count=5 if end == "ended" else None, fail_after=5 if end == "failed" else None
        )
        watched.append(weakref.ref(camera))
        return camera

    stage.session.start(opened)
    if end == "stopped":
        stage.running()
    else:
        stage.until(State.ENDED if end == "ended" else State.FAILED)
    info = stage.session.status().source
    stage.session.stop()
    assert info is not None
    assert watched[0]() is None
