"""The losses say what they are meant to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from tests.helpers.tiny_training import RECIPE, trainer  # noqa: E402
from training import losses, regions  # noqa: E402

pytestmark = pytest.mark.training


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


def test_chroma_sees_stains_and_neither_light_nor_small_ones() -> None:
    skin = torch.tensor([0.7, 0.5, 0.4]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    everywhere = torch.ones(1, 1, 32, 32)
    assert float(losses.chroma(skin * 0.6, skin, everywhere, 8)) == 0
    paler = skin * torch.tensor([0.98, 1, 1]).view(1, 3, 1, 1)
    assert float(losses.chroma(paler, skin, everywhere, 8)) == 0
    stained = skin.clone()
    stained[:, 1:, 8:16, 8:16] *= 0.6
    assert float(losses.chroma(stained, skin, everywhere, 8)) > 0.005
    elsewhere = everywhere.clone()
    elsewhere[..., 8:16, 8:16] = 0
    assert float(losses.chroma(stained, skin, elsewhere, 8)) == 0


def test_a_beard_may_have_its_own_light() -> None:
    skin, bearded = torch.full((1, 3, 128, 128), 0.6), torch.full((1, 3, 128, 128), 0.6)
    stained = skin.clone()
    bearded[..., 100:108, 56:72] = 0.2
    stained[..., 28:36, 56:72] = 0.2
    beard, stain = (
        float(losses.coarse_l1(swap, skin, regions.toned(128), 16)) for swap in (bearded, stained)
    )
    assert beard == pytest.approx(0.05 * stain, rel=1e-3)


def test_detail_costs_where_neither_target_nor_source_has_it_nearby() -> None:
    smooth = torch.full((1, 3, 64, 64), 0.6)
    glittering = smooth.clone()
    glittering[..., 24:32, 24:40:2] = 0.1
    beside, everywhere = glittering.roll(4, 3), torch.ones(1, 1, 64, 64)
    assert float(losses.restless(glittering, (smooth, smooth), everywhere)) > 0.005
    assert float(losses.restless(glittering, (smooth, beside), everywhere)) == 0
    assert float(losses.restless(glittering, (beside, smooth), everywhere)) == 0
    assert float(losses.restless(smooth, (glittering, smooth), everywhere)) == 0
    elsewhere = everywhere.clone()
    elsewhere[..., 8:56, 8:56] = 0
    assert float(losses.restless(glittering, (smooth, smooth), elsewhere)) == 0


def test_irises_may_have_their_own_colour_and_the_skin_beside_them_not() -> None:
    skin, brown_eyed, stained = (torch.full((1, 3, 128, 128), 0.6) for _ in range(3))
    brown_eyed[:, 2, 58:62, 44:48] = 0.1
    stained[:, 2, 78:82, 44:48] = 0.1
    eyes, stain = (
        float(losses.chroma(swap, skin, regions.toned(128), 32)) for swap in (brown_eyed, stained)
    )
    assert eyes == pytest.approx(0.2 * stain, rel=1e-3)


def test_what_the_application_shows_of_a_swap_is_the_face_and_no_corner() -> None:
    shown = regions.shown(128)
    assert shown.shape == (1, 1, 128, 128)
    assert float(shown[..., 50:100, 40:88].min()) == 1
    assert float(shown[..., 0, :].max()) == float(shown[..., :, 0].max()) == 0


def test_lines_drawn_at_the_rim_cost_unless_the_target_has_them() -> None:
    plain, lined, beside = (torch.full((1, 3, 128, 128), 0.6) for _ in range(3))
    lined[..., 60:110, 24:26] = 0.2  # at a cheek's end
    beside[..., 60:110, 26:28] = 0.2
    rim = regions.rim(128)
    assert float(losses.drawn(lined, plain, rim)) > 0.005
    assert float(losses.drawn(lined, beside, rim)) == 0
    assert float(losses.drawn(plain, lined, rim)) == 0
    brow = plain.clone()
    brow[..., 50:53, 45:80] = 0.2
    assert float(losses.drawn(brow, plain, rim)) < 0.0005


def test_a_recipe_asks_for_the_targets_colours() -> None:
    plain = trainer(replace(RECIPE, plain_share=0.5)).step()
    asked = trainer(replace(RECIPE, plain_share=0.5, chroma=5.0, drawn=7.0)).step()
    assert not {"chroma", "drawn"} & plain.keys()
    assert asked["chroma"] > 0
    wanted = plain["total"] + 5 * asked["chroma"] + 7 * asked["drawn"]
    assert asked["total"] == pytest.approx(wanted, rel=1e-4)


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


def test_likeness_to_the_target_counts_above_that_of_strangers() -> None:
    one = F.normalize(torch.tensor([[1.0, 0.0]]))
    assert float(losses.likeness(one, one)) == pytest.approx(1 - losses.STRANGERS)
    assert float(losses.likeness(one, -one)) == 0


def test_perceptual_distance_ignores_contrast() -> None:
    maps = torch.rand(1, 4, 3, 3) + 0.1
    assert float(losses.perceptual([maps], [3 * maps])) == pytest.approx(0, abs=1e-6)
    assert float(losses.perceptual([maps], [maps.flip(1)])) > 0.01


def test_identity_is_not_asked_of_a_head_turned_away() -> None:
    found, wanted = (F.normalize(torch.randn(2, 8)) for _ in range(2))
    apart = 1 - (found * wanted).sum(1)
    assert float(losses.identity(found, wanted)) == pytest.approx(float(apart.mean()))
    weighed = losses.identity(found, wanted, torch.tensor([1.0, 0.0]))
    assert float(weighed) == pytest.approx(float(apart[0]) / 2)
    parts = trainer().readers.likeness(
        torch.rand(1, 3, 128, 128), np.array([0]), np.array([1]), torch.Generator()
    )
    assert float(parts["identity"]) == 0  # the second face is turned as far as counts
