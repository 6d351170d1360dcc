"""The harness's figures on pictures and points whose answer is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("torch")

from tests.helpers import tiny_models
from tests.helpers.drawn_faces import DrawnLandmarks, people
from training import metrics
from training.evaluate import arguments, main
from training.gaze import EYE_PX, eye_crop, pupil
from training.landmarks import (
    CELLS,
    FOCAL_PX,
    MODEL,
    POINTS,
    RIGID,
    Landmarks,
    decoded,
    expression,
    expression_error,
    eye_distance,
    five,
    pose,
    pose_error,
)
from training.memory import Memory, save
from training.temporal import Take, clip_steadiness, warp_errors

pytestmark = pytest.mark.training
degrees = st.floats(-35, 35)


def turned(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The rigid points of a head so turned, 66 x 2 (the others at 0)."""
    turn = np.eye(3)
    for axis, angle in zip(((0, 1, 0), (1, 0, 0), (0, 0, 1)), (yaw, pitch, roll), strict=True):
        turn = cv2.Rodrigues(np.radians(angle) * np.array(axis, float))[0] @ turn
    seen = MODEL @ turn.T + (0, 0, 1500)
    points = np.zeros((66, 2))
    points[list(RIGID)] = FOCAL_PX * seen[:, :2] / seen[:, 2:] + 64
    return points


@settings(max_examples=40, deadline=None)
@given(degrees, degrees, degrees)
def test_pose_is_read_off_the_points(yaw: float, pitch: float, roll: float) -> None:
    straight, other = pose(np.stack([turned(0, 0, 0), turned(yaw, pitch, roll)]))
    wanted = np.eye(3)
    for axis, angle in zip(((0, 1, 0), (1, 0, 0), (0, 0, 1)), (yaw, pitch, roll), strict=True):
        wanted = cv2.Rodrigues(np.radians(angle) * np.array(axis, float))[0] @ wanted
    assert pose_error(straight[None], np.eye(3)[None])[0] < 0.5
    assert pose_error(other[None], wanted[None])[0] < 0.5


def test_pose_errors_are_degrees() -> None:
    turns = pose(np.stack([turned(0, 0, 0), turned(20, 0, 0), turned(0, 0, -15)]))
    assert pose_error(turns[:1], turns[1:2])[0] == pytest.approx(20, abs=0.5)
    assert pose_error(turns[:1], turns[2:3])[0] == pytest.approx(15, abs=0.5)


