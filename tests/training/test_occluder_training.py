"""Occluder training: the truth, the scenes, the losses, the file."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from engines import occluder as engine  # noqa: E402
from engines.onnx_backend import OnnxBackend  # noqa: E402
from training.data import FaceRow  # noqa: E402
from training.landmarks import MIRROR, FacePoints, Landmarks  # noqa: E402
from training.muon import Muon  # noqa: E402
from training.occluder_export import MOST_APART, export  # noqa: E402
from training.occluder_labels import (  # noqa: E402
    JAW,
    PLACES,
    PLANES,
    REACH,
    SIDE,
    edge_of_jaw,
    outline,
    planes_of,
    usable,
)
from training.occluder_material import (  # noqa: E402
    Material,
    chosen_rows,
    cut_out,
    read_hands,
    steady_points,
)
from training.occluder_model import Occluder, OccluderShape  # noqa: E402
from training.occluder_scenes import KINDS, UNSEEN, Composer, side_lit  # noqa: E402
from training.occluder_train import (  # noqa: E402
    OccluderRecipe,
    Store,
    believed,
    losses,
    optimizers_of,
    read_occluder_recipe,
    train,
)

pytestmark = pytest.mark.training
SKIN, HAIR, WALL = (205, 160, 135), (40, 28, 22), (120, 140, 150)
RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def _points() -> np.ndarray:
    """66 points of an upright face on the template."""
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.stack([64 + 42 * np.cos(turn), 66 + 58 * np.sin(turn)], 1)
    brows = [
        [x, 50 - 3 * np.sin((x - 30) / 68 * np.pi)] for x in (*range(30, 60, 6), *range(70, 100, 6))
    ]
    nose = [[64, y] for y in (58, 65, 72, 80)] + [[x, 86] for x in (56, 60, 64, 68, 72)]
    ring = np.linspace(np.pi, -np.pi, 7)[:-1]
    eyes = [[cx + 7 * np.cos(a), 60 - 3 * np.sin(a)] for cx in (46.3, 81.5) for a in ring]
    outer, inner = (
        [[64 + wide * np.cos(a), 100 - high * np.sin(a)] for a in turn]
        for wide, high, turn in (
            (15, 6, np.linspace(np.pi, -np.pi, 13)[:-1]),
            (8, 2, np.linspace(np.pi, -np.pi, 9)[:-1]),
        )
    )
    lips = [*outer[1:6], *outer[7:], outer[0], *inner[1:4], outer[6], *inner[5:]]
    return np.array([*jaw, *brows, *nose, *eyes, *lips], np.float32)


def _face() -> np.ndarray:
    """A face of one skin colour with a dark fringe, before a wall; RGB."""
    rng = np.random.default_rng(1)
    picture = np.full((SIDE, SIDE, 3), WALL, np.uint8)
    cv2.ellipse(picture, (64, 60), (50, 66), 0, 0, 360, HAIR, -1)
    cv2.fillPoly(picture, [np.rint(outline(_points())).astype(np.int32)], SKIN)
    picture[:34, 20:108] = HAIR
    noise = rng.integers(-6, 7, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _row(name: str = "a", filler: float = 0.0) -> FaceRow:
    return FaceRow("s.tar", name, "set", name, 128, filler, "", "", "", "CC0")


def _material(filler: float = 0.0) -> Material:
    rng = np.random.default_rng(2)
    face, points = _face(), _points()
    hand = np.zeros((100, 100, 4), np.uint8)
    hand[20:, 30:70] = (*SKIN, 255)
    mask = np.full((90, 128, 4), (90, 140, 200, 255), np.uint8)
    other = rng.integers(0, 256, face.shape, np.uint8)
    planes = planes_of(face, points, filler)
    return Material(
        [_row("a", filler), _row("b", filler)],
        np.stack([face, other]),
        np.stack([planes, planes]),
        np.stack([points, points]),
        [hand],
        [mask],
    )


def test_hair_is_no_face_and_the_rest_inside_the_outline_is() -> None:
    face, eyes, brows, mouth = planes_of(_face(), _points(), 0.0)
    assert face[90, 64] == face[60, 40] == face[110, 64] == 255
    assert face[20:30, 64].max() == 0  # the fringe, inside the outline
    assert face[5, 5] == face[70, 4] == 0
    assert eyes[60, 46] == eyes[60, 81] == mouth[100, 64] == 255
    assert brows[48, 45] == 255
    assert eyes[75, 64] == mouth[60, 46] == 0


def test_padding_is_never_face() -> None:
    assert planes_of(_face(), _points(), 0.3)[0, :38].max() == 0


def test_a_profile_or_a_misplaced_face_is_not_used() -> None:
    points, face = _points(), _face()
    planes = planes_of(face, points, 0.0)
    assert usable(face, points, planes, 0.0)
    assert not usable(face, points + np.array([14, 0]), planes, 0.0)
    turned = points.copy()
    turned[30, 0] += 20
    assert not usable(face, turned, planes, 0.0)
    assert not usable(face, points, np.zeros_like(planes), 0.0)


def test_a_label_without_the_bare_forehead_is_not_used_and_one_without_a_fringe_is() -> None:
    points, bare, fringe = _points(), _face(), _face()
    cv2.fillPoly(bare, [np.rint(outline(points)).astype(np.int32)], SKIN)
    fringe[:50] = HAIR
    ends_at_the_brows = planes_of(fringe, points, 0.0)
    ends_at_the_brows[0, :50] = 0
    assert usable(fringe, points, ends_at_the_brows, 0.0)
    assert not usable(bare, points, ends_at_the_brows, 0.0)
    assert usable(bare, points, planes_of(bare, points, 0.0), 0.0)


@pytest.mark.parametrize("way", [-2.0, 0.0, 2.0])
def test_the_jaw_is_moved_to_the_edge_of_the_picture(way: float) -> None:
    points, middle = _points()[JAW].astype(float), np.array([64, 66])
    out = (points - middle) / np.linalg.norm(points - middle, axis=1, keepdims=True)
    blank = np.full((SIDE, SIDE, 3), WALL, np.uint8)
    true = edge_of_jaw(blank, points + way * out)
    large = cv2.resize(blank, None, fx=8, fy=8)
    cv2.fillPoly(large, [np.rint(8 * true + 3.5).astype(np.int32)], SKIN)
    picture = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    found = edge_of_jaw(picture, points)
    apart = np.linalg.norm(found[:, None] - true, axis=2).min(1)[4:-4]
    assert float(apart.max()) <= 0.25 + abs(way) / 2  # a clear edge is met at its nearer side


def test_a_jaw_without_an_edge_stays_where_the_landmarks_have_it() -> None:
    points = _points()[JAW].astype(float)
    plain = edge_of_jaw(np.full((SIDE, SIDE, 3), SKIN, np.uint8), points)
    assert len(plain) == PLACES
    assert all(np.linalg.norm(plain - point, axis=1).min() < 2 for point in points)
    noise = np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    lured = edge_of_jaw(noise, points)
    assert float(np.linalg.norm(lured - plain, axis=1).max()) <= REACH + 1e-6


def test_mirrored_points_keep_their_order() -> None:
    points = _points()
    mirrored = (points * (-1, 1) + (SIDE - 1, 0))[MIRROR]
    assert sorted(MIRROR) == list(range(66))
    assert mirrored[0, 0] < 64 < mirrored[16, 0]
    assert mirrored[17, 0] < mirrored[26, 0]
    assert mirrored[36:42, 0].mean() < mirrored[42:48, 0].mean()
    np.testing.assert_allclose(np.array(MIRROR)[MIRROR], np.arange(66))
    np.testing.assert_allclose(mirrored[48:], points[48:] - np.array([1, 0]), atol=1e-3)


class _Reddest(Landmarks):
    """Puts all points on the reddest pixel's middle, as a network that sees the picture enlarged
    counts, and errs to the right by ``error``."""

    def __init__(self, error: float) -> None:
        self._error = error

    def __call__(self, squares: np.ndarray) -> FacePoints:
        red = cv2.GaussianBlur(squares[0, ..., 0], (7, 7), 2)
        y, x = np.unravel_index(int(red.argmax()), red.shape)
        enlarged = (1 - SIDE / 224) / 2
        points = np.tile([x + enlarged + self._error, y + enlarged], (66, 1))
        return FacePoints(points[None].astype(np.float64), np.zeros((1, 1)))


@pytest.mark.parametrize("place", [(40, 60), (90, 100)])
def test_points_of_mirrored_views_cancel_an_error_to_one_side(place: tuple[int, int]) -> None:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(picture, place, 4, (255, 0, 0), -1)
    for error in (0.0, 1.5):
        found = steady_points(_Reddest(error), picture)
        assert np.abs(found - place).max() < 0.6  # the pixel's rounding, over four views


def test_light_from_a_side_changes_the_sides_and_nothing_else() -> None:
    face, rng = np.full((SIDE, SIDE, 3), 120, np.uint8), np.random.default_rng(0)
    for _ in range(5):
        lit = side_lit(face, rng)
        assert lit.shape == face.shape
        assert lit.std() > 1
        assert np.ptp(lit.astype(int), axis=2).max() == 0  # no colour comes in
    composer = Composer(_material(), 2, np.ones(2), plain=1.0)
    scene = composer.scene()
    assert scene.kind == "plain"
    np.testing.assert_array_equal(scene.truth[0], scene.clean)


@pytest.mark.parametrize("kind", [*KINDS, "plain", UNSEEN])
def test_scenes_are_the_same_for_the_same_seed(kind: str) -> None:
    material = _material()
    first, second = Composer(material, 5), Composer(material, 5)
    for _ in range(4):
        a, b = first.scene(kind), second.scene(kind)
        for name in ("picture", "truth", "weight", "clean"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert a.picture.shape == (SIDE, SIDE, 3)
        assert a.truth.shape == (len(PLANES), SIDE, SIDE)
        assert (a.truth[0] <= a.clean).all()


def test_what_is_laid_over_the_face_is_taken_from_its_truth() -> None:
    composer = Composer(_material(), 1)
    shares = []
    for _ in range(20):
        scene = composer.scene("template", face=0)
        lower = scene.clean[96:110, 50:78] > 127
        shares.append((scene.truth[0, 96:110, 50:78] > 127)[lower].mean())
    assert np.mean(shares) < 0.05  # a mask covers the mouth
    plain = composer.scene("plain", face=0)
    np.testing.assert_array_equal(plain.truth[0], plain.clean)


def test_clear_lenses_show_the_face_and_dark_ones_hide_it() -> None:
    composer = Composer(_material(), 3)
    eyes = [composer.scene("glasses", face=0) for _ in range(40)]
    shares = np.array([(s.truth[0] > 127).sum() / (s.clean > 127).sum() for s in eyes])
    assert (shares > 0.85).sum() >= 8
    assert (shares < 0.85).sum() >= 8


def test_padding_has_no_say() -> None:
    scene = Composer(_material(filler=0.3), 1).scene("plain")
    assert scene.weight[:40].max() == 0
    assert scene.weight[60:].min() > 0


def test_a_hand_is_cut_off_its_wall() -> None:
    picture = np.full((100, 100, 3), (200, 200, 205), np.uint8)
    picture[30:, 35:65] = SKIN
    hand = cut_out(picture)
    assert hand is not None
    assert hand[60, 50, 3] == 255
    assert hand[60, 10, 3] == hand[10, 50, 3] == 0
    assert cut_out(np.full((100, 100, 3), 200, np.uint8)) is None


def test_hands_of_any_size_become_one_size(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "hands.tar", "w") as tar:
        for n, side in enumerate((100, 640)):
            picture = np.full((side, side, 3), (205, 200, 200), np.uint8)
            picture[side // 3 :, side // 3 : side * 2 // 3] = SKIN[::-1]
            code = cv2.imencode(".png", picture)[1].tobytes()
            entry = tarfile.TarInfo(f"{n}.png")
            entry.size = len(code)
            tar.addfile(entry, io.BytesIO(code))
    every = [
        hand for held in (True, False) for hand in read_hands(tmp_path / "hands.tar", held_out=held)
    ]
    assert [hand.shape for hand in every] == [(100, 100, 4)] * 2


def test_rows_are_split_by_identity_and_limited_by_set() -> None:
    rows = [_row(str(n)) for n in range(400)]
    train_rows = chosen_rows(rows, held_out=False, most_of_a_set=100)
    held = chosen_rows(rows, held_out=True, most_of_a_set=100)
    assert len(train_rows) == 100
    assert held
    assert not {row.identity for row in train_rows} & {row.identity for row in held}


def test_kinds_are_drawn_as_often_as_is_said() -> None:
    composer = Composer(_material(), 1, plain=0.0, kinds={"glasses": 0.0, "template": 1.0})
    assert {composer.scene().kind for _ in range(8)} == {"template"}
    with pytest.raises(ValueError, match=r"hatt.*hand"):
        Composer(_material(), 1, kinds={"hatt": 1.0})


def test_losses_are_least_at_the_truth() -> None:
    truth = torch.zeros(2, 4, 32, 32)
    truth[:, :, 8:24, 8:24] = 1
    weight = torch.ones(2, 1, 32, 32)
    right = (truth - 0.5) * 40
    assert sum(float(part) for part in losses(right, truth, weight)) < 1e-3
    assert all(float(part) > 0.3 for part in losses(-right, truth, weight))
    half = weight.clone()
    half[..., 16:] = 0
    wrong = right.clone()
    wrong[..., 16:] *= -1
    assert sum(float(part) for part in losses(wrong, truth, half)) < 1e-3


def _small() -> OccluderRecipe:
    return OccluderRecipe(
        steps=100,
        batch=4,
        store=4,
        fresh=0,
        sift_at=-1,
        rate=1e-2,
        turn=0.03,
        averaging=0.5,
        sets={},
    )


def test_it_learns_four_scenes_by_heart_and_its_file_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    material = _material().pick([0])
    train(_small(), material, tmp_path, None)
    model = Occluder(OccluderShape())
    model.load_state_dict(torch.load(tmp_path / "occluder.pt", weights_only=True))
    model.eval()
    store = Store.of(4)
    store.fill(Composer(material, _small().seed, np.ones(1)), 0, 4)
    pictures = torch.from_numpy(store.pictures).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        mine = (model(pictures)[:, 0] > 0).numpy()
    true = store.truths[:, 0] > 127
    assert (mine & true).sum() / (mine | true).sum() > 0.75
    assert export(model, tmp_path / "o.onnx") <= MOST_APART
    shipped = engine.Occluder(OnnxBackend((tmp_path / "o.onnx").read_bytes(), "o"))
    bgr = np.ascontiguousarray(store.pictures[0][..., ::-1])
    assert np.abs((shipped.parts(bgr).face > 127) ^ mine[0]).mean() < 0.01


@pytest.mark.parametrize("turn", [0.0, 0.01])
def test_every_weight_is_moved_by_one_optimizer(turn: float) -> None:
    model = Occluder(OccluderShape())
    found = optimizers_of(OccluderRecipe(turn=turn), model)
    moved = [p for o, _ in found for group in o.param_groups for p in group["params"]]
    assert len(moved) == len(set(moved)) == len(list(model.parameters()))
    muons = [o for o, _ in found if isinstance(o, Muon)]
    assert len(muons) == (turn > 0)
    for muon in muons:  # no norm takes the head's length away
        weights = muon.param_groups[0]["params"]
        assert model.stem.conv.weight in set(weights)
        assert model.head.weight not in set(weights)


def test_a_label_that_the_network_does_not_believe_is_left_out() -> None:
    material = _material()
    wrong = material.planes.copy()
    wrong[1, 0] = 255 - wrong[1, 0]
    doubtful = replace(material, faces=np.stack([_face(), _face()]), planes=wrong)
    truth = torch.from_numpy(material.planes[0, 0].astype(np.float32)) / 255 - 0.5

    class Knows(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return truth.expand(len(pictures), 1, SIDE, SIDE)

    kept = believed(Knows(), doubtful, np.arange(2), 0.9)  # type: ignore[arg-type]
    assert kept.tolist() == [True, False]


def test_a_file_that_answers_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.occluder_export.apart", lambda *_: 1.0)
    with pytest.raises(RuntimeError, match="off by"):
        export(Occluder(OccluderShape()), tmp_path / "o.onnx")
    assert not list(tmp_path.iterdir())


def test_recipes_are_read_and_unknown_keys_refused(tmp_path: Path) -> None:
    assert read_occluder_recipe(RECIPES / "occluder.toml").core_minutes > 0
    (tmp_path / "r.toml").write_text("stepps = 3\n")
    with pytest.raises(ValueError, match="stepps, did you mean steps"):
        read_occluder_recipe(tmp_path / "r.toml")


def test_the_network_has_the_size_that_the_card_says() -> None:
    assert sum(p.numel() for p in Occluder(OccluderShape()).parameters()) == 618_096
