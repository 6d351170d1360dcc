"""A PipeWire of its own, without a desktop: daemon and session manager in a private folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from app.frame import Pixels
from app.sinks.port import Format

NEEDED = ("pipewire", "pw-cli", "wireplumber", "gst-launch-1.0", "dbus-run-session")
PACKAGES = "pipewire wireplumber gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-pipewire"


def absent() -> list[str]:
    """The programs that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def wait_until_listed(kind: str, name: str) -> None:
    """Wait until PipeWire knows such an object: a client that asks before is never served."""
    deadline = time.monotonic() + 30
    while True:
        asked = subprocess.run(
            ["pw-cli", "ls", kind], capture_output=True, text=True, check=False, timeout=30
        )
        if f'"{name}"' in asked.stdout:
            return
        assert time.monotonic() < deadline, asked
        time.sleep(0.02)


class PipeWireSession:
    """``start`` and ``kill`` the daemon; clients find it by the environment."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "pipewire-0"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        script = "pipewire & wireplumber & wait"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["dbus-run-session", "--", "sh", "-c", script],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_listed("Client", "WirePlumber")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)


@contextlib.contextmanager
def pipewire_session() -> Iterator[PipeWireSession]:
    """A running one; ``XDG_RUNTIME_DIR`` of this process points to it within the block."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    with tempfile.TemporaryDirectory(prefix="pw") as name:  # a socket's path must be short
        os.environ["XDG_RUNTIME_DIR"] = name
        session = PipeWireSession(Path(name))
        try:
            session.start()
            yield session
        finally:
            session.kill()
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


class NodeViewer:
    """A real client: GStreamer reads the node and hands its pictures over, one after the other."""

    def __init__(self, form: Format, target: str = "Omokage") -> None:
        self._form = form
        wait_until_listed("Node", target)
        self._process = subprocess.Popen(
            [
                *("gst-launch-1.0", "-q", "pipewiresrc", f"target-object={target}"),
                *("!", "video/x-raw,format=I420", "!", "fdsink", "fd=1"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def read(self) -> Pixels | None:
        """The next picture; None at the end."""
        assert self._process.stdout is not None
        width, height = self._form.width, self._form.height
        data = self._process.stdout.read(width * height * 3 // 2)
        if len(data) < width * height * 3 // 2:
            return None
        planes = np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)

    def end(self) -> None:
        """Make ``read`` return None."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
