"""The PipeWire node's own failures, with stand-ins for GStreamer's program and for the daemon."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import SinkError
from app.sinks import pipewire
from app.sinks.pipewire import PipeWireNode, missing
from app.sinks.port import Format

FORM = Format(640, 480, 29.97)
PICTURE = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; ``launch`` writes what gst-launch-1.0 does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    script(folder / "gst-inspect-1.0", "exit 0")
    script(folder / "gst-launch-1.0", 'echo "$@" > "${0%/*}/words"; exec cat > /dev/null')
    return folder


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Something that listens where PipeWire would."""
    with tempfile.TemporaryDirectory(prefix="pw") as folder, socket.socket(socket.AF_UNIX) as line:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.delenv("PIPEWIRE_RUNTIME_DIR", raising=False)
        monkeypatch.delenv("PIPEWIRE_REMOTE", raising=False)
        line.bind(f"{folder}/pipewire-0")
        line.listen()
        yield line


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def send_until_it_fails(node: PipeWireNode) -> None:
    for _ in range(100):
        node.send(PICTURE)


@pytest.mark.usefixtures("daemon")
def test_it_feeds_the_program_the_right_format(programs: Path) -> None:
    assert missing() is None
    node = PipeWireNode(FORM, "Other")
    node.send(PICTURE)
    node.close()
    node.close()
    words = (programs / "words").read_text()
    assert "format=i420 width=640 height=480 framerate=29970/1000" in words
    assert "media.class=Video/Source" in words
    assert node.name == "Other (PipeWire)"


def test_each_thing_that_is_missing_has_its_command(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert missing({}) == pipewire.SILENT
    assert missing({"XDG_RUNTIME_DIR": str(tmp_path)}) == pipewire.SILENT
    script(programs / "gst-inspect-1.0", "exit 1")
    assert "gstreamer1.0-pipewire" in (missing() or ("", ""))[1]
    (programs / "gst-launch-1.0").unlink()
    with pytest.raises(SinkError, match="Run: sudo apt install pipewire"):
        PipeWireNode(FORM)
    monkeypatch.setattr("sys.platform", "win32")
    assert "for Linux" in (missing() or ("", ""))[0]


@pytest.mark.usefixtures("daemon")
def test_a_program_that_cannot_be_run(programs: Path) -> None:
    (programs / "gst-launch-1.0").write_bytes(b"\x7fELF but no program")
    with pytest.raises(SinkError, match="cannot be started"):
        PipeWireNode(FORM)


@pytest.mark.usefixtures("daemon")
def test_a_program_that_ends_is_told_with_its_words(programs: Path) -> None:
    script(
        programs / "gst-launch-1.0",
        'echo "ERROR: from element /GstPipeline: no such node." >&2; exit 1',
    )
    node = PipeWireNode(FORM)
    with pytest.raises(SinkError, match=r"The PipeWire camera ended \(no such node\)"):
        send_until_it_fails(node)
    node.close()


@pytest.mark.usefixtures("daemon")
def test_a_program_that_hangs_is_given_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipewire, "START_S", 0.2)
    monkeypatch.setattr(pipewire, "LEAVE_S", 0.1)
    script(programs / "gst-launch-1.0", "exec sleep 300")
    node = PipeWireNode(FORM)
    with pytest.raises(SinkError, match="takes no more pictures"):
        send_until_it_fails(node)
    node.close()
    assert node._process.returncode == -9


@pytest.mark.usefixtures("programs")
def test_a_daemon_that_ends_is_noticed(daemon: socket.socket) -> None:
    node = PipeWireNode(FORM)
    kept = [daemon.accept()[0], daemon.accept()[0]]  # one only looked
    node.send(PICTURE)
    kept[1].sendall(b"news")
    node.send(PICTURE)
    for line in kept:
        line.close()
    with pytest.raises(SinkError, match="PipeWire ended"):
        node.send(PICTURE)
    node.close()
