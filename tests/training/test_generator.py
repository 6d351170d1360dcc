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

from tests.helpers.tiny_training import RECIPE, SHAPE, Plain, trainer  # noqa: E402
from training import disturb  # noqa: E402
from training.discriminator import Discriminator, ProjectedDiscriminator  # noqa: E402
from training.export import export, keep_discriminator  # noqa: E402
from training.frozen import FrozenRecognizer  # noqa: E402
from training.model import LOUDER, Appearance, Generator, GeneratorShape, Veil  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.restore import restore  # noqa: E402
from training.train import save, told  # noqa: E402
from training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


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


@pytest.mark.parametrize("turn", [0.0, 0.01])
def test_resume_gives_the_same_next_loss(turn: float, tmp_path: Path) -> None:
    recipe = replace(RECIPE, dimmed=0.5, turn=turn)
    one = trainer(recipe)
    for _ in range(6):
        one.step()
    save(one, tmp_path / "last.pt")
    other = trainer(recipe)
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
    erased = F.normalize(torch.randn(shape.embedding), dim=0)
    generator.identity.kept -= erased[:, None] * erased
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
        kept = torch.load(root / "training/weights/discriminator.pt", weights_only=True)
        Discriminator(recipe.discriminator).load_state_dict(kept)


def test_what_a_start_knows_of_appearance(tmp_path: Path) -> None:
    assert not told(None)
    for shape in (SHAPE, FULL):
        folder = tmp_path / str(shape.appearance)
        folder.mkdir()
        export(drawn_generator(shape), 32, folder)
        save(trainer(replace(RECIPE, shape=shape)), folder / "last.pt")
        assert told(folder) == told(folder / "last.pt") == bool(shape.appearance)


def test_muon_turns_the_identity_blocks_and_takes_over_from_adam() -> None:
    before, after = trainer(), trainer(replace(RECIPE, turn=0.01))
    before.step()
    after.restore(before.state(), same_run=False)
    block = after.generator.swapper.blocks[0].first.weight.data
    was = block.clone()
    after.step()
    assert float((block - was).norm() / was.norm()) == pytest.approx(0.01, rel=0.1)
    assert float(block.norm()) == pytest.approx(float(was.norm()), rel=1e-4)


@pytest.mark.parametrize("repairs_judged", [True, False])
def test_repairs_are_told_from_originals_where_the_recipe_says_so(repairs_judged: bool) -> None:
    tiny = trainer(replace(RECIPE, repairs_judged=repairs_judged, penalty_every=0))
    seen: list[int] = []
    tiny.discriminator.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    tiny.step()
    made = RECIPE.swaps + RECIPE.repairs
    assert seen[0] == 2 * (made if repairs_judged else RECIPE.swaps)
    assert seen[1:] == [made, made]  # the repairs' maps are matched all the same


def test_a_kept_discriminator_judges_as_before(tmp_path: Path) -> None:
    before, after = trainer(), trainer(replace(RECIPE, seed=RECIPE.seed + 1))
    before.step()
    keep_discriminator(before.state(), tmp_path / "kept.pt")
    after.judge_by(torch.load(tmp_path / "kept.pt", weights_only=True))
    pictures = torch.rand(2, 3, RECIPE.size, RECIPE.size)
    for own, kept in zip(
        before.discriminator(pictures), after.discriminator(pictures), strict=True
    ):
        torch.testing.assert_close(kept[-1], own[-1], atol=2e-3, rtol=0)
    with pytest.raises(RuntimeError):
        trainer(replace(RECIPE, discriminator=(4, 4))).judge_by(before.discriminator.state_dict())


@pytest.mark.parametrize("more", [{"finer": True, "appearance": 16}, {"appearance": 16}])
def test_a_checkpoint_s_network_grows_without_a_change(more: dict) -> None:
    before = trainer()
    before.step()
    after = trainer(replace(RECIPE, shape=replace(SHAPE, **more)))
    after.restore(before.state(), same_run=False)
    wanted, found = (swapped(t.generator, 1)[0] for t in (before, after))
    assert torch.allclose(found, wanted, atol=1e-6)
    assert np.isfinite(after.step()["total"])


def test_a_run_that_goes_on_from_another_draws_other_pictures() -> None:
    before, first, second = trainer(), trainer(), trainer()
    for after in (first, second):
        after.restore(before.state(), same_run=False)
        before.step()
    draws = [t.rng.integers(2**32) for t in (trainer(), first, second)]
    assert len(set(draws)) == 3
    noises = [float(torch.rand(1, generator=t.torch_rng)) for t in (trainer(), first, second)]
    assert len(set(noises)) == 3


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


