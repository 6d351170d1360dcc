"""The detector's point branch: what it is shown, what it is taught, and that nothing else moves."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.specimens import LANDMARKS  # noqa: E402
from training.detector_material import FACE_PX, SIDE, Material  # noqa: E402
from training.detector_model import Detector  # noqa: E402
from training.detector_points import (  # noqa: E402
    VIEW_PX,
    Batch,
    Known,
    Views,
    answers,
    judge,
    loss_of,
    plain,
    taught,
    view,
)
from training.detector_restore import from_onnx  # noqa: E402
from training.detector_teacher import anchors  # noqa: E402

pytestmark = pytest.mark.training

ASSETS = Path(__file__).parents[2] / "assets"
DETECTOR = ASSETS / "detector.onnx"
PERSONAS = sorted((ASSETS / "personas").glob("*.png"))
BEHIND = np.full((VIEW_PX, VIEW_PX, 3), 114, np.uint8)
GRID = torch.from_numpy(anchors(VIEW_PX, VIEW_PX))
POINTS = np.array([[40, 50], [80, 46], [64, 70], [46, 92], [78, 90]], np.float32)
BOX = np.array([28, 20, 66, 90], np.float32)
COLOURS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]], np.uint8)


def dotted(count: int = 3) -> Known:
    """Grey squares with a dot of its own colour at each point."""
    picture = np.full((128, 128, 3), 100, np.uint8)
    for (x, y), colour in zip(POINTS.astype(int), COLOURS, strict=True):
        picture[y - 3 : y + 4, x - 3 : x + 4] = colour
    return Known([picture] * count, np.stack([BOX] * count), np.stack([POINTS] * count))


@pytest.mark.parametrize("seed", range(12))
def test_points_stay_on_what_they_mark(seed: int) -> None:
    behind = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    picture, _, (points,) = view(dotted(), 0, behind, np.random.default_rng(seed))
    shown = [n for n, p in enumerate(points) if (p > 3).all() and (p < VIEW_PX - 4).all()]
    assert len(shown) >= 3
    found = {n: picture[round(float(points[n, 1])), round(float(points[n, 0]))] for n in shown}
    plain = all(np.abs(found[n].astype(int) - COLOURS[n]).max() < 60 for n in shown)
    swapped = [1, 0, 2, 4, 3]  # in a mirror the right eye's dot marks the left eye
    mirrored = all(np.abs(found[n].astype(int) - COLOURS[swapped[n]]).max() < 60 for n in shown)
    assert plain or mirrored


def test_a_plain_view_has_the_face_in_the_middle_at_half_its_side() -> None:
    behind = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    _, (centre,), (points,) = view(dotted(), 0, behind, None)
    assert centre[:2] == pytest.approx([VIEW_PX / 2] * 2)
    assert np.ptp(points[:, 1]) == pytest.approx(np.ptp(POINTS[:, 1]) * VIEW_PX / 2 / BOX[3])


def test_turn_is_the_nose_s_way_from_the_middle_of_the_eyes() -> None:
    points = np.array([[[0, 0], [40, 0], [20, 30], [5, 50], [35, 50]]] * 2, np.float32)
    points[1, 2, 0] += 10
    assert Known([], points[:, 0], points).turn == pytest.approx([0, 0.25])


def material() -> Material:
    """Two dotted faces, the second turned, and one frame with the first on it."""
    known = dotted(2)
    known.points[1, 2, 0] += 20
    faces = np.stack([cv2.resize(picture, (FACE_PX, FACE_PX)) for picture in known.pictures])
    grow = FACE_PX / 128
    frame = np.full((240, 320, 3), 60, np.uint8)
    frame[:128, :128] = known.pictures[0]
    return Material(
        faces=faces,
        boxes=known.boxes * grow,
        points=known.points * grow,
        filler=np.zeros(2, np.float32),
        hands=[np.full((40, 40, 3), 255, np.uint8)],
        frames=[frame],
        frame_boxes=[known.boxes[:1]],
        frame_points=[known.points[:1]],
    )


def test_turned_faces_are_drawn_more_often() -> None:
    views = Views.over(material(), seed=0)
    assert views.chances[0][1] > 2 * views.chances[0][0]
    batch = views.near(4, np.random.default_rng(0))
    assert batch.pictures.shape == (4, 3, VIEW_PX, VIEW_PX)
    assert batch.owners.tolist() == [0, 1, 2, 3]
    assert batch.centres.shape == (4, 3)
    assert batch.points.shape == (4, 5, 2)


def test_scenes_bring_every_face_with_its_picture() -> None:
    views = Views.over(material(), seed=3)
    batch = views.scenes(8, np.random.default_rng(1))
    assert batch.pictures.shape == (8, 3, SIDE, SIDE)
    assert len(batch.owners) == len(batch.centres) == len(batch.points) > 4
    assert batch.owners.tolist() == sorted(batch.owners.tolist())
    inside = (batch.points - batch.centres[:, None, :2]).abs().amax((1, 2))
    assert bool((inside < batch.centres[:, 2]).all())  # points lie about their own face's middle


def answering(at: int, size: float) -> torch.Tensor:
    """Maps of one picture in which anchor ``at`` is sure of a face of ``size`` px about itself."""
    maps = torch.zeros(1, len(GRID), 16)
    maps[..., :2] = -9
    maps[0, at, :2] = 9
    maps[0, at, 4:6] = math.log(size / float(GRID[at, 2]))
    return maps


def test_only_anchors_that_mean_this_face_are_taught() -> None:
    at = 20 * 10 + 10  # stride 8, cell (10, 10): its face is about (80, 80)
    maps = answering(at, 70)
    weight = taught(maps, torch.tensor([[80.0, 80.0, 70.0]]), GRID)
    assert weight.nonzero().tolist() == [[0, at]]
    elsewhere, larger = torch.tensor([[30.0, 80.0, 70.0]]), torch.tensor([[80.0, 80.0, 140.0]])
    assert not taught(maps, elsewhere, GRID).any()
    assert not taught(maps, larger, GRID).any()


def test_the_loss_is_nought_at_the_truth() -> None:
    at = 20 * 10 + 10
    maps, centres = answering(at, 70), torch.tensor([[80.0, 80.0, 70.0]])
    points = torch.tensor([[[60.0, 70], [95, 70], [80, 85], [65, 100], [92, 100]]])
    maps[0, at, 6:] = (points[0] / 8 - GRID[at, :2]).flatten()
    weight = taught(maps, centres, GRID)
    assert float(loss_of(maps, weight, centres, points, GRID)) == pytest.approx(0, abs=1e-9)
    assert float(loss_of(maps, weight, centres, points + 5, GRID)) > 0.01


def test_a_step_moves_the_branch_alone() -> None:
    torch.manual_seed(0)
    model = Detector()
    model.requires_grad_(False).eval()
    model.points.requires_grad_(True)
    behind = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    batch = Batch.of([view(dotted(), n, behind, None) for n in range(3)])
    base, whole = answers(model, batch.pictures)
    torch.testing.assert_close(base, whole)  # it starts closed
    everywhere = torch.ones(whole.shape[:2])
    loss_of(whole, everywhere, batch.centres, batch.points, GRID).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved
    assert all(name.startswith("points.heads.") for name in moved)


def test_a_closed_branch_is_judged_as_no_branch() -> None:
    model = from_onnx(DETECTOR, Batch.of([view(dotted(), 0, BEHIND, None)] * 16).pictures)
    for head in model.points.heads:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    pictures = [np.asarray(cv2.imread(str(file)), np.uint8) for file in PERSONAS]
    points = np.stack([LANDMARKS * pictures[0].shape[0] / 256] * len(pictures)).astype(np.float32)
    points[:, 2, 0] += np.linspace(-4, 4, len(pictures))
    side = np.float32(pictures[0].shape[0])
    boxes = np.stack([side * np.array([0.25, 0.12, 0.5, 0.65], np.float32)] * len(pictures))
    found = judge(model, plain(Known(pictures, boxes, points)))
    assert found["error"] == found["error_before"] < 0.4
    assert found["slope"] == found["slope_before"]
