"""Shots in which a real face could slip through, made from any footage of a face.

Every scene is a list of ``Shot``: a picture, where real faces are in it, what is covered by
something else, and which fault is to be injected while it is processed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels
from engines.detector import Box

FAULTS = (
    "swapper raises",
    "swapper gives back",
    "mask of nothing",
    "numbers that are none",
    "detector raises",
    "detector sees nothing",
    "detector loses one",
)


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of a scene; ``faces`` and ``covered`` are boxes in pixels.

    ``covered`` is before every face; ``before`` has for each face, where it is not empty, what else
    is before that one.
    """

    pixels: Pixels
    faces: tuple[Box, ...]
    covered: tuple[Box, ...] = ()
    fault: str = ""
    before: tuple[tuple[Box, ...], ...] = ()


Scene = list[Shot]
Make = Callable[[Sequence[Shot], Sequence[Shot]], Scene]


def plain(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """As it is."""
    return list(shots)


def leaving(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Slides out of the picture, stays away for a third of the time, and comes back."""
    count = len(shots)
    return [shifted(shot, _path(n / count)) for n, shot in enumerate(shots)]


def occluded(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """A textured board passes slowly before the face, then stays before its lower half."""
    scene = []
    for n, shot in enumerate(shots):
        x, y, w, h = shot.faces[0] if shot.faces else (0.0, 0.0, 80.0, 80.0)
        share = n / len(shots)
        if share < 0.6:
            board = (x - 1.4 * w + 2.8 * w * share / 0.6, y - 0.3 * h, 0.9 * w, 1.6 * h)
        else:
            board = (x - 0.5 * w, y + 0.5 * h, 2.0 * w, 1.1 * h)
        pixels = shot.pixels.copy()
        rows, columns = slices(board, pixels.shape)
        texture = np.random.default_rng(5).integers(60, 130, (8, 8, 3), np.uint8)
        region = pixels[rows, columns]
        if region.size:
            size = (region.shape[1], region.shape[0])
            region[:] = cv2.resize(texture, size, interpolation=cv2.INTER_CUBIC)
        scene.append(replace(shot, pixels=pixels, covered=(board,)))
    return scene


def narrowed(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Squeezed sideways to 35 % and back: what is left of a face in a turn, crudely."""
    scene = []
    for n, shot in enumerate(shots):
        share = 1 - 0.65 * float(np.sin(np.pi * n / len(shots)) ** 2)
        middle = shot.faces[0][0] + shot.faces[0][2] / 2 if shot.faces else 0.0
        scene.append(warped(shot, np.array([[share, 0, middle * (1 - share)], [0, 1, 0]])))
    return scene


def small(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Walks away until the face is an eighth as large, and comes back."""
    scene = []
    for n, shot in enumerate(shots):
        share = 1 - 0.87 * float(np.sin(np.pi * n / len(shots)) ** 2)
        height, width = shot.pixels.shape[:2]
        shift = ((1 - share) * width / 2, (1 - share) * height / 2)
        scene.append(warped(shot, np.array([[share, 0, shift[0]], [0, share, shift[1]]])))
    return scene


def joined(shots: Sequence[Shot], others: Sequence[Shot]) -> Scene:
    """A second person slides in, passes before the first, and leaves on the other side."""
    scene = []
    for n, shot in enumerate(shots):
        other = others[n % len(others)]
        if not other.faces or not shot.faces:
            scene.append(shot)
            continue
        x, y, w, h = other.faces[0]
        rows, columns = slices((x - 0.6 * w, y - 0.7 * h, 2.2 * w, 2.3 * h), other.pixels.shape)
        person = other.pixels[rows, columns]
        if 0 in person.shape:
            scene.append(shot)
            continue
        size = shot.faces[0][3] / h
        person = cv2.resize(person, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        face = ((x - columns.start) * size, (y - rows.start) * size, w * size, h * size)
        width = shot.pixels.shape[1]
        left = round((width + person.shape[1]) * n / len(shots)) - person.shape[1]
        top = max(0, round(shot.faces[0][1] - face[1]))
        pixels = shot.pixels.copy()
        from_x, to_x = max(left, 0), min(left + person.shape[1], width)
        tall = min(person.shape[0], pixels.shape[0] - top)
        pixels[top : top + tall, from_x:to_x] = person[:tall, from_x - left : to_x - left]
        board = (float(from_x), float(top), float(to_x - from_x), float(tall))
        met = (face[0] + left, face[1] + top, face[2], face[3])
        covered = share_of(shot.faces[0], board) > 0.5
        whole = share_of(face, (0.0, 0.0, float(person.shape[1]), float(person.shape[0]))) > 0.6
        faces = (() if covered else shot.faces) + ((met,) if whole else ())
        scene.append(Shot(pixels, faces))
    return scene


def cut(shots: Sequence[Shot], others: Sequence[Shot]) -> Scene:
    """Jumps between two scenes, and within one, every half second."""
    scene = []
    for n, shot in enumerate(shots):
        other = others[n % len(others)]
        turn = n // 15 % 3
        if turn == 1:
            height, width = shot.pixels.shape[:2]
            scale = np.array([width / other.pixels.shape[1], height / other.pixels.shape[0]])
            scene.append(warped(other, np.array([[scale[0], 0, 0], [0, scale[1], 0]]), shot))
        else:
            scene.append(shifted(shot, -0.25) if turn == 2 else shot)
    return scene


def damaged(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Torn, noisy, black and green frames between whole ones, and another size for a while."""
    scene = []
    rng = np.random.default_rng(3)
    for n, shot in enumerate(shots):
        pixels = shot.pixels.copy()
        kind = n % 9
        if kind == 3:
            pixels[pixels.shape[0] // 2 :] = pixels[pixels.shape[0] // 2 - 1]
        elif kind == 5:
            pixels[:] = rng.integers(0, 256, pixels.shape, np.uint8)
        elif kind == 7:
            pixels[:] = (0, 128, 0) if n % 2 else 0
        rotten = kind in (3, 5, 7)
        shot = replace(shot, pixels=pixels, faces=() if rotten else shot.faces)
        if 0.4 < n / len(shots) < 0.7:
            height, width = pixels.shape[:2]
            smaller = np.zeros((height * 3 // 4, width * 3 // 4, 3), np.uint8)
            shot = warped(shot, np.array([[0.75, 0, 0], [0, 0.75, 0]]), Shot(smaller, ()))
        scene.append(shot)
    return scene


def dimmed(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """The light goes down to an eighth, with a sensor's noise, and comes back."""
    scene = []
    rng = np.random.default_rng(4)
    for n, shot in enumerate(shots):
        share = 1 - 0.88 * float(np.sin(np.pi * n / len(shots)) ** 2)
        noise = rng.normal(0, 3, shot.pixels.shape)
        pixels = np.clip(shot.pixels * share + noise, 0, 255).astype(np.uint8)
        scene.append(replace(shot, pixels=pixels))
    return scene


def faulty(fault: str) -> Make:
    """A fault from the second sixth of the scene to its fourth."""

    def scene(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
        count = len(shots)
        during = range(count // 6, count * 2 // 3)
        return [replace(s, fault=fault if n in during else "") for n, s in enumerate(shots)]

    return scene


SCENES: dict[str, Make] = {
    "plain": plain,
    "leaving": leaving,
    "occluded": occluded,
    "narrowed": narrowed,
    "small": small,
    "second person": joined,
    "cuts": cut,
    "damaged frames": damaged,
    "dimmed": dimmed,
    **{fault: faulty(fault) for fault in FAULTS},
}


def _path(share: float) -> float:
    """Where the picture is, in widths, at ``share`` of the scene."""
    if share < 1 / 3:
        return max(0.0, 3 * share - 0.4) / 0.6
    return 1.0 if share < 2 / 3 else max(0.0, 1 - (3 * share - 2) / 0.6)


def shifted(shot: Shot, widths: float) -> Shot:
    return warped(shot, np.array([[1, 0, widths * shot.pixels.shape[1]], [0, 1, 0]]))


def warped(shot: Shot, matrix: NDArray[np.float64], onto: Shot | None = None) -> Shot:
    """The whole picture moved by an upright 2 x 3 matrix; what is uncovered repeats its edge."""
    height, width = (onto or shot).pixels.shape[:2]
    pixels = cv2.warpAffine(
        shot.pixels,
        matrix.astype(np.float32),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    (sx, _, dx), (_, sy, dy) = matrix
    faces = tuple((x * sx + dx, y * sy + dy, w * sx, h * sy) for x, y, w, h in shot.faces)
    return replace(shot, pixels=np.ascontiguousarray(pixels, np.uint8), faces=faces)


def share_of(box: Box, by: Box) -> float:
    """How much of ``box`` lies in ``by``."""
    wide = min(box[0] + box[2], by[0] + by[2]) - max(box[0], by[0])
    tall = min(box[1] + box[3], by[1] + by[3]) - max(box[1], by[1])
    return max(wide, 0.0) * max(tall, 0.0) / (box[2] * box[3])


def slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    left, right = (int(np.clip(v, 0, shape[1])) for v in (box[0], box[0] + box[2]))
    top, bottom = (int(np.clip(v, 0, shape[0])) for v in (box[1], box[1] + box[3]))
    return slice(top, bottom), slice(left, right)
