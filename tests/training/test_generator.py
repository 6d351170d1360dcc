"""The generator's training on pictures of the test's own making: quick, CPU, tiny networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from engines.detector import Detection  # noqa: E402
from training import disturb, losses, regions  # noqa: E402
from training.data import FaceRow  # noqa: E402
from training.discriminator import ProjectedDiscriminator  # noqa: E402
from training.export import export  # noqa: E402
from training.faces import Faces, Sampler  # noqa: E402
from training.frozen import FrozenRecognizer  # noqa: E402
from training.model import LOUDER, Appearance, Generator, GeneratorShape, Veil  # noqa: E402
from training.recipe import Recipe, read_recipe  # noqa: E402
from training.restore import restore  # noqa: E402
from training.train import save  # noqa: E402
from training.trainer import Trainer  # noqa: E402
from training.turning import MOST, nose_aside, turns  # noqa: E402

pytestmark = pytest.mark.training

SHAPE = GeneratorShape(half=8, quarter=8, eighth=16, sixteenth=16, blocks=1)
RECIPE = Recipe(
    size=32,
    swaps=2,
    repairs=2,
    spoiled_steps=4,
    generator_rate=3e-3,
    penalty_every=4,
    shape=SHAPE,
    discriminator=(8, 8, 8),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Plain(nn.Module):
    """Stands in for the identity network: a fixed random projection of the coarse picture."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3 * 49, 128, generator=torch.Generator().manual_seed(5))
        self.register_buffer("weight", weight)

    def forward(self, crops: Tensor) -> Tensor:
        return self.maps(crops)[-1]

    def maps(self, crops: Tensor) -> list[Tensor]:
        coarse = F.avg_pool2d(crops - 0.5, 16)
        return [crops, coarse, F.normalize(coarse.flatten(1) @ self.weight)]


def row(n: int, identity: str) -> FaceRow:
    return FaceRow("s.tar", f"{n}.jpg", "drawn", identity, 128, 0.0, "", "", "", "CC0")


def faces(count: int = 2) -> Faces:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.random((count, 3, 4, 4), np.float32))
    smooth = F.interpolate(coarse, size=(128, 128), mode="bilinear", align_corners=False)
    with torch.no_grad():
        embeddings = Plain()(disturb.crops(smooth, 0.0, torch.Generator())).numpy()
    pictures = (smooth * 255).byte().permute(0, 2, 3, 1).numpy()
    return Faces(
        [row(n, f"person {n // 2}") for n in range(count)],
        pictures,
        embeddings,
        embeddings,
        np.linspace(0, MOST, count, dtype=np.float32),
        np.zeros((count, 2, 6, 2), np.float32),
    )


