"""Which shapes an engine is built for."""

from __future__ import annotations

import pytest

from engines.errors import EngineError
from engines.shapes import PICTURE_SIZES, faces_at_once, profiles_for, profiles_text, rules_digest


@pytest.mark.parametrize(
    "inputs",
    [{"input": (None, 3, 128, 128)}, {"target": (1, 3, 128, 128), "source": (1, 9)}],
    ids=["one input", "fixed"],
)
def test_a_free_first_axis_is_one(inputs: dict[str, tuple[int | None, ...]]) -> None:
    (profile,) = profiles_for(inputs)
    assert profile.fixed
    assert profile.best == {name: (1, *shape[1:]) for name, shape in inputs.items()}
    assert faces_at_once(inputs) == (1,)


def test_a_generator_takes_one_two_or_four_faces() -> None:
    inputs = {"target": (None, 3, 128, 128), "gains": (None, 9)}
    profiles = profiles_for(inputs)
    assert all(profile.fixed for profile in profiles)
    for count, profile in zip(faces_at_once(inputs), profiles, strict=True):
        assert profile.best == {"target": (count, 3, 128, 128), "gains": (count, 9)}
    assert profiles_text(profiles) == "; ".join(
        f"target {n}x3x128x128, gains {n}x9" for n in (1, 2, 4)
    )


def test_a_free_picture_size_has_the_usual_ones_and_any_other() -> None:
    *fixed, other = profiles_for({"input": (1, 3, None, None)})
    assert [profile.best["input"][2:] for profile in fixed] == list(PICTURE_SIZES)
    assert all(profile.fixed for profile in fixed)
    assert not other.fixed
    assert other.takes({"input": (1, 3, 640, 384)})
    assert not other.takes({"input": (1, 3, 672, 384)})
    assert not other.takes({"input": (2, 3, 320, 320)})


@pytest.mark.parametrize(
    "inputs", [{"x": (1, None)}, {"a": (1, 3, None, None), "b": (1,)}, {"a": (1, None, 8, 8)}]
)
def test_other_free_axes_get_a_sentence(inputs: dict[str, tuple[int | None, ...]]) -> None:
    with pytest.raises(EngineError, match="may have a free size"):
        profiles_for(inputs)


def test_the_rules_have_a_name() -> None:
    assert len(rules_digest()) == 8
