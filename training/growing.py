"""Takes up a checkpoint of a generator that had fewer layers."""

from __future__ import annotations

from torch import Tensor

from training.model import Generator


def grown(generator: Generator, saved: dict[str, Tensor]) -> bool:
    """Whether any of the trained layers is new, or larger than it was."""
    trained = {name: p.shape for name, p in generator.named_parameters() if p.requires_grad}
    return any(name not in saved or saved[name].shape != trained[name] for name in trained)


def grow(generator: Generator, saved: dict[str, Tensor]) -> None:
    """Load weights, those of a network without some of the layers too.

    :raises RuntimeError: when they are of another network.
    """
    own = generator.state_dict()
    widened = {}
    for name in ("identity.linear.weight", "identity.linear.bias"):
        widened[name] = own[name].clone()  # a new AdaIN's gains come last, and so does appearance
        widened[name][tuple(slice(0, side) for side in saved[name].shape)] = saved[name]
    generator.load_state_dict(own | saved | widened)
