"""ONNX networks as training asks them."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def opened(model: Path | bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX network on the CPU that leaves other cores alone."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
