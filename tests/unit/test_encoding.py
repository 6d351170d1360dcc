"""The encoder: the same frames give the same file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.frame import Frame
from app.sinks.recorder import Recorder


def record(path: Path, width: int, height: int) -> str:
    """A noisy picture with a square that moves, eight frames long; the file's hash."""
    noise = np.random.default_rng(0)
    recorder = Recorder(path, width, height, 10)
    for index in range(8):
        picture = np.full((height, width, 3), 90, np.int16)
        picture[60:160, 60 + 4 * index : 160 + 4 * index] = (0, 0, 250)
        picture += noise.integers(-2, 3, picture.shape, dtype=np.int16)
        pixels = np.clip(picture, 0, 255).astype(np.uint8)
        recorder.write(Frame(pixels, index, index / 10))
    recorder.close()
    return hashlib.sha256(path.read_bytes()).hexdigest()


SIZES = ((320, 240), (322, 242))


def test_the_file_does_not_depend_on_what_fresh_memory_holds(tmp_path: Path) -> None:
    """glibc fills fresh memory with the complement of ``MALLOC_PERTURB_``; 0 leaves it alone."""
    program = (
        "import sys; from pathlib import Path; from tests.unit.test_encoding import SIZES, record; "
        "print([record(Path(sys.argv[1]), *size) for size in SIZES])"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "out.mp4")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_PERTURB_": fill},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for fill in ("0", "1")
    }
    assert len(made) == 1
