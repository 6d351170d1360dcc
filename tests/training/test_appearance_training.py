"""The appearance network learns to know photos again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from tests.training.test_generator import faces  # noqa: E402
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
            network(appearance.seen(drawn, chosen, appearance.STRENGTH, rng)) for _ in range(2)
        )
    assert float(((one @ other.T).argmax(1) == torch.arange(8)).float().mean()) >= 0.5
    assert torch.allclose(one.norm(dim=1), torch.ones(8), atol=1e-4)
