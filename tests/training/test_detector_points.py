"""The detector's point branch: what it is shown, what it is taught, and that nothing else moves."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.detector_model import Detector  # noqa: E402
from training.detector_points import (  # noqa: E402
    GRID,
    VIEW_PX,
    Known,
    Views,
    answers,
    loss_of,
    stacked,
    taught,
    view,
)

pytestmark = pytest.mark.training

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
    picture, _, points = view(dotted(), 0, behind, np.random.default_rng(seed))
    shown = [n for n, p in enumerate(points) if (p > 3).all() and (p < VIEW_PX - 4).all()]
    assert len(shown) >= 3
    found = {n: picture[round(float(points[n, 1])), round(float(points[n, 0]))] for n in shown}
    plain = all(np.abs(found[n].astype(int) - COLOURS[n]).max() < 60 for n in shown)
    swapped = [1, 0, 2, 4, 3]  # in a mirror the right eye's dot marks the left eye
    mirrored = all(np.abs(found[n].astype(int) - COLOURS[swapped[n]]).max() < 60 for n in shown)
    assert plain or mirrored


def test_a_plain_view_has_the_face_in_the_middle_at_half_its_side() -> None:
    behind = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    _, centre, points = view(dotted(), 0, behind, None)
    assert centre[:2] == pytest.approx([VIEW_PX / 2] * 2)
    assert np.ptp(points[:, 1]) == pytest.approx(np.ptp(POINTS[:, 1]) * VIEW_PX / 2 / BOX[3])


def test_turn_is_the_nose_s_way_from_the_middle_of_the_eyes() -> None:
    points = np.array([[[0, 0], [40, 0], [20, 30], [5, 50], [35, 50]]] * 2, np.float32)
    points[1, 2, 0] += 10
    assert Known([], points[:, 0], points).turn == pytest.approx([0, 0.25])


def test_turned_faces_are_drawn_more_often() -> None:
    known = dotted(2)
    known.points[1, 2, 0] += 20
    views = Views.over(known, known)
    assert views.chances[0][1] > 2 * views.chances[0][0]
    pictures, centres, points = views.batch(4, np.random.default_rng(0))
    assert pictures.shape == (4, 3, VIEW_PX, VIEW_PX)
    assert centres.shape == (4, 3)
    assert points.shape == (4, 5, 2)


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
    weight = taught(maps, torch.tensor([[80.0, 80.0, 70.0]]))
    assert weight.nonzero().tolist() == [[0, at]]
    elsewhere, larger = torch.tensor([[30.0, 80.0, 70.0]]), torch.tensor([[80.0, 80.0, 140.0]])
    assert not taught(maps, elsewhere).any()
    assert not taught(maps, larger).any()


def test_the_loss_is_nought_at_the_truth() -> None:
    at = 20 * 10 + 10
    maps, centres = answering(at, 70), torch.tensor([[80.0, 80.0, 70.0]])
    points = torch.tensor([[[60.0, 70], [95, 70], [80, 85], [65, 100], [92, 100]]])
    maps[0, at, 6:] = (points[0] / 8 - GRID[at, :2]).flatten()
    weight = taught(maps, centres)
    assert float(loss_of(maps, weight, centres, points)) == pytest.approx(0, abs=1e-9)
    assert float(loss_of(maps, weight, centres, points + 5)) > 0.01


def test_a_step_moves_the_branch_alone() -> None:
    torch.manual_seed(0)
    model = Detector()
    model.requires_grad_(False).eval()
    model.points.requires_grad_(True)
    behind = np.zeros((VIEW_PX, VIEW_PX, 3), np.uint8)
    pictures, centres, points = stacked([view(dotted(), n, behind, None) for n in range(3)])
    base, whole = answers(model, pictures)
    torch.testing.assert_close(base, whole)  # it starts closed
    loss_of(whole, torch.ones(whole.shape[:2]), centres, points).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved
    assert all(name.startswith("points.heads.") for name in moved)
