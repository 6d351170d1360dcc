"""The recogniser: a small plain-convolution network into the teacher's 128-d space.

Stages end in maps of the same shape as the teacher's (``Features``), so that each stage can be
taught alone (blockwise distillation, Wang et al. 2018, arXiv:1812.11740) and the borders matched by
hints (FitNets, Romero et al. 2015, arXiv:1412.6550). The head is MobileFaceNet's: a global
depthwise convolution and a linear layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.recognizer_teacher import Features


class _Bend(torch.autograd.Function):
    """PReLU by vectorised operations: PyTorch's own backward is a fifth of a training step, and
    so is its ``where`` in bfloat16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.relu(x).mul_(1 - weight).add_(x * weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        above = torch.ops.aten.threshold_backward(grad, x, 0)
        below = grad - above
        slope = (below * x).sum((0, 2, 3), keepdim=True, dtype=torch.float32)
        return above.addcmul_(below, weight), slope


class Prelu(nn.PReLU):
    """:class:`torch.nn.PReLU` for maps n x c x h x w, quicker to train."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        weight = self.weight.view(1, -1, 1, 1).to(x.dtype)
        if torch.compiler.is_compiling():
            return torch.relu(x) * (1 - weight) + x * weight
        found: Tensor = _Bend.apply(x, weight)
        return found


def _conv(cin: int, cout: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, PReLU."""
    conv = nn.Conv2d(cin, cout, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), Prelu(cout))


class _Residual(nn.Module):
    """x + conv(PReLU(conv(x))): linear at the border, like the teacher's blocks.

    ``closed``: starts as the identity, so that it can be added to a network already trained.
    """

    def __init__(self, channels: int, hidden: int | None = None, closed: bool = False) -> None:
        super().__init__()
        hidden = hidden or channels
        norm = nn.BatchNorm2d(channels)
        if closed:
            nn.init.zeros_(norm.weight)
        conv = nn.Conv2d(hidden, channels, 3, 1, 1, bias=False)
        self.body = nn.Sequential(_conv(channels, hidden), conv, norm)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Recognizer(nn.Module):
    """RGB in [0, 1], n x 3 x 112 x 112, to :class:`Features` (embedding not normalised).

    ``ADDED`` names the blocks that joined last: older files and checkpoints lack them, and a
    network that takes those over keeps them as the identity.
    """

    ADDED = ("to_14.3", "to_7.3", "to_7.4")

    def __init__(self) -> None:
        super().__init__()
        self.to_28 = nn.Sequential(_conv(3, 32, 3, 2), _conv(32, 64, 3, 2), _Residual(64))
        self.to_14 = nn.Sequential(
            _conv(64, 128, 3, 2),
            _Residual(128),
            _Residual(128, hidden=56, closed=True),
            _Residual(128, closed=True),
        )
        self.to_7 = nn.Sequential(
            _conv(128, 128, 3, 2),
            _Residual(128),
            _Residual(128),
            _Residual(128, closed=True),
            _Residual(128, closed=True),
        )
        self.head = nn.Sequential(
            _conv(128, 512, 1),
            nn.Conv2d(512, 512, 7, groups=512, bias=False),
            nn.BatchNorm2d(512),
            nn.Conv2d(512, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.Flatten(),
        )

    def forward(
        self, pictures: Tensor, forced: Features | None = None, keep: Tensor | None = None
    ) -> Features:
        """Embed; with ``forced`` and ``keep`` (bool, n) a stage reads the teacher's map instead of
        the student's own where ``keep`` is true (teacher forcing, stage by stage)."""

        def own_or_forced(own: Tensor, teacher: Tensor | None) -> Tensor:
            if teacher is None or keep is None:
                return own
            return torch.where(keep.view(-1, 1, 1, 1), teacher, own)

        at_28 = self.to_28(pictures * 2 - 1)
        at_14 = self.to_14(own_or_forced(at_28, forced.at_28 if forced else None))
        at_7 = self.to_7(own_or_forced(at_14, forced.at_14 if forced else None))
        raw = self.head(own_or_forced(at_7, forced.at_7 if forced else None))
        return Features(at_28, at_14, at_7, raw)
