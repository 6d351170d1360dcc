"""Make an int8 file of a bundled network, as far as it keeps its answers.

    python -m training.quantise --data DIR --network swapper --output runs/int8

Weights are quantised per channel to int8, activations to uint8, calibrated on faces of the data
folder. Not every convolution bears it: each is quantised alone first, and then as many of them
together, the least sensitive first, as still pass the check that every engine must pass
(``engines.checking``), on faces held out. Prints the check of all of them, the most that pass, and
how long a run takes beside float32 and, where the processor has it, bfloat16. Put the file into
``assets`` and run ``python -m training.bundle``; it serves the very file it was made of alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import statistics
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from engines.backend import Backend
from engines.checking import Check, Inputs, check
from engines.errors import EngineError
from engines.loading import WARM, assemble
from engines.manifest import OWN_SWAPPER, ModelFile, ModelStore
from engines.racing import race
from engines.runtimes import REFERENCE, named
from engines.specimens import SIDE, Tape, feed
from engines.tensors import Pixels
from engines.tuning import KINDS
from training.asset_file import write_asset
from training.bundle import MADE_OF
from training.data import load_pictures, read_index

RUNTIMES = (REFERENCE, "openvino")
TIMED_S = 6.0


class _Inputs(CalibrationDataReader):
    def __init__(self, inputs: Sequence[Inputs]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> Inputs | None:
        return next(self._left, None)


class Quantiser:
    """One network, the inputs to calibrate on and those to check on."""

    def __init__(
        self, role: str, model: bytes, calibrate: Sequence[Inputs], held_out: Sequence[Inputs]
    ) -> None:
        self.role, self._calibrate, self._held_out = role, calibrate, held_out
        self.reference = named(REFERENCE).open(model, role, WARM.get(role, ({},)))
        self._sha256 = hashlib.sha256(model).hexdigest()
        self._folder = tempfile.TemporaryDirectory()
        self._plain = Path(self._folder.name) / "plain.onnx"
        self._made = Path(self._folder.name) / "int8.onnx"
        self._plain.write_bytes(model)
        quant_pre_process(str(self._plain), str(self._plain), skip_symbolic_shape=True)
        network = onnx.load(self._plain)
        self.convolutions = []
        for number, node in enumerate(network.graph.node):
            if node.op_type == "Conv":
                node.name = f"conv_{number}"  # exporters leave names out, or repeat them
                self.convolutions.append(node.name)
        onnx.save(network, self._plain)

    def model(self, nodes: Sequence[str]) -> bytes:
        """The network with these convolutions in int8."""
        quantize_static(
            self._plain,
            self._made,
            _Inputs(self._calibrate),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=list(nodes),
        )
        model = onnx.load(self._made)
        helper.set_model_props(model, {MADE_OF: self._sha256})
        return bytes(model.SerializeToString())

    def check(self, model: bytes, runtime: str, inputs: Sequence[Inputs] | None = None) -> Check:
        """The check of an int8 file on the held-out inputs."""
        backend = named(runtime).open(model, f"{self.role} int8", WARM.get(self.role, ({},)))
        try:
            return check(self.reference, backend, KINDS[self.role], inputs or self._held_out)
        finally:
            backend.close()

    def by_sensitivity(self) -> list[str]:
        """The convolutions, the one that harms the answers least first."""
        bar_is_most = KINDS[self.role] == "detector"
        harm = {}
        for name in self.convolutions:
            figure = self.check(self.model([name]), REFERENCE, self._calibrate).figure
            harm[name] = figure if bar_is_most else -figure
        return sorted(harm, key=lambda name: harm[name])

    def most_that_pass(self, order: Sequence[str]) -> tuple[int, bytes | None]:
        """How many of ``order`` pass together on every runtime, by bisection, and their file."""
        low, high, best = 0, len(order), None
        while low < high:
            middle = math.ceil((low + high) / 2)
            model = self.model(order[:middle])
            if all(self.check(model, runtime).passed for runtime in RUNTIMES):
                low, best = middle, model
            else:
                high = middle - 1
        return low, best

    def milliseconds(self, model: bytes | None, plain: bytes) -> Mapping[str, float]:
        """Medians of interleaved runs of the float32 file, the int8 one, and bfloat16."""
        wanted: dict[str, tuple[str, bytes]] = {REFERENCE: (REFERENCE, plain)}
        if not named("openvino-bf16").why_not():
            wanted["openvino-bf16"] = ("openvino-bf16", plain)
        if model is not None:
            wanted |= {f"{runtime} int8": (runtime, model) for runtime in RUNTIMES}
        warm = WARM.get(self.role, ({},))
        backends: dict[str, Backend] = {
            name: named(runtime).open(data, name, warm) for name, (runtime, data) in wanted.items()
        }
        times = race(backends, self._held_out, TIMED_S, threading.Event()) or {}
        return {name: round(1e3 * statistics.median(taken), 2) for name, taken in times.items()}


def inputs_of(store: ModelStore, role: str, faces: Sequence[Pixels]) -> list[Inputs]:
    """What reaches the network ``role`` while ``faces`` (squares of 256 px) are swapped."""
    tapes: dict[str, Tape] = {}

    def take(name: str, file: ModelFile) -> tuple[Backend, bytes]:
        data = file.read()
        tapes[name] = Tape(named(REFERENCE).open(data, name, WARM.get(name, ({},))))
        return tapes[name], data

    feed(assemble(store, OWN_SWAPPER, take), faces)
    return list(tapes[role].inputs_seen)


def faces_of(folder: Path, count: int) -> Iterator[list[Pixels]]:
    """``count`` faces to calibrate on and half as many people held out, drawn with a fixed seed."""
    rows = [row for row in read_index(folder) if not row.filler_top]
    rng = np.random.default_rng(0)
    for held_out, wanted in ((False, count), (True, count // 2)):
        group = [row for row in rows if row.held_out is held_out]
        chosen = [group[n] for n in sorted(rng.choice(len(group), wanted, replace=False))]
        yield [
            np.ascontiguousarray(cv2.resize(rgb, (SIDE, SIDE))[..., ::-1], np.uint8)
            for rgb in load_pictures(folder, chosen, SIDE // 2)
        ]


def main() -> None:
    """Parse, quantise, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", choices=("swapper", "recognizer", "detector"), required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=32, help="faces to calibrate on")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's advice, once per call
    store, role = ModelStore(), arguments.network
    plain = store.file(role).read()
    calibrate, held_out = (
        inputs_of(store, role, faces) for faces in faces_of(arguments.data, arguments.faces)
    )
    quantiser = Quantiser(role, plain, calibrate, held_out)
    whole = quantiser.model(quantiser.convolutions)
    for runtime in RUNTIMES:
        print(f"all {len(quantiser.convolutions)}:", quantiser.check(whole, runtime).sentence)
    order = quantiser.by_sensitivity()
    count, model = quantiser.most_that_pass(order)
    print(f"{count} of {len(order)} convolutions pass together.")
    if model is None:
        raise SystemExit(1)
    for runtime in RUNTIMES:
        print(quantiser.check(model, runtime).sentence)
    print(json.dumps(quantiser.milliseconds(model, plain)))
    path = arguments.output / f"{role}_int8.onnx"
    write_asset(path, model)
    print(f"{path}: {len(model)} bytes, {len(plain)} as float32.")


if __name__ == "__main__":
    try:
        main()
    except EngineError as error:
        raise SystemExit(str(error)) from error
