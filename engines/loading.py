"""From the names in the settings to networks that run, with the full list of what was tried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engines import families
from engines.backend import Backend
from engines.detector import Detector
from engines.errors import EngineError
from engines.manifest import FAMILIES, OWN_SWAPPER, ModelFile, ModelStore, SwapperCard
from engines.occluder import Occluder
from engines.onnx_backend import OnnxBackend, available_devices
from engines.swapper import Swapper

NO_OCCLUDER = "No occluder is installed."
DETECTOR_WARM = (1, 3, 192, 320)  # what a 16:9 picture becomes; its size is dynamic


@dataclass(frozen=True)
class Engines:
    """The networks of one run.

    ``occluder`` is ``None`` where its model cannot be used: then nothing before a face is spared,
    and ``notes`` has a sentence for the user if its file is at fault.
    ``report`` says what was tried, one line each; ``device`` is e.g. ``CPU`` and ``engine`` e.g.
    ``ONNX Runtime 1.31, CPU``.
    """

    detector: Detector
    swapper: Swapper
    report: tuple[str, ...]
    device: str
    engine: str
    occluder: Occluder | None = None
    notes: tuple[str, ...] = ()

    def close(self) -> None:
        """Free every network; may be called twice."""
        self.detector.close()
        self.swapper.close()
        if self.occluder is not None:
            self.occluder.close()


class _Loader:
    """Opens files on the best device that takes them and keeps the report."""

    def __init__(self, devices: tuple[str, ...]) -> None:
        self.devices = devices
        self.report: list[str] = []

    def open(
        self, file: ModelFile, warm: Mapping[str, tuple[int, ...]] | None = None
    ) -> tuple[Backend, bytes]:
        """The first device that takes the file; ``EngineError`` with all attempts where none."""
        try:
            data = file.read()
        except EngineError as error:
            self.report.append(f"{file.name}: {error}")
            raise
        failures = []
        for device in self.devices:
            try:
                backend = OnnxBackend(data, file.path.name, device=device, warm=warm)
            except EngineError as error:
                self.report.append(f"{file.name} on {device}: {error}")
                failures.append(error)
                continue
            self.report.append(f"{file.name} on {device}: ok ({file.path.name}, {backend.name})")
            return backend, data
        raise EngineError(
            f"The model {file.name} cannot be used: {' '.join(error.what for error in failures)}",
            failures[-1].remedy,
        )


def load_engines(
    swapper: str = OWN_SWAPPER,
    *,
    models: ModelStore | None = None,
    devices: tuple[str, ...] | None = None,
) -> Engines:
    """Detector and the swapper called ``swapper``, checked, loaded and warmed.

    ``devices`` (default: all this runtime offers, the CPU last) are tried in order for each model;
    a device that fails is named in the report, never skipped silently. ``EngineError`` where a
    model cannot be used; nothing stays open then.
    """
    store = models if models is not None else ModelStore()
    loader = _Loader(devices if devices is not None else available_devices())
    with contextlib.ExitStack() as opened:

        def take(
            file: ModelFile, warm: Mapping[str, tuple[int, ...]] | None = None
        ) -> tuple[Backend, bytes]:
            backend, data = loader.open(file, warm)
            opened.callback(backend.close)
            return backend, data

        found, _ = take(store.file("detector"), {"input": DETECTOR_WARM})
        detector = Detector(found)
        if swapper == OWN_SWAPPER:
            chosen: Swapper = families.omokage(
                OWN_SWAPPER,
                take(store.file("swapper"))[0],
                take(store.file("swapper_identity"))[0],
                families.omokage_recognizer(take(store.file("recognizer"))[0]),
            )
        else:
            chosen = _added(store.card(swapper), take)
        occluder, notes = _occluder(store, take, loader.report)
        opened.pop_all()
    runtime = chosen.device
    return Engines(
        detector=detector,
        swapper=chosen,
        report=tuple(loader.report),
        device=runtime.rpartition(", ")[2],
        engine=runtime,
        occluder=occluder,
        notes=notes,
    )


def _occluder(
    store: ModelStore, take: Callable[[ModelFile], tuple[Backend, bytes]], report: list[str]
) -> tuple[Occluder | None, tuple[str, ...]]:
    """The occluder, or ``None`` and a sentence about it: a swap can do without.

    Where none is bundled at all, nothing is wrong that the user could put right: no sentence.
    """
    files = {file.name: file for file in store.files()}
    if "occluder" not in files:
        report.append(f"occluder left out: {NO_OCCLUDER}")
        return None, ()
    try:
        return Occluder(take(files["occluder"])[0]), ()
    except EngineError as error:
        report.append(f"occluder left out: {error}")
        return None, (f"Hands before the face are painted over: {error}",)


def build_added(
    name: str, family: str, generator: Backend, model: bytes, recognizer: Backend | None
) -> Swapper:
    """A swapper of one of ``FAMILIES``; ``EngineError`` where the files do not fit it.

    ``model`` is the content of the generator's file.
    """
    if family == "blendface":
        return families.blendface(name, generator)
    if recognizer is None:
        raise EngineError(
            f"A {family} generator needs its recogniser.", "Give its file with --recognizer."
        )
    if family == "simswap":
        return families.simswap(name, generator, recognizer)
    if family == "inswapper":
        return families.inswapper(name, generator, recognizer, model)
    raise EngineError(f"There is no family {family!r}; expected one of {', '.join(FAMILIES)}.")


def _added(card: SwapperCard, take: Callable[[ModelFile], tuple[Backend, bytes]]) -> Swapper:
    generator, model = take(card.generator)
    recognizer = None if card.recognizer is None else take(card.recognizer)[0]
    return build_added(card.name, card.family, generator, model, recognizer)
