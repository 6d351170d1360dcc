"""A session on fakes with one live output, closed at the end whatever happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.session import Session
from app.settings import OutputSettings, Settings
from app.sinks.outputs import WEB_PAGE
from app.timing import Timing
from tests.faults.scene import Scene
from tests.helpers.fakes import FakePipeline
from tests.helpers.ports import FakePort

OUTPUT = OutputSettings(web_page=True, width=64, height=48, rate=100)


@pytest.fixture
def scene() -> Iterator[Callable[..., Scene]]:
    """Build scenes; each is closed."""
    sessions: list[Session] = []

    def build(pipeline: Any = None) -> Scene:
        ports: list[FakePort] = []

        def opened(_: OutputSettings, form: Any) -> FakePort:
            ports.append(FakePort(form))
            return ports[-1]

        session = Session(
            pipeline or FakePipeline(), Timing(), Settings(), openers={WEB_PAGE: opened}
        )
        sessions.append(session)
        session.outputs.apply(OUTPUT)
        made = Scene(session, ports)
        made.wait_for(lambda: bool(ports))
        return made

    yield build
    for session in sessions:
        session.close()
