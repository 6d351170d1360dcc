"""What every live output keeps to, seen through a real client of it where one can run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
import pytest

from app.errors import SinkError
from app.frame import Frame, Pixels
from app.sinks import live_output
from app.sinks.live_output import CLOSED, STALE, STARTING, LiveOutput, OutputState
from app.sinks.pipewire import PipeWireNode
from app.sinks.port import Format, Port
from app.sinks.virtual_camera import VirtualCamera
from app.sinks.web_page import WebPage
from app.slates import slate_pixels
from tests.helpers.fakes import picture
from tests.helpers.pipewire_session import PACKAGES, NodeViewer, absent, pipewire_session
from tests.helpers.viewers import Viewer, Watching
from tests.helpers.web_viewer import StreamViewer

FORM = Format(160, 120, 30.0)


class FakeCamera:
    """pyvirtualcam's camera and, at its other end, the program that watches it."""

    def __init__(self) -> None:
        self._pictures: queue.Queue[Pixels | None] = queue.Queue()

    def send(self, pixels: Pixels) -> None:
        self._pictures.put(pixels)

    def read(self) -> Pixels | None:
        return self._pictures.get(timeout=30)

    def end(self) -> None:
        self._pictures.put(None)

    def close(self) -> None:
        pass


@dataclass
class Stand:
    """A kind of output: how its device is opened, and how one looks at it."""

    open: Callable[[Format], Port]
    look: Callable[[LiveOutput], Viewer]
    changed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    outputs: list[LiveOutput] = field(default_factory=list)
    watching: list[Watching] = field(default_factory=list)

    def start(self) -> tuple[LiveOutput, Watching]:
        """An open output and somebody who sees its first slate."""
        output = LiveOutput("kind", FORM, self.open, slate_pixels, self.changed.release)
        self.outputs.append(output)
        while not output.status().opened:
            assert self.changed.acquire(timeout=60)
            assert output.status().problem is None, output.status().problem
        self.watching.append(Watching(self.look(output)))
        self.watching[-1].wait_for(slate_of(STARTING))
        return output, self.watching[-1]


def slate_of(words: tuple[str, str]) -> Pixels:
    return slate_pixels(FORM.width, FORM.height, *words)


def frame(seed: int, width: int = 160, height: int = 120) -> Frame:
    return Frame(picture(width, height, seed), seed, monotonic())


@pytest.fixture(scope="module")
def node_session() -> Iterator[Any]:
    if absent():
        pytest.skip(f"not installed: {', '.join(absent())} (apt install {PACKAGES})")
    with pipewire_session() as session:
        yield session


@pytest.fixture(params=["virtual camera", "web page", "PipeWire"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    camera = FakeCamera()
    if request.param == "PipeWire":
        request.getfixturevalue("node_session")
    made = {
        "virtual camera": Stand(lambda form: VirtualCamera(camera, "fake"), lambda _: camera),
        "web page": Stand(
            lambda form: WebPage(0, "t" * 32, form),
            lambda output: StreamViewer(output.status().address),
        ),
        "PipeWire": Stand(PipeWireNode, lambda output: NodeViewer(FORM)),
    }[request.param]
    yield made
    for output in made.outputs:
        output.close()
    for watching in made.watching:
        watching.close()


def test_the_client_sees_what_is_written(stand: Stand) -> None:
    output, watching = stand.start()
    for seed in (1, 5, 3):
        output.write(frame(seed))
        watching.wait_for(picture(160, 120, seed))
    assert output.status().state is OutputState.LIVE
    assert output.status().name


def test_another_size_is_letterboxed_and_the_format_stays(stand: Stand) -> None:
    output, watching = stand.start()
    output.write(frame(2, 120, 120))
    wanted = np.zeros((120, 160, 3), np.uint8)
    wanted[:, 20:140] = picture(120, 120, 2)
    watching.wait_for(wanted)
    output.write(frame(4, 640, 480))
    watching.wait_for(picture(160, 120, 4))
    assert {shown.shape for shown in watching.pictures} == {(120, 160, 3)}


def test_after_a_stop_the_client_sees_the_slate_and_no_face(stand: Stand) -> None:
    output, watching = stand.start()
    output.write(frame(5))
    watching.wait_for(picture(160, 120, 5))
    output.show_slate("Hidden", "Panic")
    watching.wait_for(slate_of(("Hidden", "Panic")))
    output.write(frame(3))
    watching.wait_for(picture(160, 120, 3))


def test_no_face_is_frozen(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_output, "STALE_S", 0.2)
    output, watching = stand.start()
    output.write(frame(5))
    watching.wait_for(slate_of(STALE))
    assert output.status().state is OutputState.SLATE


def test_the_last_picture_is_the_slate(stand: Stand) -> None:
    output, watching = stand.start()
    output.write(frame(5))
    watching.wait_for(picture(160, 120, 5))
    output.close()
    watching.wait_for(slate_of(CLOSED))
    with pytest.raises(SinkError):
        output.write(frame(1))
    output.abort()


def test_a_pipewire_that_crashed_is_found_again(
    node_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "RETRY_S", (0.05,))
    changed = threading.Semaphore(0)
    output = LiveOutput("kind", FORM, PipeWireNode, slate_pixels, changed.release)
    while not output.status().opened:
        assert changed.acquire(timeout=60)
    watching = Watching(NodeViewer(FORM))
    again: Watching | None = None
    try:
        watching.wait_for(slate_of(STARTING))
        node_session.kill()
        while output.status().problem is None:
            assert changed.acquire(timeout=60)
        assert "PipeWire" in str(output.status().problem)
        node_session.start()
        while output.status().reopened == 0:
            assert changed.acquire(timeout=60)
        again = Watching(NodeViewer(FORM))
        again.wait_for(slate_of(STARTING))
        output.write(frame(3))
        again.wait_for(picture(160, 120, 3))
    finally:
        output.close()
        watching.close()
        if again is not None:
            again.close()
