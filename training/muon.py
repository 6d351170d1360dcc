"""Muon (Jordan et al. 2024): momentum whose matrix is brought to equal singular values.

For convolutions followed by a batch norm, whose length has no effect: each weight keeps the length
it started with, and the rate is the share of that length moved in a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

# Of the quintic that drives singular values towards one (Jordan et al. 2024).
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the nearest matrix (n x m) with singular values of one, by Newton-Schulz steps.

    They are taken on the square of the shorter side, and the matrix is turned once by all of them:
    the same steps, with a fraction of the work where one side is the longer.
    """
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    square = x @ x.T
    turn = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(ROUNDS):
        step = torch.addmm(square, square, square, beta=B, alpha=C)
        step.diagonal().add_(A)
        turn = step @ turn
        square = step @ square @ step
    x = turn @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """``lr``: length of a step as a share of the weight's; ``momentum`` is Nesterov's."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Move every weight that has a gradient. ``closure`` is not supported and must be None."""
        if closure is not None:
            raise ValueError("got a closure, expected None: Muon looks at the gradient once")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["motion"] = torch.zeros_like(weight)
                    state["length"] = weight.norm()
                motion, keep = state["motion"], group["momentum"]
                motion.mul_(keep).add_(weight.grad)
                ahead = weight.grad.add(motion, alpha=keep)
                # Contiguous copies: the weights may be channels_last, which view() refuses.
                turn = orthogonal(ahead.flatten(1)).view(weight.shape)
                size = turn.norm().clamp_min(1e-7)  # nought where the layer after it is shut
                weight.sub_(turn, alpha=float(group["lr"] * state["length"] / size))
                weight.mul_(state["length"] / weight.norm().clamp_min(1e-7))
