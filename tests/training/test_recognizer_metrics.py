"""Figures of the evaluation: cosine, AUC, groups, pairs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from training.data import FaceRow
from training.recognizer_evaluate import nearness, rows_with_pairs
from training.recognizer_metrics import auc, by_group, cosines, verification

pytestmark = pytest.mark.training


def test_auc_is_the_share_of_pairs_in_order() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auc(np.array([0.0]), np.array([1.0, 2.0])) == 0
    assert auc(np.array([1.0]), np.array([1.0, 1.0])) == 0.5
    assert auc(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == 0.75


def test_auc_of_noise_is_a_half() -> None:
    rng = np.random.default_rng(0)
    assert auc(rng.normal(size=4000), rng.normal(size=4000)) == pytest.approx(0.5, abs=0.02)


def test_verification_counts_every_pair_once() -> None:
    embeddings = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0]])
    found = verification(embeddings, ["a", "a", "b", "b"])
    assert (found.auc, found.same_pairs, found.other_pairs) == (1.0, 2, 4)


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b"]])
def test_verification_needs_both_kinds_of_pair(names: list[str]) -> None:
    with pytest.raises(ValueError, match="one kind is missing"):
        verification(np.eye(2), names)


def test_cosine_ignores_length() -> None:
    np.testing.assert_allclose(cosines(np.array([[3.0, 4.0]]), np.array([[30.0, 40.0]])), [1.0])
    values = nearness(np.eye(3), np.eye(3))
    assert values == {"mean": 1.0, "median": 1.0, "p5": 1.0}


def test_groups_leave_out_the_unlabelled() -> None:
    found = by_group(np.array([0.5, 0.7, 0.1]), ["x", "x", ""])
    assert found == {"x": {"mean": pytest.approx(0.6), "faces": 2}}


def test_only_people_with_two_photos_make_pairs() -> None:
    rows = [
        FaceRow("s", str(n), "set", name, 152, 0.0, "", "", "", "CC0")
        for n, name in enumerate(["a", "b", "a"])
    ]
    assert [row.file for row in rows_with_pairs(rows)] == ["0", "2"]
