"""A drawn person moved in two and a half dimensions: one warp of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels

Plane = NDArray[np.float32]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the frame

EYE_PX = 84.0  # between the eyes in the picture; all below follows from it
UNIT = EYE_PX / 35.2372  # px per 128th of the swap crop (ArcFace template + 8)
TOP = 52.0  # of the crop in the picture
GRID = 16  # px between two nodes of the warp
BODY_FROM = 404.0  # row of the picture below which nothing bends
HEAD_HALF = 178.0  # px to either side that the head and the neck take up, tilted or turned
LEVELS = 8  # steps of an eyelid and of the mouth


@dataclass(frozen=True)
class Pose:
    """How the person stands in the frame.

    ``x``, ``y`` is the place of the point between the eyes in pixels of the frame and ``scale`` the
    size of the picture in it; ``turn`` (to the image's right), ``nod`` (down) and ``tilt``
    (clockwise) are in radians; ``blink`` and ``mouth`` run from 0 to 1.
    """

    x: float
    y: float
    scale: float
    turn: float = 0.0
    nod: float = 0.0
    tilt: float = 0.0
    blink: float = 0.0
    mouth: float = 0.0


class Puppet:
    """Draws a person (BGRA, as ``training.demo_person`` bakes it) into frames."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self._height, self._width = picture.shape[:2]
        self._sheet = _premultiplied(picture)
        self._centre = (self._width / 2, TOP + 59.6 * UNIT)  # between the eyes
        self._eyes = [_Patch.lids(self._sheet, self._at(x, 59.6)) for x in (46.3, 81.5)]
        self._mouth = _Patch.lips(self._sheet, self._at(64.0, 100.2))

    def draw(self, pixels: Pixels, pose: Pose) -> None:
        """Draw into ``pixels`` (writable)."""
        for patch in self._eyes:
            patch.show(self._sheet, pose.blink)
        self._mouth.show(self._sheet, pose.mouth)
        s = pose.scale
        x0, y0 = pose.x - self._centre[0] * s, pose.y - self._centre[1] * s
        cut = int(y0 + BODY_FROM * s)
        half = HEAD_HALF * s
        head = _clipped(pixels, pose.x - half, y0 - 24 * s, pose.x + half, cut)
        if head is not None:
            map_x, map_y = self._warp(pose, head, (x0, y0))
            _over(pixels, head, cv2.remap(self._sheet, map_x, map_y, cv2.INTER_LINEAR))
        body = _clipped(pixels, x0, cut, x0 + self._width * s, y0 + self._height * s)
        if body is not None:
            place = np.array([[s, 0, x0 - body[0]], [0, s, y0 - body[1]]], np.float32)
            size = (body[2] - body[0], body[3] - body[1])
            _over(pixels, body, cv2.warpAffine(self._sheet, place, size))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._width / 2 + (x - 64) * UNIT, TOP + y * UNIT

    def _warp(self, pose: Pose, box: Box, origin: tuple[float, float]) -> tuple[Plane, Plane]:
        """Where each pixel of the box comes from (x, y), worked out on a coarse grid."""
        left, top, right, bottom = box
        columns, rows = (right - left) // GRID + 2, (bottom - top) // GRID + 2
        across = (left + np.arange(columns, dtype=np.float32) * GRID - origin[0]) / pose.scale
        down = (top + np.arange(rows, dtype=np.float32) * GRID - origin[1]) / pose.scale
        x, y = np.meshgrid(across, down)
        # The head tilts about the throat; the neck follows less and less.
        throat_x, throat_y = self._at(64, 128)
        follow = np.clip((BODY_FROM - y) / 110, 0, 1)
        follow = follow * follow * (3 - 2 * follow)
        angle = -pose.tilt * follow
        dx, dy = x - throat_x, y - throat_y
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = throat_x + cos * dx - sin * dy, throat_y + sin * dx + cos * dy
        # It turns as an egg does: what is nearer the camera moves further.
        head_x, head_y = self._at(64, 60)
        u, v = (x - head_x) / (52 * UNIT), (y - head_y) / (84 * UNIT)
        near = np.clip(1 - u * u - v * v, 0, 1) ** 0.8
        nose_x, nose_y = self._at(64, 82)
        nose = np.exp(-((x - nose_x) ** 2 + (y - nose_y) ** 2) / (2 * (9 * UNIT) ** 2))
        depth = UNIT * (34 * near + 5 * nose)
        x = x - np.sin(pose.turn) * depth
        y = y - np.sin(pose.nod) * depth
        # Nodes lie on multiples of GRID, which cv2.resize (half a cell in) does not know.
        larger = np.array([[GRID, 0, 0], [0, GRID, 0]], np.float32)
        size = (right - left, bottom - top)
        full_x, full_y = (
            np.asarray(cv2.warpAffine(nodes.astype(np.float32), larger, size), np.float32)
            for nodes in (x, y)
        )
        return full_x, full_y


class _Patch:
    """A small part of the picture in several stages, shown in place."""

    def __init__(self, left: int, top: int, stages: list[NDArray[np.uint8]]) -> None:
        self._left, self._top, self._stages = left, top, stages

    def show(self, sheet: NDArray[np.uint8], amount: float) -> None:
        """Put the stage for ``amount`` in [0, 1] into the picture."""
        stage = self._stages[round(min(max(amount, 0.0), 1.0) * (len(self._stages) - 1))]
        height, width = stage.shape[:2]
        sheet[self._top : self._top + height, self._left : self._left + width] = stage

    @staticmethod
    def lids(sheet: NDArray[np.uint8], eye: tuple[float, float]) -> _Patch:
        """An eye from open to shut: the upper lid's skin is drawn down over it."""
        part, left, top = _cut(sheet, eye, 12 * UNIT, 9 * UNIT)
        y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
        dx = np.clip(np.abs(x - (eye[0] - left)) / (8.6 * UNIT), 0, 1)
        arc = 1 - dx * dx
        upper = eye[1] - top - 3.9 * UNIT * arc
        lower = eye[1] - top + 3.4 * UNIT * arc
        crease = upper - 3.2 * UNIT * np.sqrt(arc)
        lash = upper - 0.5 * UNIT  # what lies between here and the edge keeps its height
        stages: list[NDArray[np.uint8]] = []
        for level in range(LEVELS + 1):
            edge = upper + (lower - upper) * level / LEVELS
            moved = lash + edge - upper
            skin = crease + (y - crease) * (lash - crease) / np.maximum(moved - crease, 1e-3)
            from_y = np.where((y > crease) & (y < moved), skin, y)
            from_y = np.where((y >= moved) & (y < edge), y - edge + upper, from_y)
            lid = cv2.remap(part, x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            rim = np.exp(-(((y - edge) / (0.7 * UNIT)) ** 2)) * np.sqrt(arc) * (arc > 0.02)
            dark = 1 - 0.5 * rim[..., None] * min(1, level / 3)
            shaded = lid * np.dstack([dark, dark, dark, np.ones_like(dark)])
            stages.append(shaded.astype(np.uint8))
        return _Patch(left, top, stages)

    @staticmethod
    def lips(sheet: NDArray[np.uint8], mouth: tuple[float, float]) -> _Patch:
        """The mouth from shut to a little open: the lower lip and chin go down."""
        part, left, top = _cut(sheet, (mouth[0], mouth[1] + 6 * UNIT), 20 * UNIT, 18 * UNIT)
        y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
        dx = np.clip(np.abs(x - (mouth[0] - left)) / (11 * UNIT), 0, 1)
        line = mouth[1] - top + 0.3 * UNIT
        wide = np.clip(np.abs(x - (mouth[0] - left)) / (19 * UNIT), 0, 1)
        below = np.clip((y - line) / (22 * UNIT), 0, 1)
        stages: list[NDArray[np.uint8]] = []
        for level in range(LEVELS + 1):
            drop = 3.8 * UNIT * level / LEVELS
            gap = drop * (1 - dx * dx)
            shift = np.where(dx < 1, gap, 0)
            shift = np.maximum(shift, drop * 0.5 * (1 - wide**2) * (below > 0)) * (1 - below) ** 1.2
            inside = (
                np.clip(y - line + 0.5, 0, 1) * np.clip(line + gap - y + 0.5, 0, 1) * (gap > 0.4)
            )
            from_y = np.where(y > line, np.maximum(y - shift, line), y)
            moved = cv2.remap(part, x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            dark = np.array((30, 26, 52, 255), np.float32)
            cover = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.9)[..., None]
            stages.append((moved * (1 - cover) + dark * cover).astype(np.uint8))
        return _Patch(left, top, stages)


def _clipped(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> Box | None:
    """The part of a rectangle that lies in the frame, or None."""
    tall, wide = pixels.shape[:2]
    box = max(0, int(left)), max(0, int(top)), min(wide, int(right)), min(tall, int(bottom))
    return box if box[2] - box[0] > 1 and box[3] - box[1] > 1 else None


def _over(pixels: Pixels, box: Box, person: cv2.typing.MatLike) -> None:
    """Put premultiplied BGRA over a part of the frame."""
    region = pixels[box[1] : box[3], box[0] : box[2]]
    behind = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(person, 3)), cv2.COLOR_GRAY2BGR)
    faded = cv2.multiply(region, behind, scale=1 / 255)
    cv2.add(faded, cv2.cvtColor(person, cv2.COLOR_BGRA2BGR), dst=region)


def _cut(
    sheet: NDArray[np.uint8], centre: tuple[float, float], across: float, down: float
) -> tuple[NDArray[np.uint8], int, int]:
    left, top = int(centre[0] - across), int(centre[1] - down)
    part = sheet[top : int(centre[1] + down), left : int(centre[0] + across)]
    return part.copy(), left, top


def _premultiplied(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = picture[..., 3:].astype(np.float32) / 255
    colours = (picture[..., :3] * alpha).round().astype(np.uint8)
    return np.ascontiguousarray(np.dstack([colours, picture[..., 3]]))
