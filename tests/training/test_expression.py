"""What a face shows is read off it, asked of its swap, and erased from what is told of a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tests.helpers.tiny_training import RECIPE, Plain, faces, trainer  # noqa: E402
from training import expression_model, expression_train, mesh  # noqa: E402
from training.expression_model import NAMES, PARTS, ExpressionReader  # noqa: E402
from training.faces import Sampler  # noqa: E402
from training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.training

EYE = np.array([0.3, 0.3, 0.3, 0.0, 0.0])


class Corners(nn.Module):
    """Stands in for the reader: brightness of 22 places of the crop."""

    def forward(self, crops: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(crops.float().mean(1, keepdim=True), (2, 11)).flatten(1) * 4


def flat_face() -> np.ndarray:
    """A mesh with the points that are measured where a face from the front has them."""
    points = np.zeros((mesh.POINTS, 3))
    places = {
        mesh.LEFT_CORNERS: ((40, 60), (60, 60)),
        mesh.RIGHT_CORNERS: ((120, 60), (100, 60)),
        mesh.MOUTH: ((60, 120), (100, 120)),
        mesh.OUTER_LIPS: ((80, 115), (80, 125)),
        (mesh.FOREHEAD, mesh.NOSE_TIP): ((80, 10), (80, 90)),
        (mesh.NOSE_BASE, mesh.CHIN): ((80, 98), (80, 160)),
    }
    for (up, low), x in zip(mesh.LIPS, (65, 72, 80, 88, 95), strict=True):
        places[(up, low)] = ((x, 119), (x, 121))
    for numbers, where in places.items():
        points[list(numbers), :2] = where
    return points


class Seen:
    """Stands in for both networks: the mesh is given, the iris is where a crop has its light."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points, self.crops = np.zeros((mesh.POINTS, 3)), list[np.ndarray]()
        monkeypatch.setattr(mesh, "_opened", lambda file: file)
        monkeypatch.setattr(mesh, "_run", self._run)

    def __call__(self, square: np.ndarray, points: np.ndarray) -> dict[str, float]:
        """What is measured of one square, s x s x 3; ``crops`` are of its left and right eye."""
        self.points, self.crops = points, []
        found = mesh.Mesh(Path("mesh"), Path("iris"))(square[None])[0]
        return dict(zip(NAMES, found, strict=True))

    def _run(self, network: Path, picture: np.ndarray, *counts: int) -> list[np.ndarray]:
        if network.name == "mesh":
            return [self.points.reshape(-1)]
        self.crops.append(picture)
        outline, iris = (np.zeros((count, 3)) for count in counts)
        outline[[0, 8], :2] = (18, 32), (46, 32)
        light = picture.mean(-1, dtype=np.float64)
        y, x = np.indices(light.shape)
        iris[0, :2] = (x * light).sum() / light.sum(), (y * light).sum() / light.sum()
        return [outline, iris]


def tilted_eyes() -> np.ndarray:
    """A mesh whose eyes slope, each in its way."""
    points = flat_face()
    points[list(mesh.LEFT_CORNERS), 1] += (0, 7)
    points[list(mesh.RIGHT_CORNERS), 1] += (3, -6)
    return points


def shown(points: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, mesh.measured(points, EYE, EYE), strict=True))


def test_a_face_from_the_front_shows_nothing() -> None:
    found = shown(flat_face())
    assert found["yaw"] == found["nose_aside"] == found["left_corner"] == 0
    assert found["lips_2"] == pytest.approx(2 / 60)
    assert found["mouth_width"] == pytest.approx(40 / 60)


def test_turned_nodding_speaking_and_smiling_show() -> None:
    turned, nodding, speaking, smiling = (flat_face() for _ in range(4))
    turned[list(mesh.RIGHT_CORNERS), 2] = 30
    turned[mesh.NOSE_TIP, 0] += 12
    nodding[mesh.NOSE_BASE, 2] = -40
    speaking[[low for _, low in mesh.LIPS], 1] += 18
    smiling[list(mesh.MOUTH), 1] -= 6
    assert shown(turned)["yaw"] > 0.3
    assert shown(turned)["nose_aside"] > 0.15
    assert shown(nodding)["pitch"] < -0.3
    assert all(shown(speaking)[f"lips_{n}"] > 0.3 for n in range(5))
    assert shown(smiling)["left_corner"] == shown(smiling)["right_corner"] == pytest.approx(0.1)


