"""The occluder's engine: planes, colours, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from engines import templates
from engines.errors import EngineError
from engines.occluder import Occluder
from engines.onnx_backend import OnnxBackend
from tests.helpers import tiny_models


def _occluder() -> Occluder:
    return Occluder(OnnxBackend(tiny_models.occluder(), "tiny"))


def test_each_plane_becomes_a_mask() -> None:
    occluder = _occluder()
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[:40] = (10, 100, 255)  # blue, green, red
    parts = occluder.parts(crop)
    assert (parts.face[20, 20], parts.eyes[20, 20], parts.mouth[20, 20]) == (255, 100, 10)
    for mask in (parts.face, parts.eyes, parts.brows, parts.mouth):
        assert mask.shape == (128, 128)
        assert mask.dtype == np.uint8
        assert not mask[60:].any()
    assert not parts.brows.any()
    occluder.close()


def test_it_wants_the_square_our_own_swapper_sees() -> None:
    occluder = _occluder()
    assert occluder.crop_size == 128
    assert np.array_equal(occluder.template, templates.omokage(128))


@pytest.mark.parametrize("shape", [(112, 112, 3), (128, 128), (128, 128, 4)])
def test_another_crop_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="expected 128 x 128 x 3"):
        _occluder().parts(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("model", [tiny_models.recognizer(), tiny_models.generator()])
def test_another_network_is_refused(model: bytes) -> None:
    with pytest.raises(EngineError, match="The occluder must have"):
        Occluder(OnnxBackend(model, "tiny"))
