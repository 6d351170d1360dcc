"""A swapper as the application uses it: aligned, swapped, masked, lit and pasted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.settings import ColorSettings, MaskSettings
from app.stages.align import align, invert, transform
from app.stages.color import ColorMatcher
from app.stages.composite import paste
from app.stages.mask import build_mask
from engines import families, templates
from engines.onnx_backend import OnnxBackend
from engines.recognizer import Embedding, Recognizer
from engines.swapper import PreparedIdentity, Swapper
from training.judges import Recogniser
from training.squares import Floats, Squares

SIDE = 128
FRAME_POINTS = templates.omokage(SIDE)  # where the data's squares have the five landmarks
Mask = NDArray[np.uint8]
Pixels = NDArray[np.uint8]


class JudgeRecognizer:
    """The loss's recogniser in the place of the exported one, for generators in training."""

    name, crop_size, template = "teacher", SIDE, FRAME_POINTS

    def __init__(self, judge: Recogniser) -> None:
        self._judge = judge

    def embed(self, crop: Pixels) -> Embedding:
        """The embedding of a BGR square, length 1."""
        found = self._judge(np.ascontiguousarray(crop[None, :, :, ::-1]))[0]
        return np.asarray(found, np.float32)

    def close(self) -> None:
        """Nothing is held."""


def own_swapper(folder: Path, teacher: Recogniser, threads: int = 1) -> Swapper:
    """``swapper.onnx`` of a folder, with its ``recognizer.onnx`` or else with ``teacher``, and with
    its ``appearance.onnx`` where there is one."""

    def backend(name: str) -> tuple[OnnxBackend, str]:
        """The network of a file, and its digest."""
        data = (folder / name).read_bytes()
        return OnnxBackend(data, name, threads=threads), hashlib.sha256(data).hexdigest()

    recognizer: Recognizer = JudgeRecognizer(teacher)
    if (folder / "recognizer.onnx").is_file():
        recognizer = families.omokage_recognizer(*backend("recognizer.onnx"))
    appearance = None
    if (folder / "appearance.onnx").is_file():
        appearance = families.omokage_appearance(*backend("appearance.onnx"))
    generator, identity = backend("swapper.onnx")[0], backend("swapper_identity.onnx")[0]
    return families.omokage("omokage", generator, identity, recognizer, appearance)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a viewer sees, n x 128 x 128 x 3 RGB, and how much of it is new, n x 128 x 128."""

    pictures: Squares
    masks: NDArray[np.uint8]


class Chain:
    """The application's path from a frame and an identity to the picture shown.

    ``raw``: the generator's own output, without the application's mask and light.
    """

    def __init__(self, swapper: Swapper, *, raw: bool = False) -> None:
        self.swapper, self._raw = swapper, raw
        self._mask, self._color = MaskSettings(), ColorSettings()

    def identities(self, sources: Squares) -> list[PreparedIdentity]:
        """Each source square's identity."""
        recognizer = self.swapper.recognizer
        return [
            self.swapper.prepare(
                recognizer.embed(
                    align(
                        _bgr(source), FRAME_POINTS, recognizer.template, recognizer.crop_size
                    ).pixels
                )
            )
            for source in sources
        ]

    def __call__(
        self, targets: Squares, identities: Sequence[PreparedIdentity], points: Floats
    ) -> Shown:
        """Target n with identity n; ``points`` n x 5 x 2 are the targets' landmarks."""
        made, masks = np.empty_like(targets), np.empty(targets.shape[:3], np.uint8)
        for n, (target, identity) in enumerate(zip(targets, identities, strict=True)):
            pixels, masks[n] = self.onto(
                _bgr(target), FRAME_POINTS, points[n].astype(np.float32), identity, ColorMatcher()
            )
            made[n] = pixels[..., ::-1]
        return Shown(made, masks)

    def onto(
        self,
        frame: Pixels,
        anchors: NDArray[np.float32],
        points: NDArray[np.float32],
        identity: PreparedIdentity,
        colors: ColorMatcher,
        track: int = 0,
    ) -> tuple[Pixels, Mask]:
        """A BGR frame with the swap on it, and the mask in the frame.

        ``anchors`` (5 x 2) are what the crop is aligned by, ``points`` what the mask follows.
        """
        swapper, size = self.swapper, self.swapper.crop_size
        crop = align(frame, anchors, swapper.template, size)
        result = swapper.swap(crop.pixels, identity)
        if self._raw:
            mask, lit = np.full((size, size), 255, np.uint8), result.pixels
        else:
            extra = () if result.mask is None else (result.mask,)
            mask = build_mask(size, transform(points, crop.matrix), self._mask, extra)
            lit = colors.match(result.pixels, crop.pixels, mask, self._color.match, track)
        out = frame.copy()
        paste(out, lit, mask, crop.matrix)
        side = (frame.shape[1], frame.shape[0])
        return out, np.asarray(cv2.warpAffine(mask, invert(crop.matrix), side), np.uint8)


def untouched(targets: Squares, points: Floats) -> Shown:
    """The targets themselves, with the mask a swap would have had."""
    masks = [build_mask(SIDE, p.astype(np.float32), MaskSettings()) for p in points]
    return Shown(targets, np.stack(masks))


def pasted(targets: Squares, sources: Squares, points: Floats) -> Shown:
    """The source's face laid on the target by alignment, in the target's light: no swap at all."""
    masks = untouched(targets, points).masks
    made = np.empty_like(targets)
    still = np.eye(2, 3, dtype=np.float32)
    for n, (target, source) in enumerate(zip(targets, sources, strict=True)):
        pixels, face = _bgr(target), _bgr(source)
        lit = ColorMatcher().match(face, pixels, masks[n], 1.0, 0)
        paste(pixels, lit, masks[n], still)
        made[n] = pixels[..., ::-1]
    return Shown(made, masks)


def _bgr(square: NDArray[np.uint8]) -> Pixels:
    return np.ascontiguousarray(square[..., ::-1])
