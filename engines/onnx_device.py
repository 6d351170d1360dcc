"""ONNX Runtime on tensors that already lie on the device: CUDA, on the chain's stream."""

from __future__ import annotations

from collections.abc import Mapping

import onnxruntime as ort

from engines.backend import TensorSpec, closed, zeros
from engines.detector import NEAR_PX
from engines.device.driver import Address, Stream
from engines.device.network import DeviceNetwork
from engines.errors import EngineError
from engines.onnx_backend import FAILURES, first_line, open_session, spec_of, version

_MEMORY = {"CUDA": "cuda", "CPU": "cpu"}


class OnnxDeviceNetwork:
    """One ONNX network bound to device memory and one stream.

    ``shapes`` fixes dynamic axes (1 where it says nothing). With ``device`` "CPU" the addresses are
    host memory and the run is done when ``enqueue`` returns: for tests. Raises ``EngineError``
    where the bytes are no usable network or the device is not the one the runtime took.
    """

    capturable = False  # its runs may allocate and wait, which no capture allows

    def __init__(
        self,
        model: bytes,
        label: str,
        stream: Stream,
        *,
        device: str = "CUDA",
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        settings = {"user_compute_stream": str(stream)} if device == "CUDA" else {}
        session = open_session(model, label, device, ort.SessionOptions(), settings)
        self._session: ort.InferenceSession | None = session
        self._label, self._device, self._stream = label, device, stream
        self.name = f"{version()}, {device}"
        fixed = shapes or {}
        self.inputs = tuple(_fixed(spec_of(n, label), fixed) for n in session.get_inputs())
        self.outputs = self._output_specs(session, label)
        self._options = ort.RunOptions()
        if device == "CUDA":  # the stream's order is enough; the host does not wait
            self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def enqueue(self, stream: Stream, bindings: Mapping[str, Address]) -> None:
        """Put a run on the stream it was made for."""
        if self._session is None:
            raise closed(self._label)
        if stream != self._stream:
            raise RuntimeError(f"{self._label} is bound to another stream")
        bound, memory = self._session.io_binding(), _MEMORY[self._device]
        for spec in self.inputs:
            place = bindings[spec.name]
            bound.bind_input(spec.name, memory, 0, spec.dtype.type, spec.shape, place)
        for spec in self.outputs:
            place = bindings[spec.name]
            bound.bind_output(spec.name, memory, 0, spec.dtype.type, spec.shape, place)
        try:
            self._session.run_with_iobinding(bound, self._options)
        except FAILURES as error:
            raise EngineError(f"{self._label} failed to run ({first_line(error)}).") from error

    def close(self) -> None:
        """Free the session; may be called twice."""
        self._session = None

    def _output_specs(self, session: ort.InferenceSession, label: str) -> tuple[TensorSpec, ...]:
        """Shapes as one run on zeros shows them, since dynamic ones are not told before."""
        try:
            shown = session.run(None, {spec.name: zeros(spec, {}) for spec in self.inputs})
        except FAILURES as error:
            raise EngineError(f"{label} failed to run ({first_line(error)}).") from error
        nodes = zip(session.get_outputs(), shown, strict=True)
        return tuple(TensorSpec(node.name, made.shape, made.dtype) for node, made in nodes)


class OnnxDetectorNetworks:
    """The detector, opened for each canvas when it is first asked for."""

    def __init__(self, model: bytes, label: str, stream: Stream, *, device: str = "CUDA") -> None:
        self._model, self._label, self._stream, self._device = model, label, stream, device
        self._open: dict[tuple[int, int], OnnxDeviceNetwork] = {}
        self.network(NEAR_PX, NEAR_PX)  # what following uses: a file that does not fit fails now

    def network(self, width: int, height: int) -> DeviceNetwork | None:
        """The network for a canvas; every size can be had."""
        if (width, height) not in self._open:
            self._open[width, height] = OnnxDeviceNetwork(
                self._model,
                self._label,
                self._stream,
                device=self._device,
                shapes={"input": (1, 3, height, width)},
            )
        return self._open[width, height]

    def close(self) -> None:
        """Free all."""
        for network in self._open.values():
            network.close()
        self._open.clear()


def _fixed(spec: TensorSpec, shapes: Mapping[str, tuple[int, ...]]) -> TensorSpec:
    plain = tuple(1 if size is None else size for size in spec.shape)
    return TensorSpec(spec.name, shapes.get(spec.name, plain), spec.dtype)
