"""The chain beyond single frames: overlap, graphs, networks on the device, and failing."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Pipeline
from app.pixel_work.on_device import DeviceCanvas, Lights
from app.pixel_work.on_host import HostWork
from app.pixel_work.opening import pixel_work
from app.settings import ColorSettings, DetectorSettings, Settings
from app.stages.privacy import Showing
from app.timing import Timing
from engines.backend import TensorSpec
from engines.device.driver import Stream
from engines.device.network import ContextNetwork, DeviceNetworks
from engines.device.parameters import LIGHTS
from engines.onnx_device import OnnxDetectorNetworks, OnnxDeviceNetwork
from tests.helpers import tiny_models
from tests.helpers.backends import WrappedBackend
from tests.helpers.device_scene import BADGE, SETTINGS, Scene, face, picture
from tests.helpers.emulated_device import EmulatedDriver

PLAIN = replace(SETTINGS, color=ColorSettings(match=0.0))


@pytest.fixture(autouse=True)
def _tinting_is_swapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny generator tints and keeps the structure, which a guarded pipeline would hide."""
    monkeypatch.setattr("app.stages.doubt.MOST_ALIKE", 1.1)
    monkeypatch.setattr("app.stages.doubt.LEAST_COVER", 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_two_frames_overlap(scene: Scene, seed: int) -> None:
    driver = EmulatedDriver(seed)
    work, host = scene.work(driver), HostWork(scene.engines, Timing())
    under_way: list[DeviceCanvas] = []
    done, expected = [], []
    for number in range(6):
        if len(under_way) == 2:
            done.append(under_way.pop(0).finished(BADGE))
        seen, found = picture(seed=number), face(100 + 10 * number, 120, 90)
        canvas, other = work.open(seen), host.open(seen)
        assert isinstance(canvas, DeviceCanvas)
        work.finder.detect_near(seen, found.box, 0.5)
        for one in (canvas, other):
            one.swap(found, SETTINGS, scene.identity(0.1 + 0.05 * (number % 3)))
        canvas.send(BADGE)
        under_way.append(canvas)
        expected.append(other.finished(BADGE))
    done += [canvas.finished(BADGE) for canvas in under_way]
    for one, two in zip(done, expected, strict=True):
        assert np.abs(one.astype(int) - two).max() <= 2
    work.close()
    driver.close()


@pytest.mark.parametrize("frames", [0, 1])
def test_all_memory_is_given_back_whether_or_not_a_frame_came(scene: Scene, frames: int) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver)
    for _ in range(frames):
        canvas = work.open(picture())
        canvas.swap(face(100, 120, 90), SETTINGS, scene.identity())
        canvas.finished(BADGE)
        del canvas
    for _ in range(2):
        work.close()
    assert driver.in_use() == []
    driver.close()


def test_one_graph_per_slot_and_number_of_faces(scene: Scene) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver)
    for frame in range(12):
        canvas = work.open(picture(seed=frame))
        for number in range((1, 2, 4)[frame // 4]):
            canvas.swap(face(60 + 60 * number, 120, 50, track=number), PLAIN, scene.identity())
        canvas.finished(BADGE)
    assert work.graphs == 6  # two slots, three numbers of faces
    assert driver.replayed == 6  # of each four frames the first two of a slot warm it up
    canvas = work.open(picture(120, 160))  # other buffers: the graphs are made anew
    canvas.swap(face(60, 60, 40), PLAIN, scene.identity())
    canvas.finished(BADGE)
    assert work.graphs == 0
    work.close()
    driver.close()


@pytest.mark.parametrize(
    ("count", "runs"), [(1, 1), (2, 1), (3, 2), (4, 1), (5, 2), (7, 3)], ids=str
)
@pytest.mark.parametrize("capturable", [True, False], ids=["graph", "no graph"])
def test_several_faces_are_swapped_in_few_runs(
    scene: Scene, count: int, runs: int, capturable: bool
) -> None:
    driver = EmulatedDriver(count)
    work, host = (
        scene.work(driver, at_once=(2, 4), capturable=capturable),
        HostWork(scene.engines, Timing()),
    )
    for frame in range(5):  # until a graph of each slot was replayed
        pictures = []
        for one in (work, host):
            canvas = one.open(picture(seed=frame))
            for number in range(count):
                found = face(30 + 42 * number, 60 + 15 * number, 50, track=number)
                canvas.swap(found, PLAIN, scene.identity(0.05 * number))  # each its own
            if one is work:
                driver.launched.clear()
            pictures.append(canvas.finished(BADGE).astype(int))
        assert np.abs(pictures[0] - pictures[1]).max() <= 2
        assert driver.launched.count("a network") == runs
    assert work.graphs == (2 if capturable else 4)
    work.close()
    driver.close()


def test_a_network_that_cannot_be_captured_runs_between_two_graphs(scene: Scene) -> None:
    driver = EmulatedDriver()
    work, host = scene.work(driver, capturable=False), HostWork(scene.engines, Timing())
    for number in range(6):
        pictures = []
        for one in (work, host):
            canvas = one.open(picture(seed=number))
            canvas.swap(face(160, 120, 90), PLAIN, scene.identity())
            pictures.append(canvas.finished(BADGE).astype(int))
        assert np.abs(pictures[0] - pictures[1]).max() <= 2
    assert work.graphs == 4
    work.close()
    driver.close()


def test_a_canvas_without_a_network_is_searched_on_the_host(scene: Scene) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver, only=frozenset({(160, 160)}))
    seen = np.zeros((240, 320, 3), np.uint8)
    seen[96:128, 160:192, 0] = 250
    work.open(seen)
    found = work.finder.detect(seen, 0.5)
    assert [one.box for one in found] == [
        one.box for one in scene.engines.detector.detect(seen, 0.5)
    ]
    assert work.finder.detect_near(seen, found[0].box, 0.5) is not None
    work.close()
    driver.close()


def test_more_faces_than_there_is_room_for(scene: Scene) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver)
    canvas = work.open(picture())
    for number in range(9):
        canvas.swap(face(30 * number, 120, 40, track=number), PLAIN, scene.identity())
    with pytest.raises(EngineError, match="9 faces"):
        canvas.finished(BADGE)
    work.close()
    driver.close()


