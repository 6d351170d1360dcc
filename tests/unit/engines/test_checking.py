"""When another engine's answers count as the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.backend import TensorSpec
from engines.checking import LEAST_COSINE, check
from engines.errors import EngineError
from engines.onnx_backend import OnnxBackend
from tests.helpers import tiny_models
from tests.helpers.backends import ScriptedBackend

Change = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def _pair(answer: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> tuple:
    return ScriptedBackend(lambda _: answer), ScriptedBackend(lambda _: other, name="other, CPU")


ONE = [{"input": np.zeros((1, 3, 96, 96), np.float32)}]


@given(st.floats(-0.1, 0.1), st.integers(0, 2**32 - 1))
def test_an_embedding_passes_by_its_cosine_alone(noise: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(1, 128))
    other = 3 * (vector + noise * rng.normal(size=vector.shape))
    cosine = float((vector * other).sum() / np.linalg.norm(vector) / np.linalg.norm(other))
    result = check(*_pair({"e": vector}, {"e": other}), "embedding", ONE)
    assert result.figure == pytest.approx(min(cosine, 1.0), abs=1e-9)
    assert result.passed == (result.figure >= LEAST_COSINE)


@pytest.mark.parametrize(("step", "decibels", "passed"), [(0.0099, 40.09, True), (0.02, 34, False)])
def test_a_picture_passes_by_its_psnr(step: float, decibels: float, passed: bool) -> None:
    grey = np.full((1, 3, 8, 8), 0.5)
    result = check(*_pair({"p": grey}, {"p": grey + step}), "picture", ONE)
    assert result.figure == pytest.approx(decibels, abs=0.1)
    assert result.passed is passed
    assert ("same answers as" in result.sentence) is passed
    assert "other, CPU" in result.sentence


def test_a_picture_is_compared_as_it_is_seen() -> None:
    white = np.full((1, 3, 8, 8), 1.5)
    assert check(*_pair({"p": white}, {"p": white + 1}), "picture", ONE).passed


def test_the_worst_of_several_outputs_and_inputs_counts() -> None:
    good, bad = np.full((1, 1, 8, 8), 0.5), np.full((1, 1, 8, 8), 0.9)
    assert not check(
        *_pair({"p": good, "mask": good}, {"p": good, "mask": bad}), "picture", ONE
    ).passed
    wanted, answers = ScriptedBackend(lambda _: {"p": good}), iter((good, bad))
    other = ScriptedBackend(lambda _: {"p": next(answers)})
    assert not check(wanted, other, "picture", ONE * 2).passed


@pytest.mark.parametrize("kind", ["embedding", "picture", "detector"])
def test_what_is_not_finite_fails(kind: str) -> None:
    answer = np.full((1, 4), np.nan)
    assert not check(*_pair({"x": np.ones((1, 4))}, {"x": answer}), kind, ONE).passed


def test_the_candidate_gets_its_own_types() -> None:
    seen = []

    def answer(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(tensors["input"].dtype)
        return {"e": np.ones((1, 4))}

    half = (TensorSpec("input", (1, 3, 96, 96), np.dtype(np.float16)),)
    check(ScriptedBackend(answer), ScriptedBackend(answer, inputs=half), "embedding", ONE)
    assert seen == [np.float32, np.float16]


def _faces(*, shift_px: float = 0.0, score: float = 1.0, none: bool = False) -> ScriptedBackend:
    """The tiny detector with its boxes moved and its scores scaled."""
    network = OnnxBackend(tiny_models.detector(), "tiny.onnx")

    def answer(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = network.run(tensors)
        for name in found:
            if name.startswith(("cls", "obj")):
                found[name] = found[name] * (0.0 if none else score)
            if name.startswith("bbox"):
                found[name][..., 0] += shift_px / int(name.split("_")[1])
        return found

    return ScriptedBackend(answer)


def _blue() -> list[dict[str, np.ndarray]]:
    picture = np.zeros((1, 3, 96, 96), np.float32)
    picture[:, 0, 40:48, 40:48] = 200.0
    return [{"input": picture}]


@pytest.mark.parametrize(
    ("candidate", "passed"),
    [
        (_faces(), True),
        (_faces(shift_px=0.9), True),
        (_faces(shift_px=1.2), False),
        (_faces(score=0.73), True),  # 200 / 255 falls below .6, but not by more than the doubt
        (_faces(score=0.65), False),
        (_faces(none=True), False),
    ],
)
def test_a_detector_passes_by_its_boxes(candidate: ScriptedBackend, passed: bool) -> None:
    assert check(_faces(), candidate, "detector", _blue()).passed is passed


def test_an_invented_face_fails() -> None:
    picture = np.zeros((1, 3, 160, 160), np.float32)
    picture[:, 0, 136:144, 136:144] = 200.0
    picture[:, 0, 8:16, 8:16] = 90.0  # a score of .35, which the candidate doubles
    result = check(_faces(), _faces(score=2.0), "detector", [{"input": picture}])
    assert not result.passed
    assert result.figure == float("inf")


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(EngineError, match="no inputs"):
        check(_faces(), _faces(), "detector", [])
    with pytest.raises(EngineError, match="no face"):
        check(_faces(none=True), _faces(none=True), "detector", _blue())
