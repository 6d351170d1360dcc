"""Decides at the start where the pixel work is done, and says why."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import EngineError
from app.paths import kernels_dir
from app.pixel_work.contract import PixelWork
from app.pixel_work.on_device import DeviceWork
from app.pixel_work.on_host import HostWork
from app.pixel_work.renewable import RenewableWork
from app.timing import Timing
from engines.built import CHAIN_NAMES
from engines.device.chain import Chain
from engines.device.driver import Driver
from engines.device.network import DeviceNetworks
from engines.device.slots import Streams
from engines.loading import UNASKED, Engines
from engines.manifest import OWN_SWAPPER, ModelStore
from engines.runtimes import CHAIN
from engines.swapper import GeneratorSwapper

_log = logging.getLogger(__name__)

OpenDriver = Callable[[Path], Driver]
# Networks on the device from (engines, streams); tried in order, ``EngineError`` says why not.
OpenNetworks = Callable[[Engines, Streams], DeviceNetworks]


def cuda_driver(cache: Path) -> Driver:
    """The first NVIDIA card."""
    from engines.device.cuda_driver import CudaDriver

    return CudaDriver(cache)


def tensorrt_networks(engines: Engines, streams: Streams) -> DeviceNetworks:
    """Detector and generator by the engines that were built and checked on this GPU.

    Where the user asked for an engine, that one alone is taken.
    """
    from engines.tensorrt_device import open_networks

    layout, slots = _generator_swapper(engines).layout, engines.slots
    runtimes = [
        rung.title
        for rung in CHAIN
        if rung.name in CHAIN_NAMES
        and (not engines.asked_for or slots["swapper"].runtime == rung.name)
    ]
    if not runtimes:
        raise EngineError(UNASKED)
    files = slots["detector"].file, slots["swapper"].file
    return open_networks(*files, layout, streams, runtimes=runtimes)


def onnx_networks(engines: Engines, streams: Streams) -> DeviceNetworks:
    """Detector and generator by ONNX Runtime's CUDA provider."""
    from engines.onnx_device import OnnxDetectorNetworks, OnnxDeviceNetwork

    layout = _generator_swapper(engines).layout
    store, name = ModelStore(), engines.swapper.name
    generator = store.file("swapper") if name == OWN_SWAPPER else store.card(name).generator
    detector = store.file("detector")
    found = OnnxDetectorNetworks(detector.read(), detector.path.name, streams.find)
    try:
        made = OnnxDeviceNetwork(generator.read(), generator.path.name, streams.compute)
    except EngineError:
        found.close()
        raise
    return DeviceNetworks(found, made, layout)


NETWORKS: tuple[OpenNetworks, ...] = (tensorrt_networks, onnx_networks)


@contextlib.contextmanager
def pixel_work(
    engines: Engines,
    timing: Timing,
    where: str,
    *,
    open_driver: OpenDriver = cuda_driver,
    networks: tuple[OpenNetworks, ...] = NETWORKS,
) -> Iterator[PixelWork]:
    """The pixel work for the setting ``device``: ``auto``, ``cpu`` or ``gpu``.

    With ``auto`` the host does it where the card cannot, and the log says why; with ``gpu`` that is
    an ``EngineError``. Freed at the end, ``engines`` is not. ``renew`` moves what is on a card, or
    may be, to faster networks that came since.
    """
    if where == "cpu":
        yield HostWork(engines, timing, "The settings say so.")
        return
    if where == "auto" and engines.asked_for and engines.device == "CPU":
        yield HostWork(engines, timing, f"The engine asked for, {engines.engine}, is on the CPU.")
        return

    def on_device(opened: contextlib.ExitStack) -> PixelWork:
        return _on_device(engines, timing, opened, open_driver, networks)

    with contextlib.ExitStack() as opened:
        try:
            work: PixelWork = on_device(opened)
        except EngineError as error:
            opened.close()
            if where == "gpu":
                raise
            _log.info("Pixel work on the CPU: %s", error)
            work = HostWork(engines, timing, str(error))
        closing = opened.pop_all()
        with contextlib.closing(RenewableWork(work, closing, on_device)) as renewable:
            yield renewable


def renew(work: PixelWork) -> bool:
    """Move to faster networks that came since ``pixel_work`` opened it; whether there are any.

    Called beside the picture; takes as long as opening them does.
    """
    return isinstance(work, RenewableWork) and work.renew()


def _on_device(
    engines: Engines,
    timing: Timing,
    opened: contextlib.ExitStack,
    open_driver: OpenDriver,
    networks: tuple[OpenNetworks, ...],
) -> DeviceWork:
    swapper = _generator_swapper(engines)
    driver = open_driver(kernels_dir())
    opened.callback(driver.close)
    streams = Streams(driver)
    reasons = []
    for opener in networks:
        try:
            on_device = opener(engines, streams)
        except EngineError as error:
            reasons.append(str(error))
            continue
        opened.callback(on_device.close)
        chain, why = Chain(driver, on_device, streams=streams), " ".join(reasons)
        work = DeviceWork(engines, timing, chain, swapper.layout, why)
        opened.callback(work.close)
        _log.info("Pixel work on %s, networks by %s. %s", driver.name, chain.engine, why)
        return work
    raise EngineError(f"No runtime takes the networks on {driver.name}. {' '.join(reasons)}")


def _generator_swapper(engines: Engines) -> GeneratorSwapper:
    if not isinstance(engines.swapper, GeneratorSwapper):
        raise EngineError(f"The swapper {engines.swapper.name} cannot run on the device.")
    return engines.swapper
