"""The generator's training on pictures of the test's own making: quick, CPU, tiny networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from training import disturb, losses, regions  # noqa: E402
from training.data import FaceRow  # noqa: E402
from training.faces import Faces, Sampler  # noqa: E402
from training.model import Generator, GeneratorShape  # noqa: E402
from training.recipe import Recipe, read_recipe  # noqa: E402
from training.train import Trainer, save  # noqa: E402

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
        coarse = F.avg_pool2d(crops - 0.5, 16).flatten(1)
        return F.normalize(coarse @ self.weight)


def row(n: int, identity: str) -> FaceRow:
    return FaceRow("s.tar", f"{n}.jpg", "drawn", identity, 128, 0.0, "", "", "", "CC0")


def faces(count: int = 2) -> Faces:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.random((count, 3, 4, 4), np.float32))
    smooth = F.interpolate(coarse, size=(128, 128), mode="bilinear", align_corners=False)
    with torch.no_grad():
        embeddings = Plain()(disturb.crops(smooth, 0.0, torch.Generator())).numpy()
    pictures = (smooth * 255).byte().permute(0, 2, 3, 1).numpy()
    return Faces([row(n, f"person {n // 2}") for n in range(count)], pictures, embeddings)


def trainer(recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(recipe, Sampler.of(faces(), {}), Plain())  # type: ignore[arg-type]


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


@pytest.mark.parametrize("extra", [False, True])
def test_export_equals_pytorch(tmp_path: Path, extra: bool) -> None:
    pytest.importorskip("onnx")
    from training.export import export

    torch.manual_seed(0)
    generator = Generator(replace(SHAPE, placed=extra, toned=extra)).eval()
    largest, mean = export(generator, 32, tmp_path)
    assert largest < 0.01
    assert mean < 0.001
    assert {file.name for file in tmp_path.iterdir()} == {"swapper.onnx", "swapper_identity.onnx"}


def test_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("identiti = 3.0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="identiti, did you mean identity"):
        read_recipe(recipe)


@pytest.mark.parametrize(
    "recipe", sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.toml"))
)
def test_recipes_read(recipe: Path) -> None:
    assert read_recipe(recipe).size % 16 == 0


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


def test_other_photo_is_of_the_same_person() -> None:
    drawn = faces(5)
    sampler = Sampler.of(drawn, {})
    chosen = np.arange(5)
    others = sampler.other_photo(chosen, np.random.default_rng(0))
    assert [drawn.rows[n].identity for n in others] == [r.identity for r in drawn.rows]
    assert list(others) == [1, 0, 3, 2, 4]


def test_matching_takes_the_deepest_layers_only() -> None:
    shallow = [[torch.zeros(1), torch.ones(1), torch.zeros(1)]]
    deep = [[torch.ones(1), torch.ones(1), torch.ones(1)]]
    assert float(losses.feature_matching(shallow, deep, first=-2)) == 0
    assert float(losses.feature_matching(shallow, deep, first=0)) == 0.5
