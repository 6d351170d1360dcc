"""Small real devices for live outputs: they keep what was sent, block and break on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.errors import SinkError
from app.frame import Pixels
from app.sinks.port import Format

FORM = Format(64, 48, 100.0)


class FakePort:
    """Keeps the pictures; ``gate`` holds ``send`` back while it is cleared."""

    def __init__(self, form: Format = FORM) -> None:
        self.name, self.address, self.viewers = "fake", "fake://", None
        self.form = form
        self.sent: list[Pixels] = []
        self.broken: Exception | None = None
        self.closes = 0
        self.sending = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._changed = threading.Condition()

    def send(self, pixels: Pixels) -> None:
        assert pixels.shape == (self.form.height, self.form.width, 3)
        self.sending.set()
        assert self.gate.wait(20)
        if self.broken is not None:
            raise self.broken
        with self._changed:
            self.sent.append(pixels)
            self._changed.notify_all()

    def close(self) -> None:
        self.closes += 1

    def wait_for(self, condition: Callable[[list[Pixels]], bool]) -> list[Pixels]:
        """What was sent, once ``condition`` holds for it."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.sent), 20), len(self.sent)
            return list(self.sent)


class Shelf:
    """An opener whose device can be missing, or ``broken`` from the start; keeps every port."""

    def __init__(self) -> None:
        self.ports: list[FakePort] = []
        self.missing = False
        self.broken: Exception | None = None
        self.tried = threading.Semaphore(0)

    def __call__(self, form: Format) -> FakePort:
        self.tried.release()
        if self.missing:
            raise SinkError("The fake device is missing.", "Run: plug it in")
        self.ports.append(FakePort(form))
        self.ports[-1].broken = self.broken
        return self.ports[-1]
