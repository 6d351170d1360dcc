"""Every bundled persona on the built-in demo: ``python -m benchmarks.showcase FILE``.

Columns are personas, rows are moments of the demo: frontal, turned, talking, eyes closed, and the
same under warm and under little light. Each cell went through the application's own pipeline,
after a run-up that lets tracking and light settle. Nobody in it exists.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from app.capture.demo import RATE, Demo, pose_at
from app.capture.puppet import EYE_PX
from app.faces import FaceLibrary
from app.frame import Frame, Pixels
from app.pipeline import Pipeline
from app.settings import Settings
from app.stages.identity import Identity
from app.timing import Timing
from engines.loading import load_engines

RUN_UP = 12  # frames before each moment
CELL_PX = 160
AROUND = 2.9  # eye distances that a cell shows
GAP_PX = 4
WARM, DIM = np.array([0.72, 0.9, 1.12]), np.array([0.36, 0.34, 0.32])  # gains of B, G, R

Light = Callable[[Pixels], Pixels]


def lit(gains: np.ndarray) -> Light:
    """A change of light: gains of blue, green and red."""

    def change(pixels: Pixels) -> Pixels:
        return np.asarray(np.clip(pixels * gains, 0, 255), np.uint8)

    return change


MOMENTS: tuple[tuple[int, Light], ...] = (
    (20, lit(np.ones(3))),
    (250, lit(np.ones(3))),
    (310, lit(np.ones(3))),
    (134, lit(np.ones(3))),
    (100, lit(WARM)),
    (180, lit(DIM)),
)


def cut(pixels: Pixels, index: int) -> Pixels:
    """The square round the person's face in frame ``index``, ``CELL_PX`` wide."""
    pose = pose_at(index)
    side = AROUND * EYE_PX * pose.scale
    scale = CELL_PX / side
    shift = CELL_PX / 2 - scale * np.array([pose.x, pose.y + 0.22 * side])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return np.asarray(cv2.warpAffine(pixels, matrix, (CELL_PX, CELL_PX), flags=cv2.INTER_AREA))


def cell(demo: Demo, pipeline: Pipeline, identity: Identity | None, moment: int) -> Pixels:
    """One moment with one face, or as filmed where there is no identity."""
    index, light = MOMENTS[moment]
    if identity is None:
        return cut(light(demo.picture(index)), index)
    settings, done = Settings(mirror=False), None
    for at in range(index - RUN_UP, index + 1):
        frame = Frame(light(demo.picture(at)), at, at / RATE)
        done = pipeline.process(frame, settings, identity)
    assert done is not None
    return cut(done.frame.pixels, index)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a picture file to write, .jpg or .png")
    file = parser.parse_args().file
    engines, demo = load_engines(), Demo(realtime=False)
    try:
        library = FaceLibrary(Path("/nonexistent"), engines)
        faces = [face for face in library.list() if face.builtin]
        heads = [np.full((CELL_PX, CELL_PX, 3), 24, np.uint8)]
        heads += [_portrait(face.thumbnail) for face in faces]
        rows = [heads]
        for moment in range(len(MOMENTS)):
            row = [cell(demo, Pipeline(engines, Timing()), None, moment)]
            for face in faces:
                pipeline = Pipeline(engines, Timing())
                row.append(cell(demo, pipeline, library.identity(face), moment))
            rows.append(row)
    finally:
        engines.close()
        demo.close()
    step = CELL_PX + GAP_PX
    sheet = np.full((len(rows) * step - GAP_PX, len(rows[0]) * step - GAP_PX, 3), 24, np.uint8)
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            sheet[y * step : y * step + CELL_PX, x * step : x * step + CELL_PX] = pixels
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), sheet)


def _portrait(thumbnail: Pixels) -> Pixels:
    size = (CELL_PX, CELL_PX)
    return np.asarray(cv2.resize(thumbnail, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
