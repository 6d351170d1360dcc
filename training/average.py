"""The mean of two exported networks, weight by weight: ``python -m training.average FORMER.onnx
TUNED.onnx --output FILE.onnx``.

A network that was trained further and the one it began from often lie in one valley; their mean
then does what was learnt and keeps what the former did on other pictures (Wortsman et al. 2022,
arXiv:2109.01903). It needs measuring like any other network: nothing promises it.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from training.asset_file import write_asset


def mean(former: onnx.ModelProto, tuned: onnx.ModelProto, share: float = 0.5) -> onnx.ModelProto:
    """``former`` with weights of which the part ``share`` (0 to 1) is ``tuned``'s.

    :raises ValueError: when the files hold different networks.
    """
    if [n.output for n in former.graph.node] != [n.output for n in tuned.graph.node]:
        raise ValueError("the files hold different networks: give two exports of the same one")
    others = {t.name: numpy_helper.to_array(t) for t in tuned.graph.initializer}
    made = copy.deepcopy(former)
    for tensor in made.graph.initializer:
        own, other = numpy_helper.to_array(tensor), others.get(tensor.name)
        if other is None or other.shape != own.shape:
            raise ValueError(f"the files differ in {tensor.name}: not the same network")
        if own.dtype.kind != "f":
            continue
        mixed = own.astype(np.float32) * (1 - share) + other.astype(np.float32) * share
        tensor.CopyFrom(numpy_helper.from_array(mixed.astype(own.dtype), tensor.name))
    return made


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("former", type=Path)
    parser.add_argument("tuned", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second file")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    made = mean(onnx.load(args.former), onnx.load(args.tuned), args.share)
    onnx.checker.check_model(made, full_check=True)
    write_asset(args.output, made.SerializeToString())
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
