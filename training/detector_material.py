"""What the detector's scenes are made of: faces with a known place, hands, clip frames."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data import load_pictures, read_index
from training.detector_teacher import (
    Floats,
    ReferenceDetector,
    overlap,
)

Picture = NDArray[np.uint8]
SIDE = 320
FACE_PX = 192
TEST_CLIPS = ("again", "eat", "help", "lwbsza", "sbia1a")


@dataclass(frozen=True)
class Material:
    """What scenes are made of: BGR faces with box and points in their own pixels, hands, frames."""

    faces: Picture
    boxes: Floats  # N x 4: x, y, w, h
    points: Floats  # N x 5 x 2
    filler: Floats  # N: share of the height that is padding
    hands: list[Picture]
    frames: list[Picture]
    frame_boxes: list[Floats]  # a frame: N x 4
    frame_points: list[Floats]  # a frame: N x 5 x 2

    def of(self, chosen: NDArray[np.intp]) -> Material:
        """The same with these faces only."""
        return replace(
            self,
            faces=self.faces[chosen],
            boxes=self.boxes[chosen],
            points=self.points[chosen],
            filler=self.filler[chosen],
        )


@dataclass(frozen=True)
class Scene:
    """A BGR SIDE x SIDE picture; ``certain``: no face in it is missing from ``boxes``."""

    picture: Picture
    boxes: Floats
    points: Floats
    hidden: Floats  # N: share of the face that something covers
    certain: bool


def load_material(
    data: Path,
    clips: Path,
    hands: Path,
    teacher: ReferenceDetector,
    *,
    held_out: bool,
    limit: int,
    seed: int = 0,
) -> Material:
    """Read up to ``limit`` faces of one split and label each by the teacher on the clean picture.

    Faces in which the teacher finds nothing at any of three sizes are left out.
    """
    rng = np.random.default_rng(seed)
    rows = [row for row in read_index(data) if row.held_out == held_out]
    rows = [rows[n] for n in rng.permutation(len(rows))[:limit]]
    pictures = np.ascontiguousarray(load_pictures(data, rows, FACE_PX)[..., ::-1])
    found = [label_clean(picture, teacher) for picture in pictures]
    keep = [n for n, label in enumerate(found) if label is not None]
    labels = [label for label in found if label is not None]
    frames = read_clips(clips, held_out=held_out)
    faces = [label_frame(frame, teacher) for frame in frames]
    return Material(
        faces=pictures[keep],
        boxes=np.stack([box for box, _ in labels]),
        points=np.stack([points for _, points in labels]),
        filler=np.array([rows[n].filler_top for n in keep], np.float32),
        hands=_read_hands(hands, held_out),
        frames=frames,
        frame_boxes=[boxes for boxes, _ in faces],
        frame_points=[points for _, points in faces],
    )


def label_clean(picture: Picture, teacher: ReferenceDetector) -> tuple[Floats, Floats] | None:
    """Box (4) and points (5 x 2) of an aligned face: the mean over six sizes, both ways round.

    One view is not enough: a shift of three pixels moves the teacher's points by 6 % of the eye
    distance (median), so the mean of several is the better truth.
    """
    side = picture.shape[0]
    boxes, points = [], []
    for n, size in enumerate((96, 112, 128, 144, 160, 176)):
        scale, flip = size / side, n % 2 == 1
        small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        canvas = np.full((256, 256, 3), 114, np.uint8)
        at = (256 - size) // 2 - n
        canvas[at : at + size, at : at + size] = small[:, ::-1] if flip else small
        faces = teacher.detect(canvas, 0.5)
        if not len(faces.score):
            continue
        box, five = faces.boxes[0].copy(), faces.points[0] - at
        box[:2] -= at
        if flip:
            box, five = mirror_face(box, five, size)
        boxes.append(box / scale)
        points.append(five / scale)
    if not boxes:
        return None
    return (
        np.mean(boxes, 0, dtype=np.float32),
        np.mean(points, 0, dtype=np.float32),
    )


def label_frame(frame: Picture, teacher: ReferenceDetector) -> tuple[Floats, Floats]:
    """Boxes N x 4 and points N x 5 x 2 of a clip frame: means over six views that agree. None is
    the frame as the evaluation shows it (320 px, in the corner), which would favour the teacher."""
    height, width = frame.shape[:2]
    views: list[tuple[Floats, Floats]] = []
    for n, side in enumerate((328, 304, 352, 384, 416, 448)):
        scale, flip, at = side / max(height, width), n % 2 == 1, n + 1
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        h, w = small.shape[:2]
        canvas = np.zeros((-(-(h + at) // 32) * 32, -(-(w + at) // 32) * 32, 3), np.uint8)
        canvas[at : at + h, at : at + w] = small[:, ::-1] if flip else small
        faces = teacher.detect(canvas, 0.5)
        boxes, points = faces.boxes.copy(), faces.points - at
        boxes[:, :2] -= at
        if flip:
            both = [mirror_face(box, five, w) for box, five in zip(boxes, points, strict=True)]
            boxes = np.array([box for box, _ in both], np.float32).reshape(-1, 4)
            points = np.array([five for _, five in both], np.float32).reshape(-1, 5, 2)
        views.append((boxes / scale, points / scale))
    kept_boxes, kept_points = [], []
    for box in views[0][0]:
        same = []
        for boxes, points in views:
            table = overlap(box[None], boxes)[0]
            if len(table) and table.max() > 0.5:
                same.append((boxes[table.argmax()], points[table.argmax()]))
        if len(same) >= 4:
            kept_boxes.append(np.mean([b for b, _ in same], 0))
            kept_points.append(np.mean([p for _, p in same], 0))
    return (
        np.array(kept_boxes, np.float32).reshape(-1, 4),
        np.array(kept_points, np.float32).reshape(-1, 5, 2),
    )


def mirror_face(box: Floats, five: Floats, width: int) -> tuple[Floats, Floats]:
    """Box and points in the mirrored picture of ``width`` columns."""
    turned = np.array([width - 1 - box[0] - box[2], *box[1:]], np.float32)
    return turned, (five * (-1, 1) + (width - 1, 0))[[1, 0, 2, 4, 3]].astype(np.float32)


def move_box(box: Floats, warp: NDArray[np.floating]) -> Floats:
    """The upright box of a face after a 2 x 3 similarity (sides trade places with the turn)."""
    grow = float(np.sqrt(abs(np.linalg.det(warp[:, :2]))))
    turn = np.arctan2(warp[1, 0], warp[0, 0])
    share = np.sin(turn) ** 2
    grow *= 1 + 0.12 * abs(np.sin(turn))
    w, h = box[2] * grow, box[3] * grow
    w, h = w * (1 - share) + h * share, h * (1 - share) + w * share
    middle = warp[:, :2] @ (box[:2] + box[2:] / 2) + warp[:, 2]
    return np.array([middle[0] - w / 2, middle[1] - h / 2, w, h], np.float32)


def _read_hands(archive: Path, held_out: bool) -> list[Picture]:
    hands = []
    with tarfile.open(archive) as tar:
        for n, member in enumerate(m for m in tar if m.isfile()):
            if (n % 10 == 0) != held_out:
                continue
            stream = tar.extractfile(member)
            if stream is not None:
                hand = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR)
                if hand is not None:
                    hands.append(np.ascontiguousarray(hand, np.uint8))
    return hands


def read_clips(folder: Path, *, held_out: bool) -> list[Picture]:
    """All BGR frames of the clips of one split (``TEST_CLIPS`` are held out)."""
    frames: list[Picture] = []
    for path in sorted((*folder.glob("*.mkv"), *folder.glob("*.mpg"))):
        if (path.stem in TEST_CLIPS) != held_out:
            continue
        capture = cv2.VideoCapture(str(path))
        while True:
            good, frame = capture.read()
            if not good:
                break
            frames.append(np.ascontiguousarray(frame, np.uint8))
        capture.release()
    return frames
