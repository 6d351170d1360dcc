"""How near the student's embeddings are to the teacher's, and how well each tells people apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Verification:
    """AUC of same-person against other-person cosines, and how many pairs of each there were."""

    auc: float
    same_pairs: int
    other_pairs: int


def unit(embeddings: Floats) -> Floats:
    """Rows brought to length one."""
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def cosines(one: Floats, other: Floats) -> Floats:
    """Cosine of each row of ``one`` (n x d) with the same row of ``other``: n."""
    return (unit(one) * unit(other)).sum(axis=1)


def auc(positive: Floats, negative: Floats) -> float:
    """Share of (positive, negative) pairs in the right order, ties half (Mann-Whitney U)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    not_above = np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / (2 * len(negative)))


def verification(embeddings: Floats, identities: Sequence[str]) -> Verification:
    """All pairs of rows of ``embeddings`` (n x d), split by whether the identities agree.

    :raises ValueError: when there is no pair of one kind.
    """
    rows = unit(embeddings)
    names = np.unique(np.asarray(identities), return_inverse=True)[1]
    upper = np.triu_indices(len(rows), 1)
    similarity = (rows @ rows.T)[upper]
    same = names[upper[0]] == names[upper[1]]
    if same.all() or not same.any():
        raise ValueError("AUC needs same-person and other-person pairs, one kind is missing")
    count = int(same.sum())
    return Verification(auc(similarity[same], similarity[~same]), count, len(same) - count)


def by_group(values: Floats, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean and count of ``values`` for each label that is not empty, by name."""
    marks = np.asarray(labels)
    return {
        str(label): {
            "mean": float(values[marks == label].mean()),
            "faces": int((marks == label).sum()),
        }
        for label in sorted(set(labels) - {""})
    }
