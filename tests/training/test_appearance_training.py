"""The appearance network learns to know photos again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from tests.helpers.tiny_training import faces  # noqa: E402
from training import appearance  # noqa: E402
from training.faces import Sampler  # noqa: E402
from training.model import Appearance  # noqa: E402

pytestmark = pytest.mark.training


def test_misfit_falls_with_the_partner_s_likeness() -> None:
    codes = F.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(1)))
    assert float(appearance.misfit(codes, codes)) < 0.1
    assert float(appearance.misfit(codes, codes.roll(1, 0))) > 3


def test_photos_are_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appearance, "BATCH", 8)
    torch.manual_seed(1)
    network, drawn = Appearance(16), faces(16)
    appearance.train(network, Sampler.of(drawn, {}), 25)
    rng = torch.Generator().manual_seed(2)
    chosen = np.arange(0, 16, 2)  # one photo a person
    with torch.no_grad():
        one, other = (
            network(appearance.glimpses(drawn, chosen, appearance.STRENGTH, rng)) for _ in range(2)
        )
    assert float(((one @ other.T).argmax(1) == torch.arange(8)).float().mean()) >= 0.5
    assert torch.allclose(one.norm(dim=1), torch.ones(8), atol=1e-4)


def explained(codes: torch.Tensor, known: torch.Tensor) -> float:
    """Share of ``known``'s variance that the best linear reading of the codes explains."""
    codes, known = codes - codes.mean(0), known - known.mean(0)
    read = codes @ torch.linalg.lstsq(codes, known).solution
    return float(read.square().sum() / known.square().sum())


def test_what_is_to_be_forgotten_is_not_read_any_more() -> None:
    torch.manual_seed(3)
    network, drawn = Appearance(8), faces(400)
    crops = appearance.disturb.crops(
        drawn.batch(np.arange(400), appearance.SQUARE_PX), 0.0, torch.Generator()
    )
    with torch.no_grad():
        before = network(crops)
        known = before @ torch.randn(8, 2) + 0.05 * torch.randn(400, 2)
        appearance.forget(network, crops, known)
        after = network(crops)
    assert explained(before, known) > 0.5
    assert explained(after, known) < 0.2 * explained(before, known)
    assert torch.allclose(after.norm(dim=1), torch.ones(400), atol=1e-4)
