"""Small TensorFlow.js graph models, written as files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[np.float32] | NDArray[np.int32]]


def node(name: str, op: str, *inputs: str, stride: int = 1, padding: str = "VALID") -> Any:
    """One operation."""
    attributes = {
        "strides": {"list": {"i": [str(n) for n in (1, stride, stride, 1)]}},
        "padding": {"s": base64.b64encode(padding.encode()).decode()},
    }
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def write(file: Path, nodes: Sequence[Any], values: Values, *, half: bool = False) -> Path:
    """The model's ``.json`` and ``.bin``, weights in float16 where ``half``."""
    listed, data = [], b""
    for name, value in values.items():
        entry: dict[str, Any] = {"name": name, "shape": list(value.shape), "dtype": "float32"}
        if value.dtype == np.int32:
            entry["dtype"] = "int32"
        elif half:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            value = value.astype(np.float16)
        listed.append(entry)
        data += value.tobytes()
    given = [{"name": "data", "op": "Placeholder"}]
    given += [{"name": name, "op": "Const"} for name in values]
    model = {"modelTopology": {"node": [*given, *nodes]}, "weightsManifest": [{"weights": listed}]}
    file.write_text(json.dumps(model), encoding="utf-8")
    file.with_suffix(".bin").write_bytes(data)
    return file


def recogniser(file: Path, seed: int = 0) -> Path:
    """A light recogniser of squares of 112 px, built as MobileFace is."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32)

    values: Values = {
        "half": np.float32(127.5),
        "scale": np.float32(1 / 128),
        "wide": drawn(8, 8, 3, 4),
        "zero": np.float32(0),
        "slope": np.full(4, 0.25, np.float32),
        "room": np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32),
        "deep": drawn(3, 3, 4, 1),
        "shape": np.array([-1, 784], np.int32),
        "last": drawn(784, 256),
        "shift": drawn(1, 256)[0],
    }
    nodes = [
        node("sub", "Sub", "data", "half"),
        node("mul", "Mul", "sub", "scale"),
        node("conv", "Conv2D", "mul", "wide", stride=8),
        node("above", "Maximum", "zero", "conv"),
        node("below", "Minimum", "zero", "conv"),
        node("sloped", "Mul", "slope", "below"),
        node("act", "AddV2", "above", "sloped"),
        node("pad", "Pad", "act", "room"),
        node("depthwise", "DepthwiseConv2dNative", "pad", "deep"),
        node("sum", "AddV2", "depthwise", "act"),
        node("flat", "Reshape", "sum", "shape"),
        node("dense", "MatMul", "flat", "last"),
        node("out", "AddV2", "dense", "shift"),
    ]
    return write(file, nodes, values)
