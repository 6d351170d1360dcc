"""Small pictures and recordings, signed as the application does, and what signing may leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.frame import Frame
from app.provenance.credentials import Credentials
from app.sinks.recorder import Recorder
from app.sinks.snapshot import save_snapshot
from tests.helpers.fakes import picture


def signed_picture(path: Path, key: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    save_snapshot(path, noise, Credentials(key))
    return path


def recorded(path: Path, key: Path, *, frames: int = 60) -> Path:
    recorder = Recorder(path, 64, 48, 25, seal=Credentials(key))
    for index in range(frames):
        recorder.write(Frame(picture(seed=index), index, index / 25))
    recorder.close()
    assert recorder.unsealed == ""
    return path


def rests_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".signing")]