def test_exact_crop_is_the_inner_square() -> None:
    square = torch.rand(1, 3, 128, 128)
    crop = disturb.crops(square, 0.0, torch.Generator())
    assert torch.allclose(crop, square[:, :, 8:120, 8:120], atol=1e-4)


def test_plainer_crops_are_seen_from_afar_or_grey() -> None:
    noise = torch.rand(200, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    found = disturb.plainer(noise, 0.5, torch.Generator().manual_seed(1))
    grey = (found[:, 0] == found[:, 1]).flatten(1).all(1)
    assert 0.4 < float(grey.float().mean()) < 0.6
    coloured = noise[100:][~grey[100:]]
    assert torch.equal(found[100:][~grey[100:]], coloured)
    assert float(found[:100].std((2, 3)).max()) < 0.6 * float(noise[:100].std((2, 3)).min())
    assert torch.equal(disturb.plainer(noise, 0.0, torch.Generator()), noise)


def test_relit_photos_keep_their_drawing() -> None:
    picture = torch.rand(6, 3, 28, 28) * 0.2 + 0.4
    found = disturb.relit(picture, torch.Generator().manual_seed(1))
    assert float((found - picture).abs().mean()) > 0.02
    for before, after in zip(picture.flatten(1), found.flatten(1), strict=True):
        assert float(torch.corrcoef(torch.stack([before, after]))[0, 1]) > 0.75


def test_a_share_of_the_pictures_stands_in_less_light() -> None:
    rng = torch.Generator().manual_seed(1)
    lights = disturb.lights(400, 0.25, rng)
    assert lights.shape == (400, 3, 1, 1)
    assert float(lights.max()) == 1
    assert 0.15 < float(lights.min()) < 0.35
    changed = (lights < 1).flatten(1).any(1)
    assert 0.15 < float(changed.float().mean()) < 0.35
    assert torch.equal(disturb.lights(5, 0.0, rng), torch.ones(5, 3, 1, 1))


def test_beards_come_and_go_below_the_nose_only() -> None:
    pictures = torch.full((200, 3, 64, 64), 0.6)
    pictures[:, :, 56:62, 20:44] = 0.1  # everybody has a dark chin
    found = disturb.bearded(pictures, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(found[:, :, :42], pictures[:, :, :42])
    assert torch.equal(found[:, :, 49:52, 26:38], pictures[:, :, 49:52, 26:38])  # lips
    chin, cheeks = found[:, 0, 60, 32], found[:, 0, 46, 20]
    touched = chin != 0.1
    assert 70 < int(touched.sum()) < 130
    shaved = chin > 0.3
    assert 30 < int(shaved.sum()) < 70
    assert torch.allclose(cheeks[shaved], torch.tensor(0.6), atol=0.1)  # they are skin already
    assert float(cheeks[touched & ~shaved].max()) < 0.5
    assert torch.equal(disturb.bearded(pictures, 0.0, torch.Generator()), pictures)


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


def test_unknown_matching_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('matching_layers = "strong"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="weak, original, none"):
        read_recipe(recipe)


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
        RECIPE,
        projected=True,
        perceptual=1.0,
        second_identity=1.0,
        third_identity=1.0,
        leaving=1.0,
        restless=1.0,
        penalty_every=0,
        dimmed=0.5,
    )
    first = trainer(recipe).step()
    asked = {"perceptual", "second_identity", "third_identity", "leaving", "restless"}
    assert asked <= first.keys()
    assert np.isfinite(first["total"])


def test_a_third_recogniser_is_heard_about_its_middle() -> None:
    recipe = replace(RECIPE, identity=0.0, third_identity=1.0, crop_strength=0.0)
    tiny = trainer(recipe)
    readers, faces = tiny.readers, tiny.sampler.faces
    own = faces.batch(np.array([0, 1]), 128)
    rng = torch.Generator()
    itself = readers.likeness(own, np.array([0, 1]), np.array([1, 0]), rng)
    swapped = readers.likeness(own, np.array([1, 0]), np.array([0, 1]), rng)
    assert float(itself["third_identity"]) < 0.05
    assert float(swapped["third_identity"]) > 0.5  # each about the other's opposite
    alone = trainer(replace(recipe, third_identity=0.0)).readers
    assert "third_identity" not in alone.likeness(own, np.array([0, 1]), np.array([1, 0]), rng)
    with pytest.raises(ValueError, match="third recogniser"):
        Trainer(recipe, tiny.sampler, Plain(), Plain())
