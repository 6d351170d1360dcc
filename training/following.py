"""The averaged network that is evaluated and exported."""

from __future__ import annotations

import torch
from torch import nn


def follow(ema: nn.Module, model: nn.Module, keep: float) -> None:
    """Move averaged weights and batch-norm statistics towards the model's.

    ``keep``: how much of what they are stays, 0 to 1.
    """
    with torch.no_grad():
        for slow, fast in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if slow.is_floating_point():
                slow.lerp_(fast, 1 - keep)
            else:
                slow.copy_(fast)
