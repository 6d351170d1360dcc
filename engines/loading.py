"""From the names in the settings to networks that run, with the full list of what was tried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines import families
from engines.backend import Backend, Shapes
from engines.detector import Detector
from engines.errors import EngineError
from engines.manifest import FAMILIES, OWN_SWAPPER, ModelFile, ModelStore, SwapperCard
from engines.occluder import Occluder
from engines.recognizer import NetworkRecognizer, Recognizer
from engines.reserve import Reserve
from engines.runtimes import AUTO, CHAIN, REFERENCE, Runtime, named
from engines.shapes import PICTURE_SIZES
from engines.slot import Slot
from engines.swapper import Swapper

DETECTOR_WARM: Sequence[Shapes] = tuple({"input": (1, 3, *size)} for size in PICTURE_SIZES)
WARM: Mapping[str, Sequence[Shapes]] = {"detector": DETECTOR_WARM}
NO_OCCLUDER = "No occluder is installed."
UNWANTED = "Nothing before a face is to be kept yet."
UNASKED = "Another engine was asked for."
UNTRIED = "It has not been compared with ONNX Runtime on this machine yet."

Take = Callable[[str, ModelFile], tuple[Backend, bytes]]  # role, file -> open network, its bytes


@dataclass(frozen=True)
class Networks:
    """The networks of one frame's chain, ready to be called; ``occluder`` where there is one."""

    detector: Detector
    swapper: Swapper
    recognizer: Recognizer
    occluder: Occluder | None = None


@dataclass(frozen=True)
class Rung:
    """One runtime of the chain: the networks it ``runs`` now, and ``why`` not others or all."""

    name: str
    title: str
    runs: tuple[str, ...]
    why: str

    def as_dict(self) -> dict[str, Any]:
        """As in the JSON of ``bench``, ``run`` and ``doctor``."""
        return {
            "engine": self.name,
            "name": self.title,
            "runs": list(self.runs),
            "why_not": self.why,
        }


@dataclass(frozen=True)
class Engines:
    """The networks of one run.

    ``report`` says what was tried while loading, one line each. ``slots`` hold the networks by
    role, and ``reasons`` say by runtime why it does not run (all of) them; both change when a
    network is moved to another runtime, which nobody does where the engine was ``asked_for``.
    ``recognizer`` tells people apart, whatever the swapper's own one is, and
    ``recognizer_sha256`` names its file: embeddings of two files cannot be compared.
    ``occluder`` is ``None`` where its model cannot be used: then nothing before a face is spared,
    and ``notes`` has a sentence for the user if its file is at fault. Where it was not wanted at
    once it is in ``reserve``.
    """

    detector: Detector
    swapper: Swapper
    report: tuple[str, ...]
    recognizer: Recognizer | None = None
    recognizer_sha256: str = ""
    occluder: Occluder | None = None
    reserve: Reserve[Occluder] | None = None
    notes: tuple[str, ...] = ()
    slots: Mapping[str, Slot] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    chain: Sequence[Runtime] = ()
    asked_for: bool = False

    @property
    def engine(self) -> str:
        """What runs the swapper now, e.g. ``ONNX Runtime 1.31, CPU``."""
        return self.swapper.device

    @property
    def device(self) -> str:
        """Where the swapper runs now, e.g. ``CPU``."""
        return self.engine.rpartition(", ")[2]

    def rungs(self) -> list[Rung]:
        """The whole chain, best first: what runs, and why the others do not."""
        return [
            Rung(
                runtime.name,
                runtime.title,
                tuple(role for role, slot in [*self.slots.items()] if slot.runtime == runtime.name),
                self.reasons.get(runtime.name, ""),
            )
            for runtime in self.chain
        ]

    def close(self) -> None:
        """Free every network; may be called twice."""
        self.detector.close()
        self.swapper.close()
        if self.recognizer is not None:
            self.recognizer.close()
        if self.occluder is not None:
            self.occluder.close()
        if self.reserve is not None:
            self.reserve.close()


class _Loader:
    """Opens files on the best runtime that takes them and keeps the report."""

    def __init__(self, store: ModelStore, engine: str, chain: Sequence[Runtime]) -> None:
        self._store = store
        self.report: list[str] = []
        self.reasons: dict[str, str] = {}
        self.slots: dict[str, Slot] = {}
        if engine != AUTO:
            self._rungs = [named(engine, chain)]
            why = self._rungs[0].why_not()
            if why:
                raise EngineError(f"The engine {engine} cannot be used: {why}")
            self.reasons = {other.name: UNASKED for other in chain if other.name != engine}
            return
        self._rungs = []
        for runtime in chain:
            if runtime.device == "CPU" and runtime.name != REFERENCE:
                self.reasons[runtime.name] = UNTRIED
                continue
            why = runtime.why_not()
            if why:
                self.reasons[runtime.name] = why
                self.report.append(f"{runtime.title}: {why}")
            else:
                self._rungs.append(runtime)

    def leave_out(self, role: str, why: str) -> None:
        """Close what was taken for ``role``, if anything was."""
        self.report.append(f"{role} left out: {why}")
        slot = self.slots.pop(role, None)
        if slot is not None:
            slot.close()

    def take(self, role: str, file: ModelFile) -> tuple[Slot, bytes]:
        """The file on the first runtime that takes it; ``EngineError`` with all attempts else."""
        warm = WARM.get(role, ({},))
        try:
            data = file.read()
        except EngineError as error:
            self.report.append(f"{file.name}: {error}")
            raise
        failures = []
        for runtime in self._rungs:
            try:
                own = variant_of(self._store, file, runtime) or file
                content = data if own is file else own.read()
                backend = runtime.open(content, own.path.name, warm)
            except EngineError as error:
                self.report.append(f"{file.name} on {runtime.title}: {error}")
                self.reasons[runtime.name] = str(error)
                failures.append(error)
                continue
            self.report.append(f"{file.name} on {runtime.title}: ok ({own.path.name})")
            slot = self.slots[role] = Slot(role, file, warm, runtime.name, backend)
            return slot, data
        raise EngineError(
            f"The model {file.name} cannot be used: {' '.join(error.what for error in failures)}",
            failures[-1].remedy if failures else "",
        )