def drawn_points() -> NDArray[np.float64]:
    return DrawnLandmarks()(people(1, 1, seed=1).pictures).points


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.5, 2), st.floats(-50, 50), st.floats(-50, 50))
def test_expression_does_not_depend_on_place_size_or_tilt(
    angle: float, scale: float, x: float, y: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = drawn_points()
    found = expression_error(expression(points @ turn.T + (x, y)), expression(points))
    assert found[0] == pytest.approx(0, abs=1e-6)


def test_an_opened_mouth_is_an_expression() -> None:
    points = drawn_points()
    open_ = points.copy()
    open_[:, 63:66, 1] += 9
    width = float(eye_distance(points)[0])
    assert expression_error(expression(open_), expression(points))[0] == pytest.approx(
        100 * 9 / width * 3 / 9,
        rel=0.01,  # three of the nine measures
    )


def test_landmarks_are_decoded_between_cells() -> None:
    maps = np.zeros((3, POINTS, CELLS, CELLS))
    maps[1:] = 0.5
    maps[0, :, 14, 7] = 1.0  # row 14, column 7
    at = decoded(maps.reshape(3 * POINTS, CELLS, CELLS))
    assert at[0] == pytest.approx((7 * 223 / 27 * 128 / 224, 14 * 223 / 27 * 128 / 224))
    maps[1, :, 14, 7] = 0.8  # the first offset moves down
    moved = decoded(maps.reshape(3 * POINTS, CELLS, CELLS))
    assert moved[0, 1] > at[0, 1]
    assert moved[0, 0] == at[0, 0]


def test_another_network_is_refused_as_landmarks(tmp_path: Path) -> None:
    file = tmp_path / "other.onnx"
    file.write_bytes(tiny_models.detector())
    onnx.load(file)
    with pytest.raises(ValueError, match="landmark network"):
        Landmarks(file)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_eye_is_levelled_and_mirrored(mirrored: bool) -> None:
    picture = np.full((128, 128, 3), 200, np.uint8)
    one, other = np.array([40.0, 60.0]), np.array([56.0, 72.0])  # 20 px wide, tilted
    across = (other - one) / 20
    place = (one + other) / 2 + 5 * across  # a quarter of the width to the right
    cv2.circle(picture, tuple(np.rint(place).astype(int).tolist()), 2, (0, 0, 0), -1)
    crop = eye_crop(picture, one, other, mirrored=mirrored)
    y, x = np.argwhere(crop[..., 0] < 100).mean(0)
    expected = EYE_PX * (0.5 + (-1 if mirrored else 1) * 0.25 / 1.4)
    assert x == pytest.approx(expected, abs=1.5)
    assert y == pytest.approx(EYE_PX / 2, abs=1.5)


def test_the_pupil_is_decoded_x_first() -> None:
    maps = np.zeros((3, 8, 8))
    maps[1:] = 0.5
    maps[0, 6, 2] = 1.0
    assert pupil(maps) == pytest.approx((24, 8))


def step_picture(inside: int, soft: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A disc ``inside`` levels brighter than its surroundings, and its mask."""
    mask = np.zeros((128, 128), np.float32)
    cv2.circle(mask, (64, 64), 40, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), soft)
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(0, 40, (128, 128)).astype(np.float32), (0, 0), 3)
    picture = np.clip(120 + texture + inside * mask, 0, 255)
    return np.repeat(picture[None, ..., None], 3, -1).astype(np.uint8), mask


def test_a_seam_raises_the_gradient_across_the_edge() -> None:
    target, mask = step_picture(0, 3)
    masks = (mask[None] * 255).astype(np.uint8)
    assert metrics.seam(target, target, masks)[0] == 1
    ratios = [metrics.seam(step_picture(by, 3)[0], target, masks)[0] for by in (10, 30, 60)]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 2
    blurred = cv2.GaussianBlur(target[0], (0, 0), 5)[None]
    assert metrics.seam(blurred, target, masks)[0] < 0.7
    assert metrics.seam(blurred, target, np.zeros_like(masks))[0] == 1  # no edge, no seam


def test_change_is_counted_where_it_may_not_be() -> None:
    crowd = people(2, 1, seed=4)
    points = DrawnLandmarks()(crowd.pictures).points
    inside = metrics.face_area(points, 128)
    assert inside[:, 70, 64].all()
    assert not inside[:, :8].any()
    made = crowd.pictures.copy()
    made[0][inside[0]] = 0
    made[1, :6] = 255 - made[1, :6]
    changed = metrics.changes(made, crowd.pictures, ~inside)
    assert changed[0] == 0
    assert changed[1] > 0
    seen = metrics.seen(np.array([0.0, 0.25]), 128)
    assert seen[0, 2].all()
    assert not seen[1, :33].any()
    assert metrics.changes(made, crowd.pictures, seen & ~inside)[1] == 0  # only padding changed


def test_skin_tones_follow_the_light() -> None:
    crowd = people(2, 1, seed=4)
    points = DrawnLandmarks()(crowd.pictures).points
    plain = metrics.skin_tones(crowd.pictures, points)
    warm = metrics.skin_tones(metrics.lit(crowd.pictures, metrics.LIGHTS["warm"]), points)
    assert (warm[:, 2] > plain[:, 2] + 10).all()  # b*: more yellow


def test_kid_is_zero_on_average_for_the_same_kind_and_grows_with_the_distance() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 16))
    found = [metrics.kid(rng.normal(by, 1, (300, 16)), real, rng)[0] for by in (0, 0.3, 0.6)]
    assert abs(found[0]) < 0.2 * found[1]
    assert found == sorted(found)


def test_made_and_real_are_told_apart_only_where_they_differ() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 12))
    assert 0.35 < metrics.told_apart(rng.normal(size=(100, 12)), real, rng) < 0.65
    other = rng.normal(size=(100, 12))
    other[:, 0] += 4
    assert metrics.told_apart(other, real, rng) > 0.95


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_the_harmonic_mean_lies_between_least_and_most(parts: list[float]) -> None:
    found = metrics.harmonic(parts)
    assert min(parts) - 1e-9 <= found <= max(parts) + 1e-9
    assert metrics.harmonic([*parts, 0.0]) == 0.0


def test_small_groups_and_unreadable_values_are_left_out() -> None:
    values = np.array([1.0] * 12 + [2.0] * 12 + [9.0] * 3 + [np.nan])
    labels = ["a"] * 12 + ["b"] * 12 + ["c"] * 3 + ["a"]
    groups = metrics.by_group(values, labels)
    assert {name: group["mean"] for name, group in groups.items()} == {"a": 1.0, "b": 2.0}
    assert metrics.evenness(groups) == 0.5
    assert metrics.evenness({"a": groups["a"]}) is None


def test_real_pictures_are_measured_once(tmp_path: Path) -> None:
    memory, asked = Memory(tmp_path / "cache"), []
    pictures = people(2, 1, seed=1).pictures

    def measure() -> NDArray[np.floating]:
        asked.append(1)
        return np.arange(4.0)

    for network in ("one", "one", "other"):
        assert np.array_equal(memory("judge", network, pictures, measure), np.arange(4.0))
    memory("judge", "one", pictures[:1], measure)
    assert len(asked) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_a_failed_write_leaves_no_file_to_be_read(tmp_path: Path) -> None:
    class Broken:
        def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.generic]:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "x.npy", Broken())  # type: ignore[arg-type]  # not an array: it fails
    assert not (tmp_path / "x.npy").exists()


def filmed(count: int, flicker: int, shake: float) -> list[Take]:
    """A still drawn face; what is shown of it flickers and its nose shakes."""
    face = people(1, 1, seed=6).pictures[0][..., ::-1].copy()
    mask = np.zeros((128, 128), np.uint8)
    cv2.circle(mask, (64, 76), 40, 255, -1)
    takes = []
    for n in range(count):
        side = shake if n % 2 else 0.0
        shown = cv2.warpAffine(face, np.float32([[1, 0, side], [0, 1, 0]]), (128, 128))
        shown = cv2.add(shown, np.full_like(shown, flicker if n % 2 else 0))
        takes.append(Take(face, shown, mask, np.eye(2, 3, dtype=np.float32)))
    return takes


def test_flicker_and_shaking_are_seen() -> None:
    still, flickering = filmed(4, 0, 0), filmed(4, 9, 0)
    assert warp_errors(still[0], still[1]) == [0, 0]
    swap, target = warp_errors(flickering[0], flickering[1])
    assert target == 0
    assert swap == pytest.approx(9, abs=1)
    network = DrawnLandmarks()
    assert clip_steadiness(still, network) == [[0, 0], [0, 0]]
    shaking = clip_steadiness(filmed(5, 0, 4.0), network)
    assert shaking is not None
    assert shaking[0][0] > 10
    assert shaking[0][1] == 0


def test_a_lost_face_breaks_the_run() -> None:
    first, second, third, _ = filmed(4, 0, 0)
    assert clip_steadiness([first, second, None, third], DrawnLandmarks()) is None


def test_five_points_are_the_aligned_ones() -> None:
    points = five(drawn_points())
    assert points.shape == (1, 5, 2)
    assert points[0, 0] == pytest.approx((46, 60), abs=2)
    assert points[0, 1] == pytest.approx((82, 60), abs=2)
    assert points[0, 3:] == pytest.approx(np.array([(50, 100), (78, 100)]), abs=0.5)


@pytest.mark.parametrize(
    "wrong",
    [["--sheet", "no/s.png"], ["--sheet", "s.odd"], ["--json", "no/r.json"], ["--clips", "no"]],
)
def test_what_cannot_be_written_is_told_before_all_else(
    wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["--data", "d", "--teacher", "t.onnx", "--landmarks", "l.onnx"]
    assert arguments([*files, "--sheet", "s.png", "--json"]).json == "-"
    with pytest.raises(SystemExit, match="2"):
        arguments([*files, *wrong])


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--data", str(tmp_path), "--teacher", "no.onnx", "--landmarks", "no.onnx"]
    assert main([*files, "--cache", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "index.csv" in said
    assert "Traceback" not in said