def trainer(recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(recipe, Sampler.of(faces(), {}), Plain(), Plain())


def test_shapes_and_blend() -> None:
    generator = Generator(GeneratorShape())
    target = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        made, mask = generator(target, F.normalize(torch.randn(1, 128)))
    assert made.shape == target.shape
    assert mask.shape == (1, 1, 64, 64)
    assert float(mask.min()) >= 0
    assert float(mask.max()) <= 1
    assert sum(p.numel() for p in generator.parameters()) <= 7_000_000


def test_twenty_steps_fit_two_pictures() -> None:
    alone = {"identity": 0.0, "adversarial": 0.0, "repair_matching": 0.0, "tone": 0.0}
    tiny = trainer(replace(RECIPE, **alone, embedding_noise=0.0, spoiled_steps=99))
    repairs = [tiny.step()["repair"] for _ in range(20)]
    assert np.mean(repairs[-3:]) < 0.6 * np.mean(repairs[:3])


def test_resume_gives_the_same_next_loss(tmp_path: Path) -> None:
    one = trainer()
    for _ in range(6):
        one.step()
    save(one, tmp_path / "last.pt")
    other = trainer()
    other.restore(torch.load(tmp_path / "last.pt", weights_only=False), same_run=True)
    for _ in range(3):
        assert one.step() == other.step()


FULL = replace(SHAPE, placed=True, toned=True, sharp=True, finer=True, veiled=True, appearance=16)


def swapped(generator: Generator, count: int) -> tuple[Tensor, ...]:
    """Swap and mask of the same faces for every generator."""
    rng = torch.Generator().manual_seed(4)
    target, crops = (torch.rand(count, 3, side, side, generator=rng) for side in (32, 112))
    embedding = F.normalize(torch.randn(count, 128, generator=rng))
    with torch.no_grad():
        return generator(target, generator.source(embedding, crops))


def drawn_generator(shape: GeneratorShape) -> Generator:
    """Random weights everywhere, also where training starts from zeros."""
    torch.manual_seed(0)
    generator = Generator(shape, 32).eval()
    for layer in generator.swapper.convolutions():
        nn.init.normal_(layer.bias, std=0.05)
    if generator.swapper.sharp is not None:
        nn.init.normal_(generator.swapper.sharp.weight, std=0.1)
    nn.init.normal_(generator.identity.linear.weight, std=0.04)
    with torch.no_grad():
        generator.identity.linear.weight[:, shape.embedding :] /= LOUDER
    nn.init.normal_(generator.identity.linear.bias, std=0.1)
    return generator


@pytest.mark.parametrize("shape", [SHAPE, FULL])
def test_export_equals_pytorch(tmp_path: Path, shape: GeneratorShape) -> None:
    generator = drawn_generator(shape)
    largest, mean = export(generator, 32, tmp_path)
    assert largest < 0.01
    assert mean < 0.001
    known = {"swapper.onnx", "swapper_identity.onnx"}
    known |= {"appearance.onnx"} if shape.appearance else set()
    assert {file.name for file in tmp_path.iterdir()} == known


@pytest.mark.parametrize("shape", [SHAPE, FULL])
def test_a_shipped_generator_is_read_back(tmp_path: Path, shape: GeneratorShape) -> None:
    generator = drawn_generator(shape)
    export(generator, 32, tmp_path)
    back = restore(tmp_path, shape, 32).eval()
    for wanted, found in zip(swapped(generator, 2), swapped(back, 2), strict=True):
        assert torch.allclose(found, wanted, atol=1e-2)


@pytest.mark.parametrize(
    "lacking", [{"appearance": 0}, {"finer": False}, {"finer": False, "sharp": False}]
)
def test_layers_that_the_file_has_not_start_closed(tmp_path: Path, lacking: dict) -> None:
    generator = drawn_generator(replace(FULL, **lacking))
    export(generator, 32, tmp_path)
    back = restore(tmp_path, FULL, 32).eval()
    assert torch.allclose(swapped(back, 1)[0], swapped(generator, 1)[0], atol=1e-2)


def test_the_shipped_generator_can_be_trained_on() -> None:
    root = Path(__file__).parents[2]
    for name in ("3_steady_128", "finetune_128"):
        recipe = read_recipe(root / "training" / "recipes" / f"{name}.toml")
        generator = restore(root / "assets", recipe.shape, recipe.size)
        closed = generator.identity.linear.weight[:, recipe.shape.embedding :]
        assert float(closed.detach().abs().max()) > 0


def test_a_checkpoint_s_network_grows_without_a_change() -> None:
    before = trainer()
    before.step()
    after = trainer(replace(RECIPE, shape=replace(SHAPE, finer=True, appearance=16)))
    after.restore(before.state(), same_run=False)
    wanted, found = (swapped(t.generator, 1)[0] for t in (before, after))
    assert torch.allclose(found, wanted, atol=1e-6)
    assert np.isfinite(after.step()["total"])


def test_a_checkpoint_of_another_shape_is_refused() -> None:
    wider = trainer(replace(RECIPE, shape=replace(SHAPE, sixteenth=24)))
    with pytest.raises(RuntimeError, match="size"):
        trainer().restore(wider.state(), same_run=False)


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    export(drawn_generator(SHAPE), 32, tmp_path)
    with pytest.raises(ValueError, match="recipe"):
        restore(tmp_path, replace(SHAPE, blocks=SHAPE.blocks + 1))


def test_a_frozen_recogniser_equals_its_file() -> None:
    file = Path(__file__).parents[2] / "assets" / "recognizer.onnx"
    crops = torch.rand(2, 3, 112, 112)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {session.get_inputs()[0].name: crops.numpy()})
    *maps, found = FrozenRecognizer(file).maps(crops)
    assert np.allclose(found.numpy(), wanted, atol=1e-4)
    assert [m.shape[-1] for m in maps] == sorted((m.shape[-1] for m in maps), reverse=True)
    assert len(maps) >= 2


