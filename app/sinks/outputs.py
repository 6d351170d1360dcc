"""The live outputs that are switched on: brought in line with the settings, fed together."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial

from app.errors import SinkError
from app.frame import Frame
from app.paths import web_token_path
from app.settings import OutputSettings
from app.sinks.live_output import LiveOutput, OutputStatus, SlateMaker
from app.sinks.pipewire import PipeWireNode
from app.sinks.port import Format, Port
from app.sinks.virtual_camera import open_virtual_camera
from app.sinks.web_page import WebPage, kept_token

VIRTUAL_CAMERA, WEB_PAGE, PIPEWIRE = "Virtual camera", "Web page", "PipeWire"

Opener = Callable[[OutputSettings, Format], Port]


def _camera(settings: OutputSettings, form: Format) -> Port:
    return open_virtual_camera(settings.camera_name, form)


def _page(settings: OutputSettings, form: Format) -> Port:
    return WebPage(settings.web_port, kept_token(web_token_path()), form)


def _node(settings: OutputSettings, form: Format) -> Port:
    return PipeWireNode(form)


OPENERS: Mapping[str, Opener] = {VIRTUAL_CAMERA: _camera, WEB_PAGE: _page, PIPEWIRE: _node}


def kinds(platform: str = sys.platform) -> tuple[str, ...]:
    """The outputs this system can have."""
    return (VIRTUAL_CAMERA, WEB_PAGE, *((PIPEWIRE,) if platform == "linux" else ()))


class Outputs:
    """``write`` and ``show_slate`` may be called from any thread and never wait.

    ``apply`` and ``close`` belong to one owner thread and may take a second or two each.
    """

    def __init__(
        self,
        make_slate: SlateMaker,
        on_change: Callable[[], None] = lambda: None,
        openers: Mapping[str, Opener] = OPENERS,
    ) -> None:
        self._make_slate, self._on_change, self._openers = make_slate, on_change, openers
        self._lock = threading.Lock()
        self._running: dict[str, tuple[object, LiveOutput]] = {}  # with what they were opened by

    def apply(self, wanted: OutputSettings) -> None:
        """Open what is switched on, close what is not, reopen what changed."""
        plans = {kind: _plan(kind, wanted) for kind in self._openers if _on(kind, wanted)}
        with self._lock:
            over = [
                self._running.pop(kind)[1]
                for kind, (plan, _) in list(self._running.items())
                if plans.get(kind) != plan
            ]
        for output in over:
            output.close()
        form = Format(wanted.width // 2 * 2, wanted.height // 2 * 2, float(wanted.rate))
        with self._lock:
            for kind, plan in plans.items():
                if kind not in self._running:
                    opener = partial(self._openers[kind], wanted)
                    output = LiveOutput(kind, form, opener, self._make_slate, self._on_change)
                    self._running[kind] = (plan, output)
        self._on_change()

    def write(self, frame: Frame) -> None:
        """Show a finished frame in all of them."""
        for output in self._all():
            with contextlib.suppress(SinkError):  # it was closed meanwhile
                output.write(frame)

    def show_slate(self, word: str, reason: str) -> None:
        """Show a slate in all of them from their next picture on."""
        for output in self._all():
            output.show_slate(word, reason)

    def status(self) -> tuple[OutputStatus, ...]:
        """Those that are switched on."""
        return tuple(output.status() for output in self._all())

    def close(self) -> None:
        """End all of them with a slate."""
        with self._lock:
            over, self._running = [output for _, output in self._running.values()], {}
        for output in over:
            output.close()

    def _all(self) -> list[LiveOutput]:
        with self._lock:
            return [output for _, output in self._running.values()]


def _on(kind: str, settings: OutputSettings) -> bool:
    on = {
        VIRTUAL_CAMERA: settings.virtual_camera,
        WEB_PAGE: settings.web_page,
        PIPEWIRE: settings.pipewire,
    }
    return on[kind]


def _plan(kind: str, settings: OutputSettings) -> object:
    """What an output was opened by: where it differs, it is opened anew."""
    own = {VIRTUAL_CAMERA: settings.camera_name, WEB_PAGE: settings.web_port}
    return settings.width, settings.height, settings.rate, own.get(kind)
