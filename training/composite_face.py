"""The face of nobody: synthetic faces brought to one shape and averaged.

    python -m training.composite_face --faces FOLDER --landmarks MODEL.onnx --out FACE.png

``FOLDER`` holds the pictures named in ``FACES`` (256 px, aligned to the ArcFace template * 2 + 16;
all are synthetic: SFHQ, MIT; faker.js, CC0). ``MODEL.onnx`` gives 66 landmarks (OpenSeeFace). The
result is the face ``training.demo_person`` puts on the demo's person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Image = NDArray[np.float32]
Points = NDArray[np.float64]

SIDE = 256
FACES = (
    *("sfhq_t2i/01092", "sfhq_t2i/01446", "sfhq_t2i/00264", "sfhq_t2i/01856", "sfhq_t2i/01351"),
    *("sfhq_t2i/01154", "sfhq_t2i/01033", "sfhq_t2i/00548", "sfhq_t2i/01080"),
    *("faker/00026", "faker/00090", "faker/00088"),
    *("sfhq/00191", "sfhq/00360", "sfhq/00536", "sfhq/00004", "sfhq/00013"),
)
MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
# Points that stay: the picture's edge and the hair.
FIXED = np.array(
    [(x, y) for x in (0, 64, 128, 192, 255) for y in (0, 255)]
    + [(x, y) for x in (0, 255) for y in (64, 128, 192)]
    + [(64, 20), (128, 10), (192, 20)],
    np.float64,
)
BRIGHTER = 1.08
SHARPEN = ((8.0, 0.25), (2.0, 0.7), (1.0, 0.6))  # blur in px, gain: averaging took the detail
GRAIN = 3.0  # grey levels


def landmarks(session: onnxruntime.InferenceSession, picture: Image) -> Points:
    """66 points (x, y) in pixels, from 28 x 28 heat maps and their offsets."""
    small = cv2.resize(picture, (224, 224))[..., ::-1] / 255
    batch = ((small - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    maps = session.run(None, {session.get_inputs()[0].name: batch})[0][0].reshape(3, 66, 784)
    best = maps[0].argmax(axis=1)[:, None]
    shares = np.clip(np.take_along_axis(maps, best[None].repeat(3, 0), 2)[1:, :, 0], 1e-7, 1 - 1e-7)
    offsets = np.log(shares / (1 - shares)) / 16
    cells = np.stack([best[:, 0] // 28, best[:, 0] % 28]) / 27
    down, across = 223 * (cells + offsets) * SIDE / 224
    return np.stack([across, down], axis=1)


def mirrored(points: Points) -> Points:
    """The mean of a shape and its mirror image, each point with the nearest one over there."""
    other = points.copy()
    other[:, 0] = SIDE - 1 - other[:, 0]
    partner = [int(((other - point) ** 2).sum(axis=1).argmin()) for point in points]
    return (points + other[partner]) / 2


def triangles(points: Points) -> list[list[int]]:
    """A Delaunay mesh over ``points``, as indices."""
    mesh = cv2.Subdiv2D((-1, -1, SIDE + 2, SIDE + 2))
    for x, y in points:
        mesh.insert((float(x), float(y)))
    corners = [t.reshape(3, 2) for t in mesh.getTriangleList()]
    inside = [t for t in corners if t.min() > -0.5 and t.max() < SIDE - 0.4]
    return [[int(((points - c) ** 2).sum(axis=1).argmin()) for c in t] for t in inside]


def reshaped(picture: Image, points: Points, target: Points, mesh: list[list[int]]) -> Image:
    """The picture with its ``points`` moved to ``target``, triangle by triangle."""
    out = np.zeros_like(picture)
    for corners in mesh:
        source, place = points[corners].astype(np.float32), target[corners].astype(np.float32)
        warped = cv2.warpAffine(
            picture,
            cv2.getAffineTransform(source, place),
            (SIDE, SIDE),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        cover = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(cover, np.round(place).astype(np.int32), 1)
        out[cover > 0] = warped[cover > 0]
    return out


def composite(pictures: list[Image], shapes: list[Points]) -> Image:
    """The mean face: of one shape, of one brightness, symmetric, a little sharpened."""
    whole = [np.vstack([shape, FIXED]) for shape in shapes]
    target = mirrored(np.mean(whole, axis=0))
    mesh = triangles(target)
    stack = np.stack([reshaped(p, s, target, mesh) for p, s in zip(pictures, whole, strict=True)])
    tones = stack[:, 100:190, 80:176].mean(axis=(1, 2))
    stack *= (tones.mean(axis=0) * BRIGHTER / tones)[:, None, None]
    mean = stack.mean(axis=0)
    mean = (mean + mean[:, ::-1]) / 2
    for blur, gain in SHARPEN:
        mean += gain * (mean - cv2.GaussianBlur(mean, (0, 0), blur))
    noise = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE)).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), 0.7)[..., None] * GRAIN
    return np.clip(mean + grain, 0, 255)


def main() -> None:
    """Make the face."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(
        str(arguments.landmarks), providers=["CPUExecutionProvider"]
    )
    pictures: list[Image] = []
    for name in FACES:
        picture = cv2.imread(str(arguments.faces / f"{name}.jpg"), cv2.IMREAD_COLOR)
        if picture is None or picture.shape[:2] != (SIDE, SIDE):
            raise SystemExit(f"{name}.jpg is not there, or not {SIDE} px.")
        pictures.append(picture.astype(np.float32))
    shapes = [landmarks(session, picture) for picture in pictures]
    cv2.imwrite(str(arguments.out), composite(pictures, shapes).astype(np.uint8))


if __name__ == "__main__":
    main()
