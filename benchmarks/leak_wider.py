"""More shots in which a real face could slip through: edges, hands, crossings, posters, light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels
from benchmarks.leak_scenes import Make, Scene, Shot, share_of, shifted, slices, warped
from engines.detector import Box

_Figure: TypeAlias = tuple[Pixels, Box]  # cut out, and where the face is in it
_Place: TypeAlias = tuple[_Figure, int]  # the column of its face's middle
FINGERS = 4


def from_the_edge(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Comes in slowly from the right, then leaves downwards, as somebody who stands up or sits."""
    scene, count = [], len(shots)
    for n, shot in enumerate(shots):
        share = n / count
        if share < 0.6:
            scene.append(shifted(shot, 1 - share / 0.6))
        else:
            height = shot.pixels.shape[0]
            down = (share - 0.6) / 0.4
            scene.append(warped(shot, np.array([[1, 0, 0], [0, 1, down * height]])))
    return scene


def behind_hands(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """A hand in the face's own colours comes up, rubs the eyes, and goes."""
    scene, count = [], len(shots)
    for n, shot in enumerate(shots):
        if not shot.faces:
            scene.append(shot)
            continue
        x, y, w, h = shot.faces[0]
        up = min(1.0, 2.5 * float(np.sin(np.pi * n / count)))
        left = x + w * (0.1 + 0.25 * float(np.sin(n / 4)))
        top = y + h * (1.3 - 1.15 * up)
        pixels = shot.pixels.copy()
        cheek = pixels[slices((x + 0.3 * w, y + 0.5 * h, 0.4 * w, 0.1 * h), pixels.shape)]
        skin = cheek.reshape(-1, 3).mean(axis=0) if cheek.size else np.array((120, 140, 180))
        covered = [_finger(pixels, left + f * 0.2 * w, top, w, h, skin) for f in range(FINGERS)]
        palm = (left - 0.05 * w, top + 0.5 * h, 0.85 * w, 1.5 * h)
        pixels[slices(palm, pixels.shape)] = np.clip(0.92 * skin, 0, 255)
        scene.append(replace(shot, pixels=pixels, covered=(*covered, palm)))
    return scene


def crossing(shots: Sequence[Shot], others: Sequence[Shot]) -> Scene:
    """Two people walk past each other: the second goes behind the first, and back before it."""

    def places(shot: Shot, first: _Figure, second: _Figure, share: float) -> list[_Place]:
        there = share < 0.5
        at = 2 * share if there else 2 - 2 * share
        width = shot.pixels.shape[1]
        both = [
            (first, round((0.35 + 0.2 * at) * width)),
            (second, round((1.0 - 1.2 * at) * width)),
        ]
        return both[::-1] if there else both

    return _together(shots, others, places)


def from_behind(shots: Sequence[Shot], others: Sequence[Shot]) -> Scene:
    """Somebody never seen before leans out slowly from behind the first person."""

    def places(shot: Shot, first: _Figure, second: _Figure, share: float) -> list[_Place]:
        middle = round(shot.faces[0][0] + shot.faces[0][2] / 2)
        out = max(0.0, share - 0.2) * 1.6 * shot.faces[0][2]
        return [(second, round(middle + out)), (first, middle)]

    return _together(shots, others, places)


def poster(shots: Sequence[Shot], others: Sequence[Shot]) -> Scene:
    """A picture of a face hangs on the wall while the person turns away and comes back."""
    other = next((shot for shot in others if _shown(shot)), None)
    scene, count = [], len(shots)
    for n, shot in enumerate(shots):
        share = 1 - 0.7 * float(np.sin(2 * np.pi * n / count) ** 2)
        middle = shot.faces[0][0] + shot.faces[0][2] / 2 if shot.faces else 0.0
        turned = warped(shot, np.array([[share, 0, middle * (1 - share)], [0, 1, 0]]))
        if other is not None and _shown(shot):
            figure, _ = _figure(other, 0.7 * shot.faces[0][3] / other.faces[0][3])
            pixels, (height, width) = turned.pixels.copy(), turned.pixels.shape[:2]
            board = (0.02 * width, 0.05 * height, float(figure.shape[1]), float(figure.shape[0]))
            rows, columns = slices(board, pixels.shape)
            region = pixels[rows, columns]
            region[:] = figure[: region.shape[0], : region.shape[1]]
            turned = replace(turned, pixels=pixels, covered=(board,))
        scene.append(turned)
    return scene


def mirror(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """A mirror on the wall shows the same person, smaller; now and then the person looks away."""
    scene = []
    for n, shot in enumerate(shots):
        if not _shown(shot):
            scene.append(shot)
            continue
        figure, face = _figure(shot, 0.6)
        width = figure.shape[1]
        seen = np.ascontiguousarray(cv2.flip(figure, 1), np.uint8)
        x, y, w, h = face
        pixels = shot.pixels.copy()
        left = 4 if shot.faces[0][0] > pixels.shape[1] / 2 else pixels.shape[1] - width - 4
        board = (float(left), 4.0, float(width), float(seen.shape[0]))
        rows, columns = slices(board, pixels.shape)
        pixels[rows, columns] = seen[: rows.stop - rows.start, : columns.stop - columns.start]
        met = (left + width - x - w, y + 4, w, h)
        if share_of(shot.faces[0], board) > 0.3:
            scene.append(shot)
            continue
        share = 0.4 if n % 20 in range(8, 14) else 1.0
        aside = shot.faces[0][0] + shot.faces[0][2] / 2
        whole = Shot(pixels, (*shot.faces, met))
        scene.append(warped(whole, np.array([[share, 0, aside * (1 - share)], [0, 1, 0]])))
    return scene


def quick_turns(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Squeezed and pushed aside within four frames, again and again; tilted in between."""
    scene = []
    for n, shot in enumerate(shots):
        phase = float(np.sin(2 * np.pi * n / 16))
        share = 1 - 0.6 * max(0.0, phase)
        x, y, w, h = shot.faces[0] if shot.faces else (0.0, 0.0, 0.0, 0.0)
        middle = x + w / 2
        push = 0.5 * w * phase
        turned = warped(shot, np.array([[share, 0, middle * (1 - share) + push], [0, 1, 0]]))
        if phase < 0 and shot.faces:
            height, width = shot.pixels.shape[:2]
            turn = cv2.getRotationMatrix2D((middle, y + h), 55 * phase, 1)
            pixels = cv2.warpAffine(
                shot.pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE
            )
            centre = turn @ np.array((middle, y + h / 2, 1.0))
            box = (float(centre[0]) - w / 2, float(centre[1]) - h / 2, w, h)
            turned = replace(shot, pixels=np.ascontiguousarray(pixels, np.uint8), faces=(box,))
        scene.append(turned)
    return scene


def jumping(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Thrown from one place to another: a hand-held camera, or one that drops frames."""
    places = np.random.default_rng(7).uniform(-0.25, 0.25, len(shots) // 5 + 1)
    return [shifted(shot, float(places[n // 5])) for n, shot in enumerate(shots)]


def light_switch(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """The light goes out at once, comes back at once, and flickers."""
    scene, rng = [], np.random.default_rng(8)
    for n, shot in enumerate(shots):
        share = n / len(shots)
        off = 0.2 < share < 0.5 or (share > 0.7 and n % 3 == 0)
        pixels = shot.pixels * (0.12 if off else 1.0) + rng.normal(0, 2, shot.pixels.shape)
        scene.append(replace(shot, pixels=np.clip(pixels, 0, 255).astype(np.uint8)))
    return scene


def night(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Lit by a screen alone: a quarter of the light, amplified, with coarse noise."""
    scene, rng = [], np.random.default_rng(9)
    for shot in shots:
        height, width = shot.pixels.shape[:2]
        grain = rng.normal(0, 9, (height // 2 + 1, width // 2 + 1, 3)).astype(np.float32)
        noise = cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
        noisy = 0.25 * shot.pixels + noise + rng.normal(0, 5, shot.pixels.shape)
        scene.append(replace(shot, pixels=np.clip(noisy, 0, 255).astype(np.uint8)))
    return scene


def near(shots: Sequence[Shot], _: Sequence[Shot]) -> Scene:
    """Leans into the camera until the face is larger than the picture, and back."""
    scene = []
    for n, shot in enumerate(shots):
        size = 1 + 3 * float(np.sin(np.pi * n / len(shots)) ** 2)
        x, y, w, h = shot.faces[0] if shot.faces else (0.0, 0.0, 0.0, 0.0)
        at = ((x + w / 2) * (1 - size), (y + h / 2) * (1 - size))
        scene.append(warped(shot, np.array([[size, 0, at[0]], [0, size, at[1]]])))
    return scene


WIDER: dict[str, Make] = {
    "from the edge": from_the_edge,
    "behind hands": behind_hands,
    "crossing": crossing,
    "from behind": from_behind,
    "poster": poster,
    "mirror": mirror,
    "quick turns": quick_turns,
    "jumping": jumping,
    "light switch": light_switch,
    "night": night,
    "near": near,
}


def _shown(shot: Shot) -> bool:
    """Whether the first face is in the picture, most of it."""
    height, width = shot.pixels.shape[:2]
    return bool(shot.faces) and share_of(shot.faces[0], (0.0, 0.0, width, height)) > 0.6


def _finger(
    pixels: Pixels, x: float, y: float, w: float, h: float, skin: NDArray[np.float64]
) -> Box:
    wide, tall = 0.17 * w, 0.62 * h
    middle = (round(x + wide / 2), round(y + tall / 2))
    axes = (max(1, round(wide / 2)), max(1, round(tall / 2)))
    cv2.ellipse(pixels, middle, axes, 0, 0, 360, tuple(float(v) for v in 0.75 * skin), -1)
    inner = (max(1, axes[0] - 2), max(1, axes[1] - 2))
    cv2.ellipse(pixels, middle, inner, 0, 0, 360, tuple(float(v) for v in skin), -1)
    return (x + 0.02 * w, y + 0.06 * h, wide - 0.04 * w, tall - 0.12 * h)


def _together(
    shots: Sequence[Shot],
    others: Sequence[Shot],
    places: Callable[[Shot, _Figure, _Figure, float], list[_Place]],
) -> Scene:
    """Both people cut out and laid on the room; where one of them cannot be, the shot as it is.

    ``places`` says where, at each share of the scene: who is behind comes first.
    """
    scene = []
    for n, shot in enumerate(shots):
        figures = _figures(shot, others[n % len(others)])
        if figures is not None:
            shot = _laid(_backdrop(shot), places(shot, *figures, n / len(shots)))
        scene.append(shot)
    return scene


def _figures(shot: Shot, other: Shot) -> tuple[_Figure, _Figure] | None:
    """Both people, the second as large as the first; None where one of them cannot be cut out."""
    if not (_shown(shot) and _shown(other)):
        return None
    return _figure(shot, 1.0), _figure(other, shot.faces[0][3] / other.faces[0][3])


def _figure(shot: Shot, size: float) -> _Figure:
    """Head and shoulders cut out around the first face, scaled, and where the face is in it."""
    x, y, w, h = shot.faces[0]
    rows, columns = slices((x - 0.45 * w, y - 0.5 * h, 1.9 * w, 2.2 * h), shot.pixels.shape)
    figure = shot.pixels[rows, columns]
    height, width = figure.shape[:2]
    wanted = (max(1, round(width * size)), max(1, round(height * size)))
    figure = cv2.resize(figure, wanted, interpolation=cv2.INTER_AREA)
    face = ((x - columns.start) * size, (y - rows.start) * size, w * size, h * size)
    return np.ascontiguousarray(figure, np.uint8), face


def _backdrop(shot: Shot) -> Shot:
    """The room without the person: the picture's left and right edges, drawn over the middle."""
    height, width = shot.pixels.shape[:2]
    edges = np.concatenate((shot.pixels[:, : width // 16], shot.pixels[:, -(width // 16) :]), 1)
    smooth = cv2.resize(cv2.blur(edges, (9, 9)), (width, height), interpolation=cv2.INTER_LINEAR)
    noise = np.random.default_rng(int(shot.pixels[0, 0, 0])).normal(0, 1.5, smooth.shape)
    pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    return Shot(pixels, ())


def _laid(stage: Shot, figures: Sequence[_Place]) -> Shot:
    """Figures put on the stage one over the other, each with its face's middle at a column."""
    pixels = stage.pixels.copy()
    height, width = pixels.shape[:2]
    faces: list[Box] = []
    boards: list[Box] = []
    for (figure, face), middle in figures:
        left = middle - round(face[0] + face[2] / 2)
        top = max(0, height // 3 - round(face[1] + face[3] / 2))
        from_x, to_x = max(left, 0), min(left + figure.shape[1], width)
        tall = min(figure.shape[0], height - top)
        if from_x < to_x:
            pixels[top : top + tall, from_x:to_x] = figure[:tall, from_x - left : to_x - left]
        boards.append((float(left), float(top), float(figure.shape[1]), float(tall)))
        faces.append((face[0] + left, face[1] + top, face[2], face[3]))
    before = [tuple(boards[n + 1 :]) for n in range(len(faces))]
    seen = [n for n, face in enumerate(faces) if all(share_of(face, b) <= 0.5 for b in before[n])]
    return Shot(pixels, tuple(faces[n] for n in seen), before=tuple(before[n] for n in seen))
