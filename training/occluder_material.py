"""What the occluder's pictures are made of: labelled clean faces, cut-out hands, face masks."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training import occluder_labels
from training.data import FaceRow, load_pictures, read_index
from training.landmarks import INPUT_PX, MIRROR, Landmarks
from training.memory import digest, digest_of, digest_of_faces
from training.occluder_labels import SIDE, planes_of, usable

Picture = NDArray[np.uint8]
Rgba = NDArray[np.uint8]  # H x W x 4, RGB and opacity
HAND_PX = 100
# Under which a face is measured: degrees, scale, shift, mirrored. One view's jaw is 1.3 px off, and
# to one side more than to the other.
VIEWS = (
    (0.0, 1.0, (0.0, 0.0), False),
    (0.0, 1.0, (0.0, 0.0), True),
    (4.0, 0.94, (2.0, -1.0), False),
    (-4.0, 0.97, (-2.0, 1.0), True),
)
_CACHED = ("faces", "points", "planes", "good")
HELD_OUT_TEMPLATES = ("KN95", "cloth", "surgical_green")  # by the start of their names


@dataclass(frozen=True, eq=False)
class Material:
    """One split. Faces n x SIDE x SIDE x 3 RGB, planes n x 4 x SIDE x SIDE, points n x 66 x 2."""

    rows: Sequence[FaceRow]
    faces: Picture
    planes: NDArray[np.uint8]
    points: NDArray[np.float32]
    hands: Sequence[Rgba]
    templates: Sequence[Rgba]

    def pick(self, chosen: Sequence[int]) -> Material:
        """The same occluders with these faces only."""
        place = np.asarray(chosen, int)
        return Material(
            [self.rows[n] for n in place],
            self.faces[place],
            self.planes[place],
            self.points[place],
            self.hands,
            self.templates,
        )


def load_material(
    data: Path,
    landmarks: Path,
    hands: Path,
    templates: Path,
    cache: Path,
    *,
    held_out: bool,
    most_of_a_set: int,
) -> Material:
    """Read one split, at most so many faces of a set; labels are kept in ``cache``, for the same
    pictures, landmarks and rules.

    Faces whose landmarks or labels cannot be trusted (``usable``) are left out.
    """
    rows = chosen_rows(read_index(data), held_out=held_out, most_of_a_set=most_of_a_set)
    split = "held" if held_out else "train"
    rules = digest_of(Path(occluder_labels.__file__))
    makings = digest(f"{digest_of_faces(data)} {digest_of(landmarks)} {rules} {VIEWS}".encode())
    folder = cache / f"occluder_{split}_{most_of_a_set}_{makings}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        labelled = label(data, rows, Landmarks(landmarks))
        for name, values in zip(_CACHED, labelled, strict=True):
            np.save(part / f"{name}.npy", values)
        part.rename(folder)
    faces, points, planes, good = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in _CACHED
    )
    return Material(
        [rows[n] for n in good],
        faces,
        planes,
        points,
        read_hands(hands, held_out=held_out),
        read_templates(templates, held_out=held_out),
    )


def chosen_rows(rows: Sequence[FaceRow], *, held_out: bool, most_of_a_set: int) -> list[FaceRow]:
    """Up to ``most_of_a_set`` rows of each set in one split, always the same ones."""
    rng = np.random.default_rng(0)
    order = [rows[n] for n in rng.permutation(len(rows))]
    taken: dict[str, int] = {}
    found = []
    for row in order:
        taken[row.set] = taken.get(row.set, 0) + (row.held_out == held_out)
        if row.held_out == held_out and taken[row.set] <= most_of_a_set:
            found.append(row)
    return found


def label(
    data: Path, rows: Sequence[FaceRow], landmarks: Landmarks
) -> tuple[Picture, NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]:
    """Faces, points and planes of the usable rows, and which rows these are."""
    pictures = load_pictures(data, rows, SIDE)
    faces, points, planes, good = [], [], [], []
    for n, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        found = steady_points(landmarks, picture)
        truth = planes_of(picture, found, row.filler_top)
        if usable(picture, found, truth, row.filler_top):
            faces.append(picture)
            points.append(found.astype(np.float32))
            planes.append(truth)
            good.append(n)
    return np.stack(faces), np.stack(points), np.stack(planes), np.array(good)


def steady_points(landmarks: Landmarks, picture: Picture) -> NDArray[np.floating]:
    """66 x 2 landmarks of a SIDE x SIDE x 3 RGB square: the mean over ``VIEWS``."""
    found = []
    for degrees, scale, shift, mirrored in VIEWS:
        warp = cv2.getRotationMatrix2D((SIDE / 2, SIDE * 0.56), degrees, scale)
        warp[:, 2] += shift
        if mirrored:
            warp[0] *= -1
            warp[0, 2] += SIDE - 1
        view = cv2.warpAffine(picture, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        points = landmarks(np.asarray(view, np.uint8)[None]).points[0]
        points = points - (1 - SIDE / INPUT_PX) / 2  # enlarging moves the pixels' middles
        back = cv2.invertAffineTransform(warp)
        points = points @ back[:, :2].T + back[:, 2]
        found.append(points[MIRROR] if mirrored else points)
    return np.asarray(np.mean(found, axis=0))


def read_hands(archive: Path, *, held_out: bool) -> list[Rgba]:
    """Hands cut off their plain wall, HAND_PX squares; every tenth picture is held out."""
    hands = []
    with tarfile.open(archive) as tar:
        for n, member in enumerate(m for m in tar if m.isfile()):
            if (n % 10 == 0) != held_out:
                continue
            stream = tar.extractfile(member)
            if stream is None:
                continue
            picture = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR)
            if picture is None:
                continue
            small = cv2.resize(picture, (HAND_PX, HAND_PX), interpolation=cv2.INTER_AREA)
            cut = cut_out(np.asarray(small[..., ::-1], np.uint8))
            if cut is not None:
                hands.append(cut)
    return hands


def cut_out(picture: Picture) -> Rgba | None:
    """A hand on a grey wall: what is more coloured than the wall, its largest piece, soft edge.

    ``None`` where no piece has a hand's size.
    """
    lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB).astype(np.float32)
    rim = np.concatenate(
        [lab[:4].reshape(-1, 3), lab[:, :4].reshape(-1, 3), lab[:, -4:].reshape(-1, 3)]
    )
    far = np.hypot(*(lab[..., 1:] - np.median(rim[:, 1:], axis=0)).transpose(2, 0, 1))
    level, _ = cv2.threshold(
        np.clip(far * 4, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU
    )
    solid = (far * 4 > max(level * 0.8, 20)).astype(np.uint8)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    hand = (pieces == largest).astype(np.uint8)
    if not 0.06 < hand.mean() < 0.7:
        return None
    hand = cv2.erode(hand, np.ones((2, 2), np.uint8))
    alpha = cv2.GaussianBlur(hand * 255, (3, 3), 0)
    return np.dstack([picture, alpha]).astype(np.uint8)


def read_templates(folder: Path, *, held_out: bool) -> list[Rgba]:
    """Face-mask cut-outs trimmed to what is opaque, 128 px wide; whole kinds are held out."""
    found = []
    for path in sorted(folder.glob("*.png")):
        if path.stem.startswith(HELD_OUT_TEMPLATES) != held_out:
            continue
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
            continue
        x, y, w, h = cv2.boundingRect((picture[..., 3] > 40).astype(np.uint8))
        trimmed = picture[y : y + h, x : x + w][..., [2, 1, 0, 3]]
        found.append(
            np.asarray(
                cv2.resize(trimmed, (128, round(h * 128 / w)), interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        )
    return found