def test_a_tilted_head_shows_what_an_upright_one_does() -> None:
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = flat_face()
    points[list(mesh.MOUTH), 1] -= 6
    tilted = points.copy()
    tilted[:, :2] = points[:, :2] @ turn.T
    assert shown(tilted) == pytest.approx(shown(points), abs=1e-9)


def test_the_mirrored_face_shows_the_mirrored_measures() -> None:
    rng = np.random.default_rng(4)
    points = flat_face()
    points[:, 2] = rng.normal(0, 5, len(points))
    points[mesh.NOSE_TIP, 0] += 7
    points[mesh.MOUTH[0], 1] -= 9
    left, right = rng.random(5), rng.random(5)
    partner = np.arange(mesh.POINTS)
    pairs = (*zip(mesh.LEFT_CORNERS, mesh.RIGHT_CORNERS, strict=True), mesh.MOUTH)
    pairs += tuple(zip(mesh.LIPS[0], mesh.LIPS[4], strict=True))
    pairs += tuple(zip(mesh.LIPS[1], mesh.LIPS[3], strict=True))
    for one, other in pairs:
        partner[one], partner[other] = other, one
    flipped = points[partner] * (-1, 1, 1) + (160, 0, 0)
    sign = np.array([1, 1, 1, -1, 1])
    found = mesh.measured(flipped, sign * right, sign * left)
    wanted = expression_model.mirrored(mesh.measured(points, left, right)[None].astype(np.float32))
    assert found == pytest.approx(wanted[0], abs=1e-5)


def test_the_left_eye_is_cut_as_the_mirrored_faces_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, seen, points = np.random.default_rng(5), Seen(monkeypatch), tilted_eyes()
    noise = rng.integers(0, 256, (24, 24, 3), np.uint8)
    square = cv2.resize(noise, (mesh.MESH_PX, mesh.MESH_PX), interpolation=cv2.INTER_CUBIC)
    flipped = points * (-1, 1, 1) + (mesh.MESH_PX - 1, 0, 0)
    for one, other in zip(mesh.LEFT_CORNERS, mesh.RIGHT_CORNERS, strict=True):
        flipped[[one, other]] = flipped[[other, one]]
    found = seen(square, points)
    left, right = (crop.astype(float) for crop in seen.crops)
    turned = seen(np.ascontiguousarray(square[:, ::-1]), flipped)
    for crop, same in ((left, seen.crops[1]), (right, seen.crops[0])):
        assert crop.shape == (mesh.EYE_PX, mesh.EYE_PX, 3)
        assert crop.std() > 20
        assert np.abs(crop - same).mean() < 1
    assert np.abs(left - right).mean() > 20
    for side, other in (("left", "right"), ("right", "left")):
        assert turned[f"{side}_gaze_x"] == pytest.approx(-found[f"{other}_gaze_x"], abs=0.01)
        assert turned[f"{side}_gaze_y"] == pytest.approx(found[f"{other}_gaze_y"], abs=0.01)


