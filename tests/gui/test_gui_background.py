"""Work in a thread of its own: its results come back later, in the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.errors import AppError
from app.gui import background
from app.gui.background import Background
from app.gui.bridge import Bridge


class Swift(ThreadPoolExecutor):
    """A thread that is always done before who gave it work comes to the next line."""

    def submit(self, *given: Any, **named: Any) -> Future[Any]:
        future = super().submit(*given, **named)
        wait([future])
        return future


@pytest.fixture
def work(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    monkeypatch.setattr(background, "ThreadPoolExecutor", Swift)
    work = Background("work", Bridge())
    yield work
    work.close()


def test_a_result_never_comes_before_the_call_has_returned(work: Background, qtbot: QtBot) -> None:
    came: list[object] = []

    def fail() -> None:
        raise AppError("It is gone.")

    work.run(threading.current_thread, came.append)
    work.run(fail, came.append, came.append)
    assert came == []
    assert work.busy
    qtbot.waitUntil(lambda: len(came) == 2)
    assert came[0] is not threading.current_thread()
    assert str(came[1]) == "It is gone."
    assert not work.busy
