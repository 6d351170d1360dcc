"""Tiny engines, frames with faces, and the pixel work on each device, for the device's tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.frame import Face, Pixels
from app.pixel_work.on_device import DeviceWork
from app.settings import BadgeSettings, Settings
from app.stages.identity import Identity
from app.timing import Timing
from engines import templates
from engines.backend import Backend
from engines.device.chain import Chain
from engines.device.driver import Driver
from engines.device.network import DeviceNetworks
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.runtimes import CHAIN
from engines.swapper import GeneratorSwapper
from tests.helpers import tiny_models
from tests.helpers.emulated_device import (
    EmulatedDetectorNetworks,
    EmulatedDriver,
    EmulatedNetwork,
)
from tests.helpers.round_trip import RoundTripDetectors, RoundTripNetwork

SETTINGS = Settings(mirror=False)
BADGE = BadgeSettings()


@dataclass(frozen=True)
class Scene:
    """Engines on the host, and their detector and generator for a device to run."""

    engines: Engines
    detector: Backend
    generator: Backend

    @property
    def swapper(self) -> GeneratorSwapper:
        """The swapper, whose layout tells how the generator is fed."""
        swapper = self.engines.swapper
        assert isinstance(swapper, GeneratorSwapper)
        return swapper

    def identity(self, first: float = 0.1) -> Identity:
        """Adds (first, .05, -.1) to R, G, B; the tiny generator does nothing else."""
        vector = np.zeros(128, np.float32)
        vector[:3] = (first, 0.05, -0.1)
        return Identity("id", "Name", vector, self.swapper.prepare(vector))

    def work(
        self,
        driver: Driver,
        *,
        capturable: bool = True,
        only: frozenset[tuple[int, int]] | None = None,
        slots: int = 2,
        at_once: tuple[int, ...] = (),
    ) -> DeviceWork:
        """The pixel work on ``driver``; its generator also takes ``at_once`` faces in one run."""
        networks: DeviceNetworks
        layout = self.swapper.layout
        if isinstance(driver, EmulatedDriver):
            networks = DeviceNetworks(
                EmulatedDetectorNetworks(driver, self.detector, only),
                EmulatedNetwork(driver, self.generator, capturable=capturable),
                layout,
                {
                    count: EmulatedNetwork(
                        driver,
                        self.generator,
                        {s.name: (count, *map(int, s.shape[1:])) for s in self.generator.inputs},
                        capturable=capturable,
                    )
                    for count in at_once
                },
            )
        else:
            networks = DeviceNetworks(
                RoundTripDetectors(driver, self.detector),
                RoundTripNetwork(driver, self.generator),
                layout,
            )
        return DeviceWork(self.engines, Timing(), Chain(driver, networks, slots=slots), layout)

    def close(self) -> None:
        """Free all networks."""
        self.engines.close()
        self.detector.close()
        self.generator.close()


def open_scene(folder: Path) -> Scene:
    """The tiny networks, the generator with a mask of its own."""
    tiny_models.bundle(folder, mask=True)
    return Scene(
        load_engines(models=ModelStore(bundled=folder), chain=CHAIN[-1:]),
        OnnxBackend(tiny_models.detector(), "detector", warm=[{"input": (1, 3, 160, 160)}]),
        OnnxBackend(tiny_models.generator(mask=True), "generator"),
    )


def picture(height: int = 240, width: int = 320, seed: int = 0) -> Pixels:
    """Blobs of colour with grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), np.uint8)
    smooth = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    grain = rng.integers(-12, 13, smooth.shape)
    return np.clip(smooth.astype(int) + grain, 0, 255).astype(np.uint8)


def face(x: float, y: float, across: float, turn: float = 0.0, track: int = 1) -> Face:
    """A face with its eyes' and mouth's middle at (x, y), ``across`` px wide, turned in radians."""
    points = (templates.arcface(112) - (56, 72)) * (across / 78)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = (points @ rotation.T + (x, y)).astype(np.float32)
    return Face((x - across / 2, y - across / 2, across, across), landmarks, 0.9, track)