def load_engines(
    swapper: str = OWN_SWAPPER,
    *,
    models: ModelStore | None = None,
    engine: str = AUTO,
    chain: Sequence[Runtime] = CHAIN,
    occluder: bool = True,
) -> Engines:
    """Detector and the swapper called ``swapper``, checked, loaded and warmed.

    With ``engine`` auto each network goes to the first runtime of ``chain`` on the GPU that takes
    it, else to the reference on the CPU (``tuning`` may move it later); a runtime that fails is
    named in the report, never skipped silently. Any other ``engine`` alone is tried. Without
    ``occluder`` that network is opened when it is first wanted.
    ``EngineError`` where a model cannot be used; nothing stays open then.
    """
    store = models if models is not None else ModelStore()
    loader, notes = _Loader(store, engine, chain), list[str]()
    with contextlib.ExitStack() as opened:

        def take(role: str, file: ModelFile) -> tuple[Backend, bytes]:
            slot, data = loader.take(role, file)
            opened.callback(slot.close)
            return slot, data

        networks = assemble(store, swapper, take, notes.append, occluder=occluder)
        reserve = None if occluder else _reserved(store, loader)
        if networks.occluder is None:
            why = NO_OCCLUDER if reserve is None else UNWANTED
            loader.leave_out("occluder", " ".join(notes) or why)
        opened.pop_all()
    return Engines(
        detector=networks.detector,
        swapper=networks.swapper,
        report=tuple(loader.report),
        recognizer=networks.recognizer,
        occluder=networks.occluder,
        reserve=reserve,
        notes=tuple(notes),
        recognizer_sha256=store.file("recognizer").sha256,
        slots=loader.slots,
        reasons=loader.reasons,
        chain=tuple(chain),
        asked_for=engine != AUTO,
    )


def variant_of(store: ModelStore, file: ModelFile, runtime: Runtime) -> ModelFile | None:
    """The file that ``runtime`` wants instead of ``file``; None where it runs the file itself."""
    return store.variant(file, runtime.variant) if runtime.variant else None


def assemble(
    store: ModelStore,
    swapper: str,
    take: Take,
    note: Callable[[str], object] | None = None,
    *,
    occluder: bool = True,
) -> Networks:
    """Detector, our recogniser and the swapper called ``swapper``, of networks ``take`` opens.

    And the ``occluder``, if wanted and to be had; ``note`` gets a sentence where its file is at
    fault.
    """
    detector = Detector(take("detector", store.file("detector"))[0])
    known = store.file("recognizer")
    recognizer = families.omokage_recognizer(take("recognizer", known)[0], known.sha256)
    if swapper == OWN_SWAPPER:
        generator = take("swapper", store.file("swapper"))[0]
        identity = take("swapper_identity", store.file("swapper_identity"))[0]
        appearance = _appearance(store, identity, recognizer, take)
        chosen: Swapper = families.omokage(OWN_SWAPPER, generator, identity, recognizer, appearance)
    else:
        chosen = _added(store.card(swapper), take)
    spared = _occluder(store, take, note) if occluder else None
    return Networks(detector, chosen, recognizer, spared)


def _appearance(
    store: ModelStore, identity: Backend, recognizer: NetworkRecognizer, take: Take
) -> NetworkRecognizer | None:
    """Our appearance network, where one is bundled and the identity network wants it."""
    file = _listed(store, "appearance")
    if file is None or not families.wants_appearance(identity, recognizer):
        return None
    return families.omokage_appearance(take("appearance", file)[0], file.sha256)


def _reserved(store: ModelStore, loader: _Loader) -> Reserve[Occluder] | None:
    """The occluder for later; None where none is bundled."""
    file = _listed(store, "occluder")
    if file is None:
        return None

    def open_it() -> Occluder:
        try:
            return Occluder(loader.take("occluder", file)[0])
        except EngineError as error:
            loader.leave_out("occluder", str(error))
            raise

    return Reserve("occluder", open_it)


def _listed(store: ModelStore, name: str) -> ModelFile | None:
    return next((file for file in store.files() if file.name == name), None)


def _occluder(
    store: ModelStore, take: Take, note: Callable[[str], object] | None
) -> Occluder | None:
    """The occluder, or ``None``: a swap can do without.

    Where none is bundled at all, nothing is wrong that the user could put right: no sentence.
    """
    file = _listed(store, "occluder")
    if file is None:
        return None
    try:
        return Occluder(take("occluder", file)[0])
    except EngineError as error:
        if note is not None:
            note(f"Hands before the face are painted over: {error}")
        return None


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


def _added(card: SwapperCard, take: Take) -> Swapper:
    generator, model = take("swapper", card.generator)
    recognizer = None if card.recognizer is None else take("swapper_recognizer", card.recognizer)[0]
    return build_added(card.name, card.family, generator, model, recognizer)