def _pipeline(scene: Scene, work: object) -> tuple[Pipeline, Frame]:
    seen = np.zeros((240, 320, 3), np.uint8)
    seen[96:128, 160:192, 0] = 250
    return Pipeline(scene.engines, Timing(), work), Frame(seen, 0, 0.0)  # type: ignore[arg-type]


def test_the_pipeline_swaps_on_the_device_as_on_the_host(scene: Scene) -> None:
    driver = EmulatedDriver(5)
    work = scene.work(driver)
    on_device, frame = _pipeline(scene, work)
    on_host, _ = _pipeline(scene, None)
    settings = Settings(detector=DetectorSettings(faces="all", max_faces=8))
    for index in range(8):
        moved = Frame(np.roll(frame.pixels, 3 * index, axis=1), index, index / 30)
        one = on_device.process(moved, settings, scene.identity())
        two = on_host.process(moved, settings, scene.identity())
        assert one.swapped == two.swapped
        assert one.showing is two.showing
        assert [a.track_id for a in one.faces] == [b.track_id for b in two.faces]
        assert np.abs(one.frame.pixels.astype(int) - two.frame.pixels).max() <= 2
    assert one.swapped
    assert work.problem is None
    work.close()
    driver.close()


@pytest.mark.parametrize("when", ["send", "collect", "find"])
def test_a_failing_device_hides_the_frame_and_the_host_goes_on(
    scene: Scene, when: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The tiny detector takes anything blue for a face, and knows no shape to be surer of.
    monkeypatch.setattr("app.stages.track.disproved", lambda *_: None)
    driver = EmulatedDriver()
    work = scene.work(driver)
    pipeline, frame = _pipeline(scene, work)
    assert pipeline.place.name == "emulated device"
    assert pipeline.process(frame, SETTINGS, scene.identity()).showing is Showing.LIVE

    def broken(*arguments: object) -> None:
        raise EngineError("The GPU fell off the bus.")

    method = {"send": "download", "collect": "synchronize", "find": "launch"}[when]
    with monkeypatch.context() as patched:
        patched.setattr(driver, method, broken)
        with caplog.at_level(logging.WARNING):
            done = pipeline.process(frame, SETTINGS, scene.identity())
    assert done.showing is not Showing.LIVE
    assert not np.array_equal(done.frame.pixels, done.before.pixels)
    assert "fell off the bus" in caplog.text
    assert pipeline.place.name == "CPU"
    assert "fell off the bus" in pipeline.place.why
    again = pipeline.process(frame, SETTINGS, scene.identity())
    assert again.swapped
    work.close()
    driver.close()


def test_a_detector_of_nan_is_no_empty_room(scene: Scene) -> None:
    nowhere = WrappedBackend(scene.detector, shift=np.nan)
    driver, seen = EmulatedDriver(), picture()
    work = replace(scene, detector=nowhere).work(driver)
    work.open(seen)
    with pytest.raises(EngineError, match="numbers that are none"):
        work.finder.detect(seen, 0.5)
    assert "numbers that are none" in work.place.why
    work.close()
    driver.close()


def test_lights_find_room() -> None:
    lights = Lights()
    rows = [lights.row(track) for track in range(LIGHTS)]
    assert sorted(row for row, _ in rows) == list(range(LIGHTS))
    assert all(fresh for _, fresh in rows)
    assert lights.row(3) == (rows[3][0], True)  # not used on the device yet
    lights.painted()
    assert lights.row(3) == (rows[3][0], False)
    assert lights.row(99) == (rows[0][0], True)  # the oldest makes room
    lights.keep({3, 99})
    assert lights.row(3) == (rows[3][0], False)
    assert lights.row(5)[1]


def test_where_the_work_is_done_is_chosen_and_said(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    driver = EmulatedDriver()

    def networks(engines: object, streams: object) -> DeviceNetworks:
        raise EngineError("No such runtime.", "Install one.")

    def no_driver(cache: object) -> EmulatedDriver:
        raise EngineError("No card.")

    with pixel_work(scene.engines, Timing(), "cpu", open_driver=no_driver) as work:
        assert isinstance(work, HostWork)
        assert work.place.why == "The settings say so."
    asked = replace(scene.engines, asked_for=True)
    with pixel_work(asked, Timing(), "auto", open_driver=lambda cache: driver) as work:
        assert "asked for" in work.place.why
    with (
        caplog.at_level(logging.INFO),
        pixel_work(scene.engines, Timing(), "auto", open_driver=no_driver) as work,
    ):
        assert work.place.as_dict() == {"place": "CPU", "engine": "", "why": "No card."}
    assert "No card." in caplog.text
    with (
        pytest.raises(EngineError, match="No such runtime"),
        pixel_work(
            scene.engines,
            Timing(),
            "gpu",
            open_driver=lambda cache: driver,
            networks=(networks,),
        ),
    ):
        pass
    assert driver.closed


def test_the_chain_is_opened_with_networks_that_are_there(scene: Scene) -> None:
    driver = EmulatedDriver()

    def networks(engines: object, streams: object) -> DeviceNetworks:
        made = scene.work(driver)
        return made._chain._networks

    with pixel_work(
        scene.engines,
        Timing(),
        "auto",
        open_driver=lambda cache: driver,
        networks=(networks,),
    ) as work:
        canvas = work.open(picture())
        canvas.swap(face(160, 120, 90), SETTINGS, scene.identity())
        assert canvas.finished(BADGE).shape == (240, 320, 3)
    assert driver.closed


def test_onnx_runtime_on_memory_that_is_there() -> None:
    stream = Stream(7)
    network = OnnxDeviceNetwork(tiny_models.generator(mask=True), "tiny", stream, device="CPU")
    assert [spec.shape for spec in network.outputs] == [(1, 3, 128, 128), (1, 1, 128, 128)]
    specs = (*network.inputs, *network.outputs)
    tensors = {s.name: np.zeros([n or 1 for n in s.shape], s.dtype) for s in specs}
    tensors["target"][...] = 0.25
    tensors["gains"][0, :3] = (0.1, 0.2, 0.3)
    bindings = {name: tensor.ctypes.data for name, tensor in tensors.items()}
    network.enqueue(stream, bindings)
    np.testing.assert_allclose(tensors["output"][0, :, 9, 9], (0.35, 0.45, 0.55), atol=1e-6)
    with pytest.raises(RuntimeError, match="another stream"):
        network.enqueue(Stream(8), bindings)
    network.close()
    network.close()
    with pytest.raises(EngineError, match="closed"):
        network.enqueue(stream, bindings)
    with pytest.raises(EngineError, match="broken"):
        OnnxDeviceNetwork(b"no network", "broken", stream, device="CPU")


def test_the_detector_is_opened_for_each_canvas() -> None:
    networks = OnnxDetectorNetworks(tiny_models.detector(), "tiny", Stream(1), device="CPU")
    wide = networks.network(320, 192)
    assert wide is not None
    assert wide.inputs[0].shape == (1, 3, 192, 320)
    assert networks.network(320, 192) is wide
    networks.close()


def test_without_its_provider_onnx_runtime_says_so() -> None:
    from engines.onnx_backend import available_devices

    if "CUDA" in available_devices():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(EngineError, match="built without CUDA"):
        OnnxDeviceNetwork(tiny_models.generator(), "tiny", Stream(1))


class _Context:
    """The two methods of TensorRT's execution context that are used."""

    def __init__(self, *, refuses: str = "", starts: bool = True) -> None:
        self.addresses: dict[str, int] = {}
        self.runs: list[int] = []
        self._refuses, self._starts = refuses, starts

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name != self._refuses

    def execute_async_v3(self, stream: int) -> bool:
        self.runs.append(stream)
        return self._starts


def test_an_execution_context_as_a_network() -> None:
    kind = np.dtype(np.float16)
    taken, made = TensorSpec("in", (1, 3), kind), TensorSpec("out", (1, 2), kind)
    context = _Context()
    network = ContextNetwork("TensorRT", context, [taken], [made])
    network.enqueue(Stream(5), {"in": 100, "out": 200})
    assert context.addresses == {"in": 100, "out": 200}
    assert context.runs == [5]
    for other, words in ((_Context(refuses="out"), "refuses"), (_Context(starts=False), "started")):
        with pytest.raises(EngineError, match=words):
            ContextNetwork("TensorRT", other, [taken], [made]).enqueue(
                Stream(1), {"in": 1, "out": 2}
            )
    network.close()
    with pytest.raises(EngineError, match="closed"):
        network.enqueue(Stream(5), {"in": 100, "out": 200})
    with pytest.raises(EngineError, match="every axis"):
        ContextNetwork("TensorRT", context, [TensorSpec("in", (None, 3), kind)], [made])
