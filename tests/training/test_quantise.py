"""How far a network can be taken to int8."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from engines.runtimes import REFERENCE
from tests.helpers import tiny_models
from training.quantise import Quantiser


def _inputs(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    gains = np.zeros((1, tiny_models.GAINS), np.float32)
    return [
        {"target": rng.random((1, 3, 128, 128), np.float32), "gains": gains} for _ in range(count)
    ]


@pytest.mark.filterwarnings("ignore")  # of the quantiser's own dependencies
def test_a_convolution_that_bears_it_is_quantised_and_checked() -> None:
    quantiser = Quantiser("swapper", tiny_models.generator(mask=True), _inputs(4, 0), _inputs(2, 1))
    (name,) = quantiser.convolutions
    assert quantiser.by_sensitivity() == [name]
    count, model = quantiser.most_that_pass([name])
    assert count == 1
    assert model is not None
    found = quantiser.check(model, REFERENCE)
    assert 40 < found.figure < 70  # eight bits over [0, 1] leave about 59 dB
