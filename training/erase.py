"""Erasing what a code must not tell (LEACE, Belrose et al. 2023, arXiv:2306.03819)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Eraser:
    """Codes n x d to codes of which no linear reading tells what was to be forgotten, changed as
    little as that allows: ``change`` (d x d) of what is off the ``middle`` (d)."""

    change: Tensor
    middle: Tensor

    @staticmethod
    def of(codes: Tensor, known: Tensor) -> Eraser:
        """From codes n x d and what is to be forgotten of each, n x k."""
        middle = codes.double().mean(0)
        codes, wanted = codes.double() - middle, known.double() - known.double().mean(0)
        values, axes = torch.linalg.eigh(codes.T @ codes / len(codes))
        root = values.clamp(min=float(values.max()) * 1e-4).sqrt()  # some axes are hardly used
        both = codes.T @ wanted / len(codes)
        found = torch.linalg.qr((axes / root).T @ (both / wanted.std(0))).Q
        kept = torch.eye(len(root), dtype=torch.double) - found @ found.T
        change = axes * root @ kept @ (axes / root).T
        return Eraser(change.float(), middle.float())

    def __call__(self, codes: Tensor) -> Tensor:
        return (codes - self.middle) @ self.change.T + self.middle