@pytest.mark.parametrize("size", [128, 192])
def test_an_eye_is_cut_level_with_its_outer_corner_to_the_right(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A light stands at the outer corner of each eye, then at the inner one, then above."""
    seen, points = Seen(monkeypatch), tilted_eyes()
    for place, out, down in (("outer", 0.5, 0), ("inner", -0.5, 0), ("above", 0, -0.4)):
        square = np.zeros((size, size, 3), np.uint8)
        for outer, inner in (mesh.LEFT_CORNERS, mesh.RIGHT_CORNERS):
            ends = points[[outer, inner], :2] * (size / mesh.MESH_PX)
            along = ends[0] - ends[1]
            up = np.array([along[1], -along[0]]) * np.sign(along[0])
            x, y = ends.mean(0) + out * along - down * up
            cv2.circle(square, (round(x * 16), round(y * 16)), 32, (255,) * 3, -1, cv2.LINE_AA, 4)
        found = seen(square, points)
        told = [found[f"{side}_gaze_{axis}"] for side in ("left", "right") for axis in "xy"]
        assert told == pytest.approx([-out, down, out, down], abs=0.04), place


def test_mirroring_twice_is_nothing() -> None:
    some = np.random.default_rng(1).random((3, len(NAMES)), np.float32)
    assert np.array_equal(expression_model.mirrored(expression_model.mirrored(some)), some)


def test_parts_are_all_measures_and_count_alike() -> None:
    assert [n for part in PARTS for n in range(len(NAMES))[part]] == list(range(len(NAMES)))
    some = torch.zeros(2, len(NAMES))
    for part in PARTS:
        other = some.clone()
        other[:, part] = 1
        assert float(expression_model.misread(other, some)) == pytest.approx(1 / len(PARTS))


def test_a_reader_learns_what_pictures_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression_train, "BATCH", 32)
    torch.manual_seed(1)
    drawn = faces(64)
    levels = drawn.pictures[:, 40:90, 40:90].mean((1, 2, 3))[:, None] / 255
    wanted = np.repeat(levels, len(NAMES), 1).astype(np.float32)
    wanted[:, [0, 2, 18, 20]] = 0.1 * np.random.default_rng(2).random((64, 4))  # signs would flip
    reader = ExpressionReader()
    expression_train.train(reader, drawn, wanted, 40)
    found = expression_train.explained(reader, drawn, wanted)
    assert float(found[3:12].mean()) > 0.3


def forgetful(weight: float) -> Trainer:
    recipe = replace(RECIPE, forgetting=True, expression=weight)
    drawn = faces(200)
    return Trainer(recipe, Sampler.of(drawn, {}), Plain(), Plain(), Corners())


def test_what_tells_of_expression_does_not_reach_the_generator() -> None:
    tiny = forgetful(0.0)
    codes = torch.from_numpy(tiny.sampler.faces.recognised)
    crops = tiny.sampler.faces.batch(np.arange(200), 128)[..., 8:120, 8:120]
    told = expression_model.telling(Corners()(crops))
    with torch.no_grad():
        gains = {}
        for name, network in (("kept", tiny.generator), ("average", tiny.average)):
            gains[name] = network.identity(codes)
        tiny.generator.identity.kept.copy_(torch.eye(128))
        gains["heard"] = tiny.generator.identity(codes)

    def explained(found: Tensor) -> float:
        found, wanted = found - found.mean(0), told - told.mean(0)
        axes = torch.linalg.svd(found, full_matrices=False)[0][:, :40]
        return float((axes.T @ wanted).square().sum() / wanted.square().sum())

    assert explained(gains["heard"]) > 0.6
    assert explained(gains["kept"]) < 0.1
    assert torch.equal(gains["kept"], gains["average"])


def test_a_swap_is_asked_to_show_what_its_target_shows() -> None:
    tiny = forgetful(50.0)
    told = [tiny.step()["expression"] for _ in range(25)]
    assert np.mean(told[-5:]) < 0.8 * np.mean(told[:5])


def test_a_recipe_that_asks_for_expressions_needs_what_reads_them() -> None:
    with pytest.raises(ValueError, match="what reads them"):
        trainer(replace(RECIPE, expression=1.0))


def test_the_kept_reader_reads_the_personas() -> None:
    root = Path(__file__).parents[2]
    reader = expression_model.opened(root / "training/weights/expression.pt")
    found = {}
    for name in ("lucia", "kofi"):  # one smiles with her teeth, the other's mouth is closed
        square = cv2.imread(str(root / f"assets/personas/{name}.png"))[60:220, 48:208, ::-1]
        crop = cv2.resize(square, (112, 112), interpolation=cv2.INTER_AREA)
        both = torch.from_numpy(np.stack([crop, crop[:, ::-1]])).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            read = (reader(both) * reader.spread + reader.mean).numpy()
        assert np.abs(expression_model.mirrored(read[1:]) - read[:1]).max() < 0.2
        assert abs(read[0, NAMES.index("yaw")]) < 0.2
        found[name] = read[0, NAMES.index("lips_2")]
    assert found["lucia"] > found["kofi"] + 0.04
