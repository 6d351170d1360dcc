"""Engines that throw, or calculate with numbers that are none: the raw face is never shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Pipeline, Processed
from app.provenance.watermark import MOST
from app.settings import BadgeSettings, MaskSettings, Settings
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from engines import templates
from engines.backend import TensorSpec
from engines.detector import STRIDES, Detector, decode
from engines.occluder import OUTPUT, Occluder
from engines.swapper import GeneratorLayout, GeneratorSwapper
from tests.helpers.backends import ScriptedBackend
from tests.helpers.fake_engines import FakeRecognizer, detection, fake_engines

SETTINGS = Settings(mirror=False, badge=BadgeSettings(enabled=False))
FACE = detection(200, 100, 120)
SIZE = 128
FLOAT = np.dtype(np.float32)
Outputs = dict[str, np.ndarray]


def painted(picture: float = 0.5, mask: float = 1.0) -> Callable[[Outputs], Outputs]:
    """A generator's answer: one grey, one weight."""
    return lambda _: {
        "picture": np.full((1, 3, SIZE, SIZE), picture, np.float32),
        "mask": np.full((1, 1, SIZE, SIZE), mask, np.float32),
    }


def broken(error: Exception) -> Callable[[Outputs], Outputs]:
    def answer(_: Outputs) -> Outputs:
        raise error

    return answer


def generator(answer: Callable[[Outputs], Outputs]) -> GeneratorSwapper:
    """The real swapper on a network whose answer is given."""
    backend = ScriptedBackend(answer, inputs=[TensorSpec("target", (1, 3, SIZE, SIZE), FLOAT)])
    layout = GeneratorLayout(SIZE, templates.omokage(SIZE), "target", "picture", "mask")
    return GeneratorSwapper("fake", backend, FakeRecognizer(), layout, lambda _: {})


class Stage:
    """A pipeline fed with noise at 30 frames a second; a face is always there."""

    def __init__(self) -> None:
        self.engines = fake_engines([FACE])
        self.good = generator(painted())
        vector = np.eye(1, 128, dtype=np.float32)[0]
        self.identity = Identity("id", "Name", vector, self.good.prepare(vector))
        self.pipeline = Pipeline(replace(self.engines, swapper=self.good), Timing())
        self.index = 0

    def show(self, settings: Settings = SETTINGS) -> Processed:
        pixels = np.random.default_rng(self.index).integers(0, 256, (360, 640, 3), np.uint8)
        frame = Frame(pixels, self.index, self.index / 30)
        self.index += 1
        return self.pipeline.process(frame, settings, self.identity)


def raw(done: Processed) -> float:
    """Share of the pixels in the middle of the face that are those of the input."""
    x, y, w, h = (round(value) for value in FACE.box)
    inside = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    apart = done.frame.pixels[inside].astype(int) - done.before.pixels[inside]
    return float((np.abs(apart).max(axis=2) <= MOST).mean())


BROKEN = {
    "throws": broken(EngineError("The GPU is gone.")),
    "a picture of NaN": painted(picture=np.nan),
    "a picture of inf": painted(picture=np.inf),
    "a mask of NaN": painted(mask=np.nan),
    "a mask of -inf": painted(mask=-np.inf),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("frames_before", [0, 3])
def test_a_generator_gone_wrong_hides_the_face(kind: str, frames_before: int) -> None:
    stage = Stage()
    for _ in range(frames_before):
        assert stage.show().showing is Showing.LIVE
    stage.pipeline._work.swapper = generator(BROKEN[kind])
    seen = [stage.show() for _ in range(120)]
    assert max(raw(done) for done in seen) < 0.05
    assert not any(done.swapped for done in seen)
    assert seen[-1].showing is Showing.SLATE
    stage.pipeline._work.swapper = stage.good
    assert stage.show().showing is Showing.LIVE


def test_numbers_that_are_none_are_named() -> None:
    swapper = generator(BROKEN["a mask of NaN"])
    crop = np.zeros((SIZE, SIZE, 3), np.uint8)
    with pytest.raises(EngineError, match="numbers that are none"):
        swapper.swap(crop, swapper.prepare(np.ones(128, np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_occluder_gone_wrong_does_not_uncover_the_face(value: float) -> None:
    def halved(_: Outputs) -> Outputs:
        parts = np.ones((1, 4, SIZE, SIZE), np.float32)
        parts[0, 1:] = 0
        parts[0, 0, SIZE // 2 :] = value
        return {OUTPUT: parts}

    stage, shape = Stage(), (1, 3, SIZE, SIZE)
    backend = ScriptedBackend(
        halved,
        inputs=[TensorSpec("input", shape, FLOAT)],
        outputs=[TensorSpec(OUTPUT, (1, 4, SIZE, SIZE), FLOAT)],
    )
    stage.engines = replace(stage.engines, swapper=stage.good, occluder=Occluder(backend))
    stage.pipeline = Pipeline(stage.engines, Timing())
    settings = replace(SETTINGS, mask=MaskSettings(occluder=True))
    assert max(raw(stage.show(settings)) for _ in range(30)) < 0.05


def yunet(width: int, height: int) -> Outputs:
    """The outputs of a detector that sees one face in the first cell of each stride."""
    outputs: Outputs = {}
    for stride in STRIDES:
        cells = (width // stride) * (height // stride)
        for kind, wide in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            outputs[f"{kind}_{stride}"] = np.zeros((1, cells, wide), np.float32)
        outputs[f"cls_{stride}"][0, 0] = outputs[f"obj_{stride}"][0, 0] = 0.9
    return outputs


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["cls", "obj", "bbox", "kps"])
def test_a_detector_gone_wrong_is_no_empty_room(kind: str, value: float) -> None:
    outputs = yunet(64, 64)
    outputs[f"{kind}_16"][:] = value
    if np.isnan(value) or kind in ("bbox", "kps"):
        with pytest.raises(EngineError, match="numbers that are none"):
            decode(outputs, 64, 64, 0.6)
    else:  # clipped to certain or impossible; what the other strides saw stays
        rows = decode(outputs, 64, 64, 0.6)
        assert np.isfinite(rows).all()
        assert len(rows) >= 2


def test_a_detector_of_nan_hides_the_whole_picture() -> None:
    stage = Stage()
    stage.show()

    def answer(tensors: Outputs) -> Outputs:
        height, width = tensors["input"].shape[2:]
        return {name: np.full_like(part, np.nan) for name, part in yunet(width, height).items()}

    names = yunet(32, 32)
    backend = ScriptedBackend(
        answer,
        inputs=[TensorSpec("input", (1, 3, None, None), FLOAT)],
        outputs=[TensorSpec(name, part.shape, FLOAT) for name, part in names.items()],
    )
    stage.pipeline._tracker._detector = Detector(backend)
    seen = [stage.show() for _ in range(120)]
    assert max(raw(done) for done in seen) < 0.05
    assert seen[-1].showing is Showing.SLATE


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of ours"), MemoryError(), cv2.error("(-215) bad\n size")]
)
def test_a_fault_of_ours_shows_nothing(error: Exception) -> None:
    """A bug is no reason to show anything: the frame is hidden, or the run ends without it."""
    stage = Stage()
    stage.show()
    stage.pipeline._work.swapper = generator(broken(error))
    try:
        done = stage.show()
    except type(error):
        return
    assert raw(done) < 0.05
