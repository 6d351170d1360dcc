"""Detector training: export, mirrored targets and the truth's say over the teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from training.detector_evaluate import Tally, count, pair  # noqa: E402
from training.detector_export import export  # noqa: E402
from training.detector_material import FACE_PX, SIDE, Material, Scene  # noqa: E402
from training.detector_model import Detector  # noqa: E402
from training.detector_scenes import Composer  # noqa: E402
from training.detector_targets import dense_targets  # noqa: E402
from training.detector_teacher import (  # noqa: E402
    Dense,
    Detections,
    ReferenceDetector,
    anchors,
    decode_boxes,
    decode_points,
    pick,
)
from training.detector_train import (  # noqa: E402
    Hardness,
    Store,
    await_scenes,
    loss_of,
    mirrored,
)

pytestmark = pytest.mark.training
GRID = anchors(SIDE, SIDE)


def silent() -> Dense:
    """A teacher that sees nothing."""
    n = len(GRID)
    zeros = np.zeros(n, np.float32)
    return Dense(zeros, np.zeros((n, 4), np.float32), np.zeros((n, 10), np.float32))


def known_scene(hidden: float = 0.0) -> Scene:
    points = np.array([[[100, 90], [130, 90], [115, 110], [104, 125], [126, 125]]], np.float32)
    return Scene(
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.array([[80, 60, 70, 90]], np.float32),
        points,
        np.array([hidden], np.float32),
        certain=True,
    )


def answer(target: np.ndarray) -> Dense:
    return Dense(target[:, 0] * target[:, 1], target[:, 3:7], target[:, 7:])


def test_export_gives_the_network_s_answer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Detector()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    for head in model.points.heads:
        torch.nn.init.normal_(head.weight, std=0.1)  # they start at nought
    model.eval()
    export(model, tmp_path / "d.onnx")
    picture = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    dense = ReferenceDetector(tmp_path / "d.onnx").dense(picture)
    with torch.no_grad():
        blob = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
        out = torch.cat(model(blob), 1)[0]
    score = (out[:, 0].sigmoid() * out[:, 1].sigmoid()).sqrt()
    np.testing.assert_allclose(dense.score, score.numpy(), atol=1e-4)
    np.testing.assert_allclose(dense.box, out[:, 2:6].numpy(), atol=1e-3)
    np.testing.assert_allclose(dense.points, out[:, 6:].numpy(), atol=1e-3)


def test_a_face_the_teacher_misses_is_taught_from_the_truth() -> None:
    scene = known_scene()
    faces = pick(answer(dense_targets(scene, silent())), GRID, 0.5)
    assert len(faces.score) == 1
    np.testing.assert_allclose(faces.boxes, scene.boxes, atol=1e-3)
    np.testing.assert_allclose(faces.points, scene.points, atol=1e-3)


def test_a_covered_face_carries_no_weight() -> None:
    target = dense_targets(known_scene(hidden=0.8), silent())
    assert target[:, 0].max() == 0
    inside = (np.abs((GRID[:, :2] + 0.5) * GRID[:, 2:] - (115, 105)) < 20).all(1)
    assert target[inside, 1].max() == 0


def test_a_false_face_of_the_teacher_is_unlearnt_only_where_the_truth_is_known() -> None:
    dense = silent()
    dense.score[40 * 35 + 35] = 0.9  # a cell far from the known face
    assert dense_targets(known_scene(), dense)[40 * 35 + 35, 0] == 0
    known = known_scene()
    unknown = Scene(
        known.picture, known.boxes[:0], known.points[:0], known.hidden[:0], certain=False
    )
    assert dense_targets(unknown, dense)[40 * 35 + 35, 0] == pytest.approx(0.9)


def test_mirrored_targets_decode_to_the_mirrored_face() -> None:
    target = dense_targets(known_scene(), silent())
    faces = pick(answer(mirrored(target)), GRID, 0.5)
    plain = pick(answer(target), GRID, 0.5)
    box = plain.boxes[0] * (-1, 1, 1, 1) + (SIDE - 1 - plain.boxes[0, 2], 0, 0, 0)
    np.testing.assert_allclose(faces.boxes[0], box, atol=1e-3)
    points = (plain.points[0] * (-1, 1) + (SIDE - 1, 0))[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(faces.points[0], points, atol=1e-3)
    np.testing.assert_allclose(mirrored(mirrored(target)), target, atol=1e-5)


def test_the_loss_is_least_at_the_target() -> None:
    target = torch.from_numpy(dense_targets(known_scene(), silent()))[None]
    right = target[..., 3:].clone()
    score = target[..., :1].clamp(1e-4, 1 - 1e-4)
    maps = torch.cat([torch.logit(score), torch.logit(score), right], 2)
    at = sum(float(part) for part in loss_of([maps], target)[:3])
    off = sum(float(part) for part in loss_of([maps + 0.3], target)[:3])
    assert at < 1e-3 < off


def test_scenes_are_the_same_for_the_same_seed_and_hold_their_faces() -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (2, FACE_PX, FACE_PX, 3), np.uint8)
    points = np.array([[70, 80], [122, 80], [96, 110], [75, 135], [117, 135]], np.float32)
    material = Material(
        faces=faces,
        boxes=np.array([[48, 36, 96, 124]] * 2, np.float32),
        points=np.stack([points, points]),
        filler=np.zeros(2, np.float32),
        hands=[rng.integers(0, 256, (100, 100, 3), np.uint8)],
        frames=[rng.integers(0, 256, (288, 360, 3), np.uint8)],
        frame_boxes=[np.array([[150, 90, 60, 80]], np.float32)],
        frame_points=[points[None] * 0.6 + (122, 65)],
    )
    first, second = Composer(material, 3), Composer(material, 3)
    for _ in range(12):
        a, b = first.scene(), second.scene()
        np.testing.assert_array_equal(a.picture, b.picture)
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert a.picture.shape == (SIDE, SIDE, 3)
        for box, five in zip(a.boxes, a.points, strict=True):
            assert (five > box[:2] - box[2:] * 0.2).all()
            assert (five < box[:2] + box[2:] * 1.2).all()


def test_decoding_follows_the_cells() -> None:
    grid = anchors(64, 96)
    assert len(grid) == 8 * 12 + 4 * 6 + 2 * 3
    raw = np.zeros((len(grid), 4), np.float32)
    boxes = decode_boxes(raw, grid)
    np.testing.assert_allclose(boxes[13], (1 * 8 - 4, 1 * 8 - 4, 8, 8))
    points = decode_points(np.zeros((len(grid), 10), np.float32), grid)
    np.testing.assert_allclose(points[-1], np.full((5, 2), (64, 32)))


def test_the_tally_counts_kept_missed_and_false_faces() -> None:
    scene = known_scene()
    none = Detections(np.zeros(0, np.float32), scene.boxes[:0], scene.points[:0])
    one = Detections(np.ones(1, np.float32), scene.boxes, scene.points)
    away = Detections(np.ones(1, np.float32), scene.boxes + 120, scene.points + 120)
    tally = Tally()
    count(tally, scene, one, one, one)
    count(tally, scene, away, one, one)
    count(tally, scene, one, none, none)
    assert (tally.reference, tally.kept, tally.hit_model, tally.hit_reference) == (2, 1, 2, 2)
    assert (tally.false_model, tally.false_reference) == (1, 0)
    assert tally.apart == [0.0]
    assert pair(scene.boxes, scene.boxes[:0], 0.5) == []


def test_scenes_that_were_wrong_come_back_more_often() -> None:
    rng = np.random.default_rng(0)
    hardness = Hardness(np.zeros(10, np.float32), share=0.5)
    assert set(hardness.draw(400, 8, rng)) == set(range(8))  # nothing known yet: evenly
    hardness.note(np.array([3, 5]), np.array([4.0, 0.0]))
    drawn = np.bincount(hardness.draw(1000, 8, rng), minlength=10)
    assert drawn[3] > 450
    assert (drawn[:8] > 20).all()
    assert drawn[8:].sum() == 0


class Ends:
    """A process that draws one scene a look and ends by itself after three."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.exitcode: int | None = None

    def join(self, timeout: float) -> None:
        self._store.count[0] += 1
        self.exitcode = 1 if self._store.count[0] >= 3 else None


@pytest.mark.parametrize(("first", "ends"), [(2, False), (9, True)])
def test_nobody_waits_for_scenes_of_a_process_that_ended(first: int, ends: bool) -> None:
    store = Store(np.zeros(0, np.uint8), np.zeros(0, np.float16), np.zeros(2, np.int64))
    if ends:
        with pytest.raises(SystemExit, match="no scenes"):
            await_scenes(store, first, Ends(store))  # type: ignore[arg-type]
    else:
        await_scenes(store, first, Ends(store))  # type: ignore[arg-type]
        assert store.count[0] == first


def test_each_scene_has_its_part_of_the_loss() -> None:
    target = torch.zeros(2, 21, 17)
    target[..., 1] = 1
    maps = torch.full((2, 21, 16), -8.0)
    maps[1, 4, :2] = 3  # a false face
    scores, _, _, each = loss_of([maps], target)
    assert float(each.sum()) == pytest.approx(float(scores))
    assert float(each[1]) > 100 * float(each[0])
