"""How steady a swap is over the frames of a clip, against the clip itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.capture.clip import Clip
from app.frame import Frame
from app.settings import DetectorSettings
from app.stages.align import align, invert, transform
from app.stages.color import ColorMatcher
from app.stages.track import Tracker
from engines.detector import Detector
from engines.swapper import PreparedIdentity
from training.landmarks import LEFT_EYE, RIGHT_EYE, Landmarks
from training.squares import Floats
from training.swapping import FRAME_POINTS, SIDE, Chain

INNER = slice(17, 66)  # brows, nose, eyes and mouth: the jaw is often guessed
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Take:
    """One frame of a clip as filmed and as shown (BGR), the mask in it, and the crop's matrix."""

    filmed: Pixels
    shown: Pixels
    mask: NDArray[np.uint8]
    matrix: NDArray[np.float32]


def takes(
    clip: Path, detector: Detector, chain: Chain, identity: PreparedIdentity, most: int
) -> Iterator[Take | None]:
    """The first ``most`` frames, followed and swapped as the application does; None: no face."""
    tracker, colors, settings = Tracker(detector), ColorMatcher(), DetectorSettings()
    source = Clip(clip, realtime=False)
    try:
        for _ in range(most):
            frame: Frame | None = source.read()
            if frame is None:
                return
            faces = tracker.update(frame, settings)
            colors.keep({face.track_id for face in faces})
            if not faces or faces[0].track_id in tracker.missing:
                yield None
                continue
            points = faces[0].landmarks
            shown, mask = chain.onto(
                frame.pixels, points, points, identity, colors, faces[0].track_id
            )
            matrix = align(frame.pixels, points, FRAME_POINTS, SIDE).matrix
            yield Take(frame.pixels, shown, mask, matrix)
    finally:
        source.close()


def steadiness(
    clips: Sequence[Path],
    detector: Detector,
    chain: Chain,
    identities: Sequence[PreparedIdentity],
    landmarks: Landmarks,
    most: int,
) -> dict[str, dict[str, float]]:
    """``landmarks`` and ``warp`` of the swap and of the clip as filmed, means over the clips.

    ``ratio`` is the mean over clips of swap over target: 1 is as steady as the person filmed.
    """
    rows = []
    for n, clip in enumerate(clips):
        identity = identities[n % len(identities)]
        found = clip_steadiness(takes(clip, detector, chain, identity, most), landmarks)
        if found is not None:
            rows.append(found)
    if not rows:
        return {}
    every = np.array(rows)  # clip x (landmarks, warp) x (swap, target)
    return {
        name: {
            "swap": float(every[:, k, 0].mean()),
            "target": float(every[:, k, 1].mean()),
            "above": float((every[:, k, 0] - every[:, k, 1]).mean()),
            "ratio": float((every[:, k, 0] / np.maximum(every[:, k, 1], 1e-6)).mean()),
        }
        for k, name in enumerate(("landmark jitter", "warp error"))
    }


def clip_steadiness(
    frames: Iterator[Take | None], landmarks: Landmarks
) -> list[list[float]] | None:
    """((swap, target) of the landmarks' jitter, the same of the warp error), None if too short."""
    runs: list[list[tuple[Take, Floats, Floats]]] = [[]]
    for take in frames:
        if take is None:
            runs.append([])
            continue
        runs[-1].append(
            (take, _points(take.shown, take, landmarks), _points(take.filmed, take, landmarks))
        )
    jitters, warps = [], []
    for run in runs:
        for before, here, after in zip(run, run[1:], run[2:], strict=False):
            shown = _jitter(before[1], here[1], after[1])
            jitters.append([shown, _jitter(before[2], here[2], after[2])])
        for one, other in pairwise(run):
            warps.append(warp_errors(one[0], other[0]))
    if not jitters:
        return None
    return [list(np.mean(jitters, axis=0)), list(np.mean(warps, axis=0))]


def _points(pixels: Pixels, take: Take, landmarks: Landmarks) -> Floats:
    """66 points in frame pixels, read in the square that the application aligned."""
    square = cv2.warpAffine(pixels, take.matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    rgb = np.ascontiguousarray(square[None, ..., ::-1], np.uint8)
    points = landmarks(rgb).points[0].astype(np.float32)
    return transform(points, invert(take.matrix))


def _jitter(before: Floats, here: Floats, after: Floats) -> float:
    """Mean size of the inner points' second difference, in thousandths of the eye distance."""
    second = (after - 2 * here + before)[INNER]
    width = np.linalg.norm(here[RIGHT_EYE].mean(0) - here[LEFT_EYE].mean(0))
    return float(1000 * np.linalg.norm(second, axis=1).mean() / max(float(width), 1.0))


def warp_errors(one: Take, other: Take) -> list[float]:
    """Grey levels by which the next frame, brought back by the filmed motion, differs under the
    mask: of the swap, and of the clip itself."""
    square = (SIDE, SIDE)

    def cut(pixels: Pixels) -> Pixels:
        return np.asarray(
            cv2.warpAffine(pixels, one.matrix, square, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )

    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grays = [cv2.cvtColor(cut(take.filmed), cv2.COLOR_BGR2GRAY) for take in (one, other)]
    flow = flow_of.calc(grays[0], grays[1], np.zeros((SIDE, SIDE, 2), np.float32))
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    inside = cut(one.mask) > 127
    inside &= cut(other.mask) > 127
    errors = []
    for here, there in ((one.shown, other.shown), (one.filmed, other.filmed)):
        back = cv2.remap(
            cut(there), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        change = np.abs(back.astype(np.float32) - cut(here)).mean(2)
        errors.append(float(change[inside].mean()) if inside.any() else 0.0)
    return errors
