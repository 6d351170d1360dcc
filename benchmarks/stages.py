"""What the pixel stages cost without any network: ``python -m benchmarks.stages``.

The pipeline runs on a noisy picture with stand-ins for the networks: a detector that knows where
the faces are, and a swapper that returns a fixed crop. So everything but the networks is measured.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Frame, Pixels
from app.pipeline import Pipeline
from app.settings import DetectorSettings, Settings
from app.stages.identity import Identity
from app.timing import Percentiles, Timing
from engines import templates
from engines.detector import Detection
from engines.loading import Engines
from engines.swapper import PreparedIdentity, SwapResult

CROP = 128
NETWORK_STAGES = ("detect", "swap", "occlude")


class _KnownFaces:
    """A detector that finds the same faces in every picture, a little moved each time."""

    def __init__(self, faces: list[Detection]) -> None:
        self._faces = faces
        self._calls = 0

    def detect(
        self, picture: Pixels, threshold: float, *, size: int = 320, max_faces: int = 16
    ) -> list[Detection]:
        self._calls += 1
        moved = np.float32(self._calls % 7)
        return [replace(face, landmarks=face.landmarks + moved) for face in self._faces]

    def detect_near(
        self,
        picture: Pixels,
        box: tuple[float, float, float, float],
        threshold: float,
        *,
        stretch: float = 1.0,
    ) -> Detection | None:
        found = self.detect(picture, threshold)
        return min(found, key=lambda face: abs(face.box[0] - box[0]))

    def close(self) -> None:
        pass


class _FixedCrop:
    """A swapper that answers one crop, with a mask of its own."""

    name, device, crop_size = "fixed", "none", CROP
    template = templates.omokage(CROP)

    def __init__(self) -> None:
        self._result = SwapResult(
            _picture(CROP, CROP, seed=1), np.full((CROP, CROP), 250, np.uint8)
        )

    def swap(self, crop: Pixels, identity: PreparedIdentity) -> SwapResult:
        return self._result

    def close(self) -> None:
        pass


def _picture(height: int, width: int, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)


def _face(width: float, left: float, top: float) -> Detection:
    """A face whose box is ``width`` wide and, as YuNet's boxes are, a quarter taller."""
    # In the ArcFace crop of 112 pixels a face is about 78 wide.
    points: NDArray[np.float32] = (templates.arcface(112) - np.float32(17)) * np.float32(width / 78)
    corner = np.array((left, top), np.float32)
    return Detection((left, top, width, 1.25 * width), points + corner, 0.9)


def measure(faces: list[Detection], frames: int, height: int, width: int) -> dict[str, Percentiles]:
    """Milliseconds per stage, and ``all`` for the whole call."""
    timing, total = Timing(), Timing()
    engines = Engines(
        detector=_KnownFaces(faces),  # type: ignore[arg-type]
        swapper=_FixedCrop(),  # type: ignore[arg-type]
        report=(),
    )
    pipeline = Pipeline(engines, timing)
    settings = Settings(detector=DetectorSettings(faces="all"))
    embedding = np.zeros(128, np.float32)
    identity = Identity("none", "none", embedding, PreparedIdentity("fixed", {}))
    picture = _picture(height, width, seed=0)
    for index in range(frames):
        frame = Frame(picture.copy(), index, time.monotonic())
        with total.stage("all"):
            done = pipeline.process(frame, settings, identity)
        if done.swapped != len(faces):
            raise RuntimeError(f"{done.swapped} faces were swapped, expected {len(faces)}")
    return timing.report().stages_ms | total.report().stages_ms


def main() -> None:
    """Print one table per scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--threads", type=int, default=0, help="OpenCV's threads; 0: its default")
    arguments = parser.parse_args()
    if arguments.threads:
        cv2.setNumThreads(arguments.threads)
    scenes = {
        "one 200-px face": [_face(200, 300, 200)],
        "one 400-px face": [_face(400, 500, 100)],
        "both": [_face(200, 100, 200), _face(400, 700, 100)],
    }
    for name, faces in scenes.items():
        print(f"{name}, 1280x720, mirrored, {arguments.frames} frames (ms)")
        print(f"{'stage':<12}{'p50':>8}{'p95':>8}")
        for stage, spread in measure(faces, arguments.frames, 720, 1280).items():
            note = "  stand-in" if stage in NETWORK_STAGES else ""
            print(f"{stage:<12}{spread.p50:>8.3f}{spread.p95:>8.3f}{note}")
        print()


if __name__ == "__main__":
    main()
