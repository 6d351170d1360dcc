"""What is before the face, and which parts of it the user keeps: masks for the mask stage."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import cv2
import numpy as np

from app.frame import Crop, Mask, Matrix, Pixels, Points
from app.settings import MaskSettings
from app.stages.align import align, invert
from app.stages.mask import hull_mask
from engines.occluder import FaceParts, Occluder
from engines.templates import Template

# An answer that leaves less than this share of the outline is not believed: a network in the dark
# that sees no face would uncover the whole of it. Painting over a hand is the lesser harm.
LEAST_SEEN = 0.2
KEPT_SHARE = 0.05  # of the crop's side: how far a kept mouth or eye reaches beyond its outline


@dataclass(frozen=True, eq=False)
class _Seen:
    """The last answer for a face, the matrix (frame to its crop) it belongs to, and its age."""

    parts: FaceParts
    matrix: Matrix
    frames: int


def asked(settings: MaskSettings) -> bool:
    """Whether anything here has a say in the mask."""
    return settings.occluder or settings.keep_mouth or settings.keep_eyes


class Occlusion:
    """Asks the occluder, and between two answers moves the last one along with the alignment."""

    def __init__(self, occluder: Occluder) -> None:
        self._occluder = occluder
        self._outline = hull_mask(occluder.crop_size, occluder.template, 0.1)
        self._seen: dict[int, _Seen] = {}

    def keep(self, tracks: Set[int]) -> None:
        """Forget every face but these."""
        self._seen = {track: seen for track, seen in self._seen.items() if track in tracks}

    def mask(
        self,
        pixels: Pixels,
        crop: Crop,
        template: Template,
        landmarks: Points,
        track: int,
        settings: MaskSettings,
    ) -> Mask:
        """What of ``crop`` may be replaced, in its own size.

        ``landmarks`` (5 x 2, frame pixels) are the face's in ``pixels``, ``template`` is where they
        lie in ``crop``. With ``settings.occluder_every`` above 1 the network is asked in every n-th
        frame of a track only.
        """
        seen, size = self._seen.get(track), crop.pixels.shape[0]
        if seen is None or seen.frames >= settings.occluder_every:
            seen = self._ask(pixels, crop, template, landmarks)
        self._seen[track] = _Seen(seen.parts, seen.matrix, seen.frames + 1)
        own = allowed(seen.parts, self._outline, settings)
        if seen.matrix is crop.matrix:
            return own
        full = np.vstack((invert(seen.matrix), (0, 0, 1))).astype(np.float32)
        # Beyond what the network saw nothing is known to be hidden.
        return np.asarray(
            cv2.warpAffine(own, crop.matrix @ full, (size, size), borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )

    def _ask(self, pixels: Pixels, crop: Crop, template: Template, landmarks: Points) -> _Seen:
        network = self._occluder
        if crop.pixels.shape[0] != network.crop_size or not np.array_equal(
            template, network.template
        ):
            crop = align(pixels, landmarks, network.template, network.crop_size)
        return _Seen(network.parts(crop.pixels), crop.matrix, 0)


def allowed(parts: FaceParts, outline: Mask, settings: MaskSettings) -> Mask:
    """The visible face, if asked for, without the eyes and the mouth that the user keeps.

    ``outline`` is where the face is expected; an answer that hides nearly all of it is not used.
    """
    size = parts.face.shape[0]
    mask = np.full((size, size), 255, np.uint8)
    if settings.occluder and cv2.mean(parts.face, outline)[0] >= 255 * LEAST_SEEN:
        mask = parts.face
    kept = [
        part
        for part, wanted in (
            (parts.mouth, settings.keep_mouth),
            (cv2.max(parts.eyes, parts.brows), settings.keep_eyes),
        )
        if wanted
    ]
    reach = max(1, round(KEPT_SHARE * size))
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    for part in kept:
        grown = cv2.blur(cv2.dilate(part, ellipse), (reach, reach))
        mask = np.asarray(cv2.min(mask, cv2.bitwise_not(grown)), np.uint8)
    return mask