def test_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("identiti = 3.0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="identiti, did you mean identity"):
        read_recipe(recipe)


def test_a_line_given_replaces_the_recipe_s(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("size = 64\nidentity = 3.0\n", encoding="utf-8")
    read = read_recipe(recipe, ['matching_layers = "none"', "identity = 5.0"])
    assert (read.size, read.identity, read.matching_layers) == (64, 5.0, "none")
    with pytest.raises(ValueError, match="did you mean size"):
        read_recipe(recipe, ["sise = 64"])


@pytest.mark.parametrize(
    "recipe", sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*_*.toml"))
)
def test_recipes_read(recipe: Path) -> None:
    assert read_recipe(recipe).size % 16 == 0


def test_the_veil_hides_the_face_alone() -> None:
    fine = torch.zeros(1, 3, 128, 128)
    fine[..., ::2] = 1  # stripes of one pixel: detail only
    with torch.no_grad():
        seen = Veil(128)(fine, 0.5)
    middle = seen[..., 84:116, 40:88]
    assert float(middle.amax() - middle.amin()) < 1e-4
    assert torch.equal(seen[..., :20, :], fine[..., :20, :])


def test_judgement_counts_under_the_focus() -> None:
    focus = torch.zeros(1, 1, 8, 8)
    focus[..., :4, :] = 1
    judgement = torch.tensor([[[[1.0, 1.0], [-5.0, -5.0]]]])
    assert float(losses.focused(judgement, focus)) == 1
    fake = [[judgement]]
    assert float(losses.hinge_generator(fake, focus)) == -1
    assert float(losses.hinge_discriminator([[judgement]], fake, focus)) == 2


def test_weight_hides_differences() -> None:
    one, other = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    other[:, :, :8] = 1
    seen = regions.seen(torch.tensor([0.25]), 32)
    assert float(losses.weighted_l1(one, other, seen)) == 0
    assert float(losses.weighted_l1(one, other, torch.ones(1, 1, 32, 32))) == pytest.approx(0.25)


def test_exact_crop_is_the_inner_square() -> None:
    square = torch.rand(1, 3, 128, 128)
    crop = disturb.crops(square, 0.0, torch.Generator())
    assert torch.allclose(crop, square[:, :, 8:120, 8:120], atol=1e-4)


def test_relit_photos_keep_their_drawing() -> None:
    picture = torch.rand(6, 3, 28, 28) * 0.2 + 0.4
    found = disturb.relit(picture, torch.Generator().manual_seed(1))
    assert float((found - picture).abs().mean()) > 0.02
    for before, after in zip(picture.flatten(1), found.flatten(1), strict=True):
        assert float(torch.corrcoef(torch.stack([before, after]))[0, 1]) > 0.75


def test_half_of_the_photos_are_partly_hidden() -> None:
    found = disturb.hidden(torch.zeros(200, 3, 28, 28), torch.Generator().manual_seed(1))
    shares = (found == 0.5).float().mean((1, 2, 3))
    assert 0.35 < float((shares > 0).float().mean()) < 0.55
    assert float(shares.max()) <= 0.3


def test_what_a_generator_is_told_of_appearance_is_learnt_and_the_network_kept() -> None:
    learner = trainer(replace(RECIPE, shape=replace(SHAPE, appearance=16)))
    code = Appearance(16).state_dict()
    learner.know(code)
    for _ in range(3):
        assert np.isfinite(learner.step()["total"])
    heard = learner.generator.identity.linear.weight.detach()[:, SHAPE.embedding :]
    assert float(heard.abs().max()) > 0
    for network in (learner.generator, learner.average):
        assert network.appearance is not None
        for name, value in network.appearance.state_dict().items():
            assert torch.equal(value, code[name])


def test_a_recipe_without_appearance_is_told_so() -> None:
    with pytest.raises(ValueError, match="has no appearance"):
        trainer().know(Appearance(16).state_dict())


def test_other_photo_is_of_the_same_person() -> None:
    drawn = faces(5)
    sampler = Sampler.of(drawn, {})
    chosen = np.arange(5)
    others = sampler.other_photo(chosen, np.random.default_rng(0))
    assert [drawn.rows[n].identity for n in others] == [r.identity for r in drawn.rows]
    assert list(others) == [1, 0, 3, 2, 4]


@pytest.mark.parametrize(("layers", "loss"), [("weak", 0.0), ("original", 0.5), ("none", 0.0)])
def test_matching_takes_the_layers_asked_for(layers: losses.Matching, loss: float) -> None:
    shallow = [[torch.zeros(1), torch.ones(1), torch.zeros(1)]]
    deep = [[torch.ones(1), torch.ones(1), torch.ones(1)]]
    assert float(losses.feature_matching(shallow, deep, layers)) == loss


def test_weak_matching_sees_the_deepest_layer() -> None:
    one = [[torch.zeros(1), torch.ones(1), torch.zeros(1)]]
    other = [[torch.zeros(1), torch.zeros(1), torch.zeros(1)]]
    assert float(losses.feature_matching(one, other, "weak")) == 1
    assert float(losses.feature_matching(one, other, "none")) == 0


def test_unknown_matching_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('matching_layers = "strong"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="weak, original, none"):
        read_recipe(recipe)


def test_likeness_to_the_target_counts_above_that_of_strangers() -> None:
    one = F.normalize(torch.tensor([[1.0, 0.0]]))
    assert float(losses.likeness(one, one)) == pytest.approx(1 - losses.STRANGERS)
    assert float(losses.likeness(one, -one)) == 0


def test_perceptual_distance_ignores_contrast() -> None:
    maps = torch.rand(1, 4, 3, 3) + 0.1
    assert float(losses.perceptual([maps], [3 * maps])) == pytest.approx(0, abs=1e-6)
    assert float(losses.perceptual([maps], [maps.flip(1)])) > 0.01


def test_projected_judgement_trains_its_heads_alone() -> None:
    judge = ProjectedDiscriminator(Plain().maps, [3, 3], width=8)
    scales = judge(torch.rand(2, 3, 128, 128))
    assert [maps[-1].shape[1] for maps in scales] == [1, 1]
    judge.requires_grad_(False).requires_grad_(True)
    trained = {name for name, p in judge.named_parameters() if p.requires_grad}
    assert trained
    assert all(name.startswith("heads.") for name in trained)


def test_a_step_with_everything_on() -> None:
    recipe = replace(
        RECIPE, projected=True, perceptual=1.0, second_identity=1.0, leaving=1.0, penalty_every=0
    )
    first = trainer(recipe).step()
    assert {"perceptual", "second_identity", "leaving"} <= first.keys()
    assert np.isfinite(first["total"])


def test_folders_are_joined() -> None:
    both = Faces.joined([faces(2), faces(3)])
    assert len(both.rows) == 5
    assert np.array_equal(both.pictures[2:], faces(3).pictures)
    one = faces(2)
    assert Faces.joined([one]) is one


def test_turned_heads_are_drawn_more_often() -> None:
    plain, more = (Sampler.of(faces(3), {}, turned=turned).shares for turned in (0.0, 5.0))
    assert plain == pytest.approx([1 / 3] * 3)
    assert more[2] / more[0] == pytest.approx(1 + 5 * MOST)


def test_identity_is_not_asked_of_a_head_turned_away() -> None:
    found, wanted = (F.normalize(torch.randn(2, 8)) for _ in range(2))
    apart = 1 - (found * wanted).sum(1)
    assert float(losses.identity(found, wanted)) == pytest.approx(float(apart.mean()))
    weighed = losses.identity(found, wanted, torch.tensor([1.0, 0.0]))
    assert float(weighed) == pytest.approx(float(apart[0]) / 2)
    tiny = trainer()
    parts = tiny._identity_losses(torch.rand(1, 3, 128, 128), np.array([0]), np.array([1]))
    assert float(parts["identity"]) == 0  # the second face is turned as far as counts


def test_the_nose_tells_how_far_a_head_is_turned() -> None:
    five = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)
    aside = five + np.array([[0, 0], [0, 0], [12, 0], [0, 0], [0, 0]], np.float32)
    angle = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
    found = nose_aside(np.stack([five, aside, aside @ angle]))
    assert found == pytest.approx([0, 0.3, 0.3], abs=1e-6)


def test_turns_are_those_of_the_face_in_the_middle() -> None:
    five = np.array([[76, 90], [116, 90], [104, 110], [81, 130], [111, 130]], np.float32)

    class Finds:
        def detect(self, picture: np.ndarray, threshold: float, *, size: int) -> list[Detection]:
            assert picture.shape == (size, size, 3)
            if picture[96, 96, 0] == 0:
                return []
            beside = Detection((0, 0, 20, 30), five / 8, 0.9)
            return [beside, Detection((60, 60, 70, 90), five, 0.8)]

    pictures = np.zeros((2, 128, 128, 3), np.uint8)
    pictures[1] = 200
    assert turns(pictures, Finds()) == pytest.approx([0, 0.2])  # type: ignore[arg-type]


def test_balance_draws_small_groups_as_often() -> None:
    drawn = faces(10)
    labels = [("20-29", "Female", "Black")] * 2 + [("20-29", "Male", "White")] * 6
    labels += [("", "", "")] * 2
    rows = [
        replace(r, age=a, gender=g, race=c) for r, (a, g, c) in zip(drawn.rows, labels, strict=True)
    ]
    drawn = replace(drawn, rows=rows)
    plain, even = (Sampler.of(drawn, {}, balance).shares for balance in (0.0, 1.0))
    assert plain[:2].sum() == pytest.approx(0.2)
    assert even[:2].sum() == pytest.approx(even[2:8].sum())
    assert even[8:].sum() / even[:8].sum() == pytest.approx(0.25)
