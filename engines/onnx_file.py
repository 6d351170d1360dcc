"""Read single weights out of an ONNX file without the ``onnx`` package.

An ONNX file is one protocol-buffer message; only the few fields needed here are walked, nothing is
copied before the wanted weight is found (https://protobuf.dev/programming-guides/encoding and
``onnx.proto``: ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.dims = 1,
data_type = 2, float_data = 4, raw_data = 9).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _FLOAT_DATA, _RAW_DATA = 1, 2, 4, 9
_STORED: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    10: np.dtype("<f2"),
}  # TensorProto.FLOAT and FLOAT16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def last_square_matrix(model: bytes, side: int) -> NDArray[np.float32] | None:
    """The last ``side`` x ``side`` weight of a file's graph as float32, or ``None``.

    ``EngineError`` where the bytes are no ONNX file.
    """
    found: memoryview | None = None
    for number, graph in _messages(memoryview(model)):
        if number != _GRAPH:
            continue
        for field, tensor in _messages(graph):
            if field == _INITIALIZER and _dims(tensor) == [side, side]:
                found = tensor
    return None if found is None else _values(found, side)


def _dims(tensor: memoryview) -> list[int]:
    dims: list[int] = []
    for number, value in _fields(tensor):
        if number != _DIMS:
            continue
        if isinstance(value, int):
            dims.append(value)
        else:
            at = 0
            while at < len(value):
                size, at = _varint(value, at)
                dims.append(size)
    return dims


def _values(tensor: memoryview, side: int) -> NDArray[np.float32] | None:
    fields = dict(_fields(tensor))
    stored = _STORED.get(_as_int(fields.get(_DATA_TYPE)))
    raw = fields.get(_RAW_DATA, fields.get(_FLOAT_DATA))
    if stored is None or not isinstance(raw, memoryview):
        return None
    if len(raw) != side * side * stored.itemsize:
        return None
    return np.asarray(np.frombuffer(raw, stored).reshape(side, side), np.float32)


def _as_int(value: int | memoryview | None) -> int:
    return value if isinstance(value, int) else 0


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, value in _fields(data):
        if isinstance(value, memoryview):
            yield number, value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Every field of one message: its number and its number or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise EngineError("The file is no ONNX file (its fields cannot be read).")
        if at + length > len(data):
            raise EngineError("The file is no whole ONNX file (it ends within a field).")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise EngineError("The file is no whole ONNX file (it ends within a number).")
