"""Live outputs on the command line: their options, what is said about them, what is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.sinks.live_output import OutputStatus

OPTIONS = {  # option -> the output's switch among the settings, and where its value belongs
    "virtual_camera": ("outputs.virtual_camera", "outputs.camera_name"),
    "web_page": ("outputs.web_page", "outputs.web_port"),
    "pipewire": ("outputs.pipewire", None),
}


def port(text: str) -> int:
    """A port number; 0 means any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Where the picture goes beside the window."""
    group = parser.add_argument_group("live outputs")
    group.add_argument(
        "--virtual-camera",
        nargs="?",
        const=True,
        metavar="NAME",
        help="a camera for other programs; NAME: device or label, default: Omokage's, else the "
        "first",
    )
    group.add_argument(
        "--web-page",
        nargs="?",
        const=True,
        type=port,
        metavar="PORT",
        help="a page on this machine alone, e.g. an OBS browser source; its address is printed",
    )
    group.add_argument(
        "--pipewire", action="store_const", const=True, help="a camera in PipeWire (Linux)"
    )


def chosen_outputs(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that the options stand for."""
    chosen: dict[str, object] = {}
    for option, (switch, place) in OPTIONS.items():
        value = getattr(arguments, option, None)
        if value is not None:
            chosen[switch] = True
            if place is not None and value is not True:
                chosen[place] = value
    return chosen


def demanded(arguments: argparse.Namespace) -> set[str]:
    """The kinds that the options ask for: where one cannot be opened, the run fails."""
    from app.sinks.outputs import PIPEWIRE, VIRTUAL_CAMERA, WEB_PAGE

    kinds = zip(OPTIONS, (VIRTUAL_CAMERA, WEB_PAGE, PIPEWIRE), strict=True)
    return {kind for option, kind in kinds if getattr(arguments, option, None) is not None}


class Announcer:
    """Says on standard error what became of each output, once per change, and warnings once."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._warned: set[str] = set()

    def warn(self, sentence: str) -> None:
        """Say a sentence that was not said before; an empty one is none."""
        if sentence and sentence not in self._warned:
            self._warned.add(sentence)
            over = "\r\x1b[K" if sys.stderr.isatty() else ""  # the status line
            print(f"{over}omokage: {sentence}", file=sys.stderr, flush=True)

    def tell(self, statuses: Iterable[OutputStatus]) -> None:
        """Say what is new."""
        for status in statuses:
            text = f"{status.kind}: {status.problem or status.address or status.name}"
            known = status.opened or status.problem is not None
            if known and self._said.get(status.kind) != text:
                self._said[status.kind] = text
                over = "\r\x1b[K" if sys.stderr.isatty() else ""  # the status line
                print(over + text, file=sys.stderr, flush=True)


def as_json(status: OutputStatus) -> dict[str, Any]:
    """One entry of ``outputs`` in ``run --json``."""
    return {
        "kind": status.kind,
        "name": status.name,
        "state": status.state.value,
        "problem": str(status.problem or ""),
        "fps": round(status.fps, 2),
        "sent": status.sent,
        "repeated": status.repeated,
        "dropped": status.dropped,
        "reopened": status.reopened,
        "viewers": status.viewers,
        "latency_ms": status.latency_ms.as_dict(),
    }
