"""Reading one weight out of an ONNX file, compared with the onnx package."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from engines.errors import EngineError
from engines.onnx_file import last_square_matrix
from tests.helpers import tiny_models

SIDE = 24


@pytest.fixture
def emap() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(SIDE, SIDE)).astype(np.float32)


def test_the_last_matrix_is_found(emap: np.ndarray) -> None:
    found = last_square_matrix(tiny_models.inswapper(emap), SIDE)
    assert found is not None
    np.testing.assert_array_equal(found, emap)


def test_half_precision_is_widened(emap: np.ndarray) -> None:
    found = last_square_matrix(tiny_models.inswapper(emap, half=True), SIDE)
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, emap.astype(np.float16))


def test_values_stored_as_floats_not_as_raw_bytes(emap: np.ndarray) -> None:
    model = onnx.load_from_string(tiny_models.inswapper(emap))
    last = model.graph.initializer[-1]
    last.CopyFrom(helper.make_tensor("emap", TensorProto.FLOAT, [SIDE, SIDE], emap.ravel()))
    assert not last.raw_data
    found = last_square_matrix(model.SerializeToString(), SIDE)
    assert found is not None
    np.testing.assert_array_equal(found, emap)


def test_no_such_matrix(emap: np.ndarray) -> None:
    assert last_square_matrix(tiny_models.inswapper(emap), SIDE + 1) is None
    assert last_square_matrix(tiny_models.blendface(), SIDE) is None
    assert last_square_matrix(b"", SIDE) is None


def test_a_file_that_breaks_off_is_refused(emap: np.ndarray) -> None:
    with pytest.raises(EngineError, match="whole ONNX file"):
        last_square_matrix(tiny_models.inswapper(emap)[:-200], SIDE)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_a_sentence(data: bytes) -> None:
    with contextlib.suppress(EngineError):
        assert last_square_matrix(data, SIDE) is None
