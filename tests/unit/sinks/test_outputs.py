"""Which outputs run, as the settings say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from app.frame import Frame, Pixels
from app.settings import OutputSettings
from app.sinks import outputs as module
from app.sinks.live_output import OutputState
from app.sinks.outputs import PIPEWIRE, VIRTUAL_CAMERA, WEB_PAGE, Outputs, kinds
from app.sinks.port import Format
from app.slates import slate_pixels
from tests.helpers.ports import FakePort

OFF = OutputSettings(width=64, height=48, rate=100)
ON = replace(OFF, virtual_camera=True, web_page=True)


class Row:
    """All three kinds as fake devices."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, Format]] = []
        self.ports: dict[str, FakePort] = {}
        self.changed = threading.Semaphore(0)
        openers = {kind: self._opener(kind) for kind in (VIRTUAL_CAMERA, WEB_PAGE, PIPEWIRE)}
        self.outputs = Outputs(slate_pixels, self.changed.release, openers)

    def port(self, kind: str, opened: int = 1) -> FakePort:
        while [one for one, _ in self.opened].count(kind) < opened:
            assert self.changed.acquire(timeout=20)
        return self.ports[kind]

    def _opener(self, kind: str) -> module.Opener:
        def opened(settings: OutputSettings, form: Format) -> FakePort:
            self.ports[kind] = FakePort(form)
            self.opened.append((kind, form))
            self.changed.release()
            return self.ports[kind]

        return opened


@pytest.fixture
def row() -> Iterator[Row]:
    made = Row()
    yield made
    made.outputs.close()


def slated(sent: list[Pixels]) -> bool:
    return bool(sent) and np.array_equal(sent[-1], slate_pixels(64, 48, "a", "b"))


def frame(value: int) -> Frame:
    return Frame(np.full((48, 64, 3), value, np.uint8), 0, monotonic())


def test_nothing_runs_until_it_is_wanted(row: Row) -> None:
    row.outputs.apply(OFF)
    row.outputs.write(frame(1))
    row.outputs.show_slate("a", "b")
    assert row.outputs.status() == ()
    assert row.opened == []


def test_frames_and_slates_reach_all_that_are_on(row: Row) -> None:
    row.outputs.apply(ON)
    ports = [row.port(VIRTUAL_CAMERA), row.port(WEB_PAGE)]
    row.outputs.write(frame(200))
    for port in ports:
        port.wait_for(lambda sent: bool(sent) and bool((sent[-1] == 200).all()))
    row.outputs.show_slate("a", "b")
    for port in ports:
        port.wait_for(slated)
    assert [status.kind for status in row.outputs.status()] == [VIRTUAL_CAMERA, WEB_PAGE]


def test_only_what_changed_is_opened_anew(row: Row) -> None:
    row.outputs.apply(ON)
    camera, page = row.port(VIRTUAL_CAMERA), row.port(WEB_PAGE)
    row.outputs.apply(ON)
    row.outputs.apply(replace(ON, web_port=9000))
    row.port(WEB_PAGE, 2)
    assert page.closes == 1
    assert camera.closes == 0
    row.outputs.apply(replace(ON, web_port=9000, virtual_camera=False, pipewire=True))
    row.port(PIPEWIRE)
    assert camera.closes == 1
    row.outputs.apply(replace(OFF, pipewire=True, width=65, height=51))
    row.port(PIPEWIRE, 2)
    assert row.opened[-1] == (PIPEWIRE, Format(64, 50, 100.0))  # even sides
    row.outputs.close()
    assert row.outputs.status() == ()
    assert row.ports[PIPEWIRE].closes == 1


def test_a_bug_in_one_leaves_the_others(row: Row) -> None:
    row.outputs.apply(ON)
    camera, page = row.port(VIRTUAL_CAMERA), row.port(WEB_PAGE)
    camera.broken = ZeroDivisionError("oh")
    while row.outputs.status()[0].state is not OutputState.CLOSED:
        assert row.changed.acquire(timeout=20)
    row.outputs.write(frame(77))
    page.wait_for(lambda sent: bool(sent) and bool((sent[-1] == 77).all()))


def test_pipewire_is_for_linux() -> None:
    assert kinds("linux") == (VIRTUAL_CAMERA, WEB_PAGE, PIPEWIRE)
    assert kinds("win32") == (VIRTUAL_CAMERA, WEB_PAGE)
