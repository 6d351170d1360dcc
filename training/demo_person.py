"""Bakes the demo's person and room from one aligned face of the generator's own making.

    python -m training.demo_person --face assets/personas/NAME.png --out assets/demo

Writes ``person.png`` (BGRA, 600 x 880: the face on a drawn head, neck and jumper; the eyes are
``EYE_PX`` apart) and ``room.jpg`` (640 x 360, out of focus). The face is a square in the geometry
of the swap crop: ArcFace template of 112 px + 8 px in 128 units.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]

# The left half of a bob that frames the face, in crop units: outside down, inside up.
HAIRLINE: list[tuple[float, float]] = [
    *((64, -9), (47, -6.5), (33, 4), (24, 24), (20.5, 52), (19.5, 82), (21.5, 106), (27, 119)),
    *((33.5, 118), (34, 106), (31.5, 90), (31, 70), (33, 54), (39, 38), (50, 27), (64, 20)),
]
BACK: list[tuple[float, float]] = [(64, 20), (26, 30), (22, 80), (26, 116), (40, 124), (64, 126)]
WIDTH, HEIGHT = 600, 880
EYE_PX = 84.0
UNIT = EYE_PX / 35.2372  # px of the sheet per 128th of the crop
TOP = 52.0  # of the crop in the sheet
JUMPER = (104, 84, 62)  # BGR, a dusty blue
HAIR = (38, 48, 66)  # BGR, dark brown
FINE = 2  # everything drawn is drawn this much larger


def to_sheet(x: float, y: float) -> tuple[float, float]:
    """Crop coordinates (128 units) in pixels of the sheet."""
    return WIDTH / 2 + (x - 64) * UNIT, TOP + y * UNIT


def outline(points: list[tuple[float, float]], softness: float) -> Plane:
    """As ``shape``, with ``points`` of the left half in crop units."""
    return shape(curve([to_sheet(x, y) for x, y in points]), softness)


def strands(seed: int) -> Plane:
    """Hair as noise drawn out along rays from the crown, about -1 to 1."""
    rng = np.random.default_rng(seed)
    rays = rng.normal(0, 1, (1440, 420)).astype(np.float32)  # angle x radius
    fine = cv2.GaussianBlur(rays, (0, 0), sigmaX=42, sigmaY=1.1)
    locks = cv2.GaussianBlur(rays, (0, 0), sigmaX=120, sigmaY=9)
    wave = fine / fine.std() * 0.4 + locks / locks.std() * 0.45
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x0, y0 = to_sheet(70, -16)  # the crown, parted a little to one side
    radius = np.hypot(across - x0, down - y0)
    angle = np.arctan2(down - y0, across - x0) + 0.0035 * radius  # combed sideways
    turned = np.mod(angle / (2 * np.pi), 1) * 1440
    return cv2.remap(
        wave, np.minimum(radius, 419), turned, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )


def head(picture: NDArray[np.float32], alpha: Plane, face: Image, skin: Plane) -> None:
    """Ears, skull, the face cloned onto it without a seam, and short hair; in place."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 1.06 - 0.22 * across / WIDTH
    x0, y0 = to_sheet(64, 66)
    round_off = np.hypot((across - x0) / (44 * UNIT), (down - y0) / (76 * UNIT))
    tone = (1.04 - 0.34 * np.clip(round_off, 0, 1.2) ** 2.6) * light
    ears = outline([(30, 58), (26, 60), (25.5, 70), (29, 82), (32, 84)], 1.0)
    blend(picture, alpha, skin * (tone * 0.86)[..., None], ears)
    skull = outline(
        [
            (64, 0),
            (44, 6),
            (31, 28),
            (28.5, 56),
            (29.5, 78),
            (34, 98),
            (43, 113),
            (54, 122),
            (64, 124.5),
        ],
        1.1,
    )
    blend(picture, alpha, skin * tone[..., None], skull)
    side = round(128 * UNIT)
    crop = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    inner = outline(
        [(64, 31), (50, 34), (39, 47), (36, 70), (39, 92), (48, 109), (58, 118), (64, 119.5)], 0.1
    )
    left, top = round(WIDTH / 2 - side / 2), round(TOP)
    layer = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    layer[top : top + side, left : left + side] = crop
    mask = (inner > 0.5).astype(np.uint8) * 255
    x, y, wide, tall = cv2.boundingRect(mask)
    base = np.clip(picture, 0, 255).astype(np.uint8)
    cloned = cv2.seamlessClone(layer, base, mask, (x + wide // 2, y + tall // 2), cv2.NORMAL_CLONE)
    soft = cv2.GaussianBlur(inner, (0, 0), 4 * UNIT / 2.4)
    soft = np.clip(soft * 2 - 1, 0, 1)[..., None]  # falls off inside the face only
    plain = layer * soft + cloned * (1 - soft)
    picture[:] = 0.5 * plain + 0.5 * cloned  # seamless, without all of its change of light
    streak = strands(5)
    hair = outline(HAIRLINE, 2.2)
    wisps = np.clip((hair - 0.5 + 0.12 * streak) * 3.2 + 0.5, 0, 1) * (hair > 0.02)
    height = np.clip((down - to_sheet(0, -9)[1]) / (70 * UNIT), 0, 1)
    gloss = np.exp(-(((down - to_sheet(0, 7)[1]) / (9 * UNIT)) ** 2)) * np.clip(
        1.4 - across / WIDTH * 1.2, 0, 1
    )
    shade = (0.92 - 0.35 * height + 0.26 * streak + 0.75 * gloss * (0.7 + 0.3 * streak)) * light
    under = cv2.GaussianBlur(wisps, (0, 0), 7) * (1 - wisps)
    picture *= 1 - 0.38 * (under * skull)[..., None]  # the hair's shadow on the forehead
    blend(picture, alpha, np.array(HAIR, np.float32) * np.clip(shade, 0.15, 2.4)[..., None], wisps)


def shape(points: list[tuple[float, float]], softness: float) -> Plane:
    """A smooth closed outline through ``points`` (pixels of the sheet), mirrored about the middle.

    Gives its coverage in [0, 1] at the size of the sheet; ``softness`` is a blur in pixels.
    """
    both = points + [(WIDTH - x, y) for x, y in reversed(points)]
    dense = np.array(both, np.float32) * FINE
    plane = np.zeros((HEIGHT * FINE, WIDTH * FINE), np.uint8)
    cv2.fillPoly(plane, [np.round(dense).astype(np.int32)], 255, cv2.LINE_AA)
    small = cv2.resize(plane, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), softness)


def curve(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through ``points``."""
    given = np.array([points[0], *points, points[-1]], np.float64)
    found: list[tuple[float, float]] = []
    for i in range(1, len(given) - 2):
        p0, p1, p2, p3 = given[i - 1 : i + 3]
        for t in np.linspace(0, 1, 12, endpoint=False):
            at = 0.5 * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
            found.append((float(at[0]), float(at[1])))
    return [*found, points[-1]]


def person(face: Image) -> Image:
    """The whole sheet, BGRA, not premultiplied."""
    side = round(128 * UNIT)
    crop = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    cheeks = crop[int(64 * UNIT) : int(84 * UNIT), int(40 * UNIT) : int(88 * UNIT)].reshape(-1, 3)
    bright = cheeks.sum(axis=1)
    skin = np.median(cheeks[bright > np.percentile(bright, 40)], axis=0).astype(np.float32)
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 1.06 - 0.22 * across / WIDTH  # from the window on the left

    middle = WIDTH / 2
    chin = to_sheet(64, 122)[1]
    neck = shape(
        curve(
            [
                (middle, chin - 80),
                (middle - 68, chin - 80),
                (middle - 64, chin - 6),
                (middle - 72, chin + 28),
                (middle - 120, chin + 60),
                (middle - 60, chin + 96),
                (middle, chin + 106),
            ]
        ),
        1.2,
    )
    jumper = shape(
        curve(
            [
                (middle, chin + 76),
                (middle - 46, chin + 64),
                (middle - 86, chin + 24),
                (middle - 148, chin + 60),
                (middle - 212, chin + 96),
                (middle - 246, chin + 164),
                (middle - 274, HEIGHT + 10),
                (middle, HEIGHT + 10),
            ]
        ),
        1.2,
    )
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    # The neck: skin, rounded off to its sides, in the chin's shadow above.
    around = np.clip(np.abs(across - middle) / 84, 0, 1)
    shadow = 1 - 0.45 * np.exp(-(((down - chin + 2) / 30) ** 2)) * np.exp(
        -(((across - middle) / 96) ** 2)
    )
    neck_light = (0.93 - 0.28 * around**2.2) * light * shadow
    picture[:] = skin * neck_light[..., None]
    alpha = neck.copy()
    behind = outline(BACK, 3)
    dark = np.array(HAIR, np.float32) * (0.34 + 0.05 * strands(3))[..., None]
    picture[:] = picture * neck[..., None] + dark * (1 - neck)[..., None]
    alpha = np.maximum(alpha, behind)
    # The jumper: folds as soft diagonal waves, a ribbed collar, darker below.
    rng = np.random.default_rng(7)
    knit = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.8)
    cloth = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 26)
    folds = cloth / np.abs(cloth).max()
    round_off = np.clip(np.abs(across - middle) / 292, 0, 1)
    jumper_light = (1.12 - 0.5 * round_off**2.5 - 0.16 * (down - chin) / 300) * light
    jumper_light += 0.09 * folds + 0.02 * knit
    collar = shape(
        curve(
            [
                (middle, chin + 94),
                (middle - 56, chin + 80),
                (middle - 104, chin + 32),
                (middle - 86, chin + 22),
                (middle - 46, chin + 64),
                (middle, chin + 76),
            ]
        ),
        1.0,
    )
    jumper_light *= 1 + 0.14 * collar
    edge = np.clip(cv2.GaussianBlur(collar, (0, 0), 5) - collar, 0, 1)
    jumper_light *= 1 - 0.35 * edge
    blend(picture, alpha, np.array(JUMPER, np.float32) * jumper_light[..., None], jumper)
    head(picture, alpha, face, skin)
    return np.dstack([np.clip(picture, 0, 255), alpha * 255]).round().astype(np.uint8)


def blend(picture: NDArray[np.float32], alpha: Plane, layer: Plane, cover: Plane) -> None:
    """``layer`` over ``picture`` where ``cover`` says, in place."""
    total = cover + alpha * (1 - cover)
    share = np.divide(cover, total, out=np.zeros_like(cover), where=total > 0)[..., None]
    picture[:] = layer * share + picture * (1 - share)
    alpha[:] = total


def room() -> Image:
    """A quiet room out of focus: wall, window, shelf with books, a lamp, a plant. 640 x 360."""
    width, height = 1280, 720
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    wall = np.array((132, 142, 150), np.float32)
    fall = 1.08 - 0.42 * across / width - 0.16 * down / height
    picture = wall * fall[..., None]

    def box(x0: int, y0: int, x1: int, y1: int, colour: tuple[int, int, int]) -> None:
        picture[y0:y1, x0:x1] = np.array(colour, np.float32) * fall[y0:y1, x0:x1, None]

    box(60, 40, 330, 470, (232, 226, 214))
    for x0, x1, y0, y1 in (
        (60, 76, 40, 470),
        (314, 330, 40, 470),
        (190, 200, 40, 470),
        (60, 330, 240, 252),
    ):
        box(x0, y0, x1, y1, (176, 178, 178))
    rng = np.random.default_rng(11)
    for shelf in (150, 330, 510):
        box(880, shelf, 1240, shelf + 16, (70, 96, 128))
        at = 892
        while at < 1220:
            thick, tall = int(rng.integers(12, 32)), int(rng.integers(70, 128))
            hue = int(rng.choice([8, 14, 20, 98, 106, 112, 170]))
            colour = cv2.cvtColor(
                np.array(
                    [[[hue, int(rng.integers(50, 130)), int(rng.integers(110, 215))]]], np.uint8
                ),
                cv2.COLOR_HSV2BGR,
            )[0, 0]
            box(at, shelf - tall, min(at + thick, 1232), shelf, tuple(int(c) for c in colour))
            at += thick + int(rng.choice([0, 2, 3, 40], p=[0.5, 0.2, 0.2, 0.1]))
    for _ in range(60):  # the plant by the window
        x, y = rng.normal(400, 46), rng.normal(430, 80)
        green = (int(rng.integers(50, 90)), int(rng.integers(90, 140)), int(rng.integers(60, 100)))
        cv2.ellipse(
            picture, (int(x), int(y)), (34, 11), float(rng.uniform(0, 180)), 0, 360, green, -1
        )
    box(0, 610, width, height, (74, 92, 112))
    soft = cv2.GaussianBlur(picture, (0, 0), 17)
    for x, y, reach, colour in ((760, 210, 150, (70, 130, 175)), (190, 250, 260, (70, 64, 52))):
        glow = np.exp(-(((across - x) ** 2 + (down - y) ** 2) / (2 * reach**2)))
        soft += glow[..., None] * np.array(colour, np.float32) * 0.5
    vignette = 1 - 0.25 * (((across - 640) / 900) ** 2 + ((down - 360) / 640) ** 2)
    return cv2.resize(
        np.clip(soft * vignette[..., None], 0, 255).astype(np.uint8),
        (640, 360),
        interpolation=cv2.INTER_AREA,
    )


def main() -> None:
    """Bake both pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--face", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    face = cv2.imread(str(arguments.face), cv2.IMREAD_COLOR)
    if face is None or face.shape[0] != face.shape[1]:
        raise SystemExit(f"{arguments.face} is no square picture.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out / "person.png"), person(face), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    cv2.imwrite(str(arguments.out / "room.jpg"), room(), [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
