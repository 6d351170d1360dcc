"""A camera node in PipeWire, which needs no kernel module: fed through GStreamer's own program."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from app.errors import SinkError
from app.frame import Pixels
from app.sinks.port import Format

NAME = "Omokage"
PROGRAM = "gst-launch-1.0"
START_S = 8.0  # for the program to start, on a slow machine
STALL_S = 1.0  # a program that takes no data for so long has failed
LEAVE_S = 1.0  # for it to end by itself
PIPE_BYTES = 1 << 20
INSTALL = (
    "Run: sudo apt install pipewire wireplumber gstreamer1.0-tools gstreamer1.0-plugins-base "
    "gstreamer1.0-pipewire"
)
START = "Run: systemctl --user start pipewire wireplumber"
SILENT = ("PipeWire does not run in this session.", START)


class PipeWireNode:
    """A ``Port``: a video source called ``name`` for every program that asks PipeWire for cameras.

    Pictures go as I420 into a process that offers them; one that nobody takes is thrown away
    there. ``SinkError`` where GStreamer or PipeWire is missing or does not run.
    """

    def __init__(self, form: Format, name: str = NAME) -> None:
        absent = missing()
        if absent is not None:
            raise SinkError(*absent)
        line = _connect(os.environ)
        if line is None:
            raise SinkError(*SILENT)
        self._name = name
        self._patience = START_S
        self._line = line  # GStreamer does not notice when the daemon ends; this does
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = subprocess.Popen(
                _command(form, name),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                start_new_session=True,  # Ctrl-C is ours to answer
            )
        except OSError as error:
            self._line.close()
            self._words.close()
            raise SinkError(f"{PROGRAM} cannot be started ({error.strerror}).", INSTALL) from error
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError, AttributeError):
            import fcntl

            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def name(self) -> str:
        """As other programs list it."""
        return f"{self._name} (PipeWire)"

    @property
    def address(self) -> str:
        """There is none: it is chosen in a list."""
        return ""

    @property
    def viewers(self) -> int | None:
        """Not known."""
        return None

    def send(self, pixels: Pixels) -> None:
        """As ``Port.send``."""
        if _ended(self._line):
            raise SinkError("PipeWire ended.", START)
        planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), np.uint8)
        rest = planes.data.cast("B")
        deadline = time.monotonic() + self._patience
        while rest:
            try:
                rest = rest[os.write(self._pipe, rest) :]
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [self._pipe], [], left)[1]:
                    raise SinkError("PipeWire takes no more pictures.", START) from None
            except OSError as error:
                raise SinkError(f"The PipeWire camera ended ({self._cause()}).", START) from error
        self._patience = STALL_S

    def close(self) -> None:
        """End the process and wait for it."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()
        self._line.close()

    def _cause(self) -> str:
        """What the process said last, or its exit status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE_S)
        self._words.seek(0)
        text = self._words.read().decode(errors="replace")
        found = re.findall(r"ERROR:? *(?:from element [^\n:]+: )?([^\n]+)", text)
        return found[0].strip().rstrip(".") if found else f"status {self._process.returncode}"


def missing(environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """What keeps a node from being made here and the command that mends it, or None."""
    if sys.platform != "linux":
        return "PipeWire is for Linux alone.", "Use the virtual camera or the web page."
    if shutil.which(PROGRAM) is None or not _has_element():
        return "GStreamer's PipeWire part is not installed.", INSTALL
    line = _connect(environment)
    if line is None:
        return SILENT
    line.close()
    return None


def _has_element() -> bool:
    inspect = shutil.which("gst-inspect-1.0")
    if inspect is None:
        return False
    # not by --exists, which compares the part's version with GStreamer's
    asked = subprocess.run((inspect, "pipewiresink"), capture_output=True, check=False)
    return asked.returncode == 0


def _connect(environment: Mapping[str, str]) -> socket.socket | None:
    """A line to the PipeWire daemon where clients look for it; None where none listens."""
    folder = environment.get("PIPEWIRE_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR")
    if not folder:
        return None
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(1.0)
    try:
        line.connect(str(Path(folder) / environment.get("PIPEWIRE_REMOTE", "pipewire-0")))
    except OSError:
        line.close()
        return None
    line.setblocking(False)
    return line


def _ended(line: socket.socket) -> bool:
    """Whether the other end is gone."""
    try:
        return line.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _command(form: Format, name: str) -> list[str]:
    """Without ``drop-allocation`` and the leaky queue it crashes or blocks while nobody looks."""
    rate = round(form.rate * 1000)
    properties = (
        f"props,media.class=Video/Source,media.role=Camera,node.name={name},node.description={name}"
    )
    return [
        *(PROGRAM, "-q", "fdsrc", "fd=0", f"blocksize={form.width * form.height * 3 // 2}"),
        *("!", "rawvideoparse", "format=i420", f"width={form.width}", f"height={form.height}"),
        f"framerate={rate}/1000",
        *("!", "identity", "drop-allocation=true"),
        *("!", "queue", "max-size-buffers=2", "leaky=downstream"),
        *("!", "pipewiresink", "mode=provide", f"stream-properties={properties}"),
    ]
