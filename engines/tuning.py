"""Which runtime on the CPU is fastest here: compared in the background, remembered, switched to.

A network runs on the reference from its first frame on. Meanwhile the other runtimes are opened
beside it, checked against it on specimens and timed in turns with it; the fastest that gives the
same answers takes over between two frames.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib import metadata

from engines import specimens
from engines.backend import Backend, sensible_threads
from engines.checking import Kind, check
from engines.errors import EngineError
from engines.loading import UNTRIED, Engines, assemble, variant_of
from engines.manifest import ModelFile, ModelStore
from engines.memory import Memory
from engines.racing import fastest, race
from engines.runtimes import REFERENCE, Runtime, named
from engines.slot import Slot
from engines.specimens import Tape

BUDGET_S = 2.0  # for the timing of all networks, half of which is pauses for the live picture
KINDS: Mapping[str, Kind] = {  # what is compared: the networks that run again and again
    "swapper": "picture",
    "detector": "detector",
    "occluder": "picture",
    "recognizer": "embedding",
    "swapper_recognizer": "embedding",
}
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino")


@dataclass(frozen=True)
class Outcome:
    """One network's comparison.

    ``runtime`` is the name of the fastest, ``ms`` the median time of a run by runtime, ``failed``
    says by runtime why it was not timed.
    """

    role: str
    runtime: str
    ms: Mapping[str, float]
    failed: Mapping[str, str]


class Tuner:
    """Moves the networks of ``engines`` that the reference runs to what is fastest.

    ``machine`` names the processor; with the packages' versions and the model's sha256 it is the
    key under which ``memory`` keeps the outcome. ``models`` and ``swapper`` are what the engines
    were loaded with.
    """

    def __init__(
        self, engines: Engines, models: ModelStore, swapper: str, memory: Memory, machine: str
    ) -> None:
        self._engines, self._models, self._swapper = engines, models, swapper
        self._memory, self._machine = memory, machine

    def run(self, stop: threading.Event, *, measure: bool = True) -> list[Outcome]:
        """Compare, remember, switch; returns early, with what is done, once ``stop`` is set.

        An outcome remembered is not measured again; without ``measure`` nothing is.
        ``EngineError`` where the reference itself or the specimens cannot be used; what runs goes
        on running.
        """
        if self._engines.asked_for:
            return []
        candidates = self._candidates()
        roles = [
            role
            for role in KINDS
            if role in self._engines.slots and self._engines.slots[role].runtime == REFERENCE
        ]
        if not candidates or not roles:
            return []
        known = [self._recalled(role, candidates) for role in roles]
        done = [self._switched(outcome) for outcome in known if outcome is not None]
        self._explain(done, candidates)
        missing = [role for role in roles if role not in {outcome.role for outcome in done}]
        if missing and measure and not stop.is_set():
            for outcome in self._compare_all(missing, candidates, stop):
                done.append(outcome)
                self._explain(done, candidates)
        return done

    def _candidates(self) -> list[Runtime]:
        found = []
        for runtime in self._engines.chain:
            if runtime.device != "CPU" or runtime.name == REFERENCE:
                continue
            why = runtime.why_not()
            self._engines.reasons[runtime.name] = why or UNTRIED
            if not why:
                found.append(runtime)
        return found

    def _compare_all(
        self, roles: Sequence[str], candidates: Sequence[Runtime], stop: threading.Event
    ) -> Iterator[Outcome]:
        with ExitStack() as opened:
            tapes = self._taped(opened)
            for role in roles:
                tape = tapes.get(role)
                if stop.is_set() or tape is None or not tape.inputs_seen:
                    continue
                slot = self._engines.slots[role]
                outcome = self._compare(slot, tape, candidates, BUDGET_S / len(roles), stop)
                if outcome is not None:
                    self._memory.keep(self._key(role, candidates), asdict(outcome))
                    yield outcome

    def _taped(self, opened: ExitStack) -> dict[str, Tape]:
        """A second copy of the networks on the reference, fed with the specimens."""
        reference = named(REFERENCE, self._engines.chain)
        tapes: dict[str, Tape] = {}

        def take(role: str, file: ModelFile) -> tuple[Backend, bytes]:
            if role not in self._engines.slots:  # the occluder, where it could not be used
                raise EngineError(f"The {role} is not in use.")
            data = file.read()
            warm = self._engines.slots[role].warm
            tape = tapes[role] = Tape(reference.open(data, file.path.name, warm))
            opened.callback(tape.close)
            return tape, data

        specimens.feed(assemble(self._models, self._swapper, take))
        return tapes

    def _compare(
        self,
        slot: Slot,
        tape: Tape,
        candidates: Sequence[Runtime],
        budget_s: float,
        stop: threading.Event,
    ) -> Outcome | None:
        """Check and time the candidates for one network, switch to the fastest, close the rest."""
        inputs = list(tape.inputs_seen)
        failed: dict[str, str] = {}
        opened: dict[str, Backend] = {}
        racing: dict[str, Backend] = {REFERENCE: tape.backend}
        try:
            for runtime in candidates:
                if stop.is_set():
                    return None
                try:
                    file = self._file(slot, runtime)
                    if file is None:
                        failed[runtime.name] = f"there is no {runtime.variant} file."
                        continue
                    backend = runtime.open(file.read(), file.path.name, slot.warm)
                    opened[runtime.name] = backend
                    result = check(tape.backend, backend, KINDS[slot.role], inputs)
                except EngineError as error:
                    failed[runtime.name] = str(error)
                    continue
                if result.passed:
                    racing[runtime.name] = backend
                else:
                    failed[runtime.name] = result.sentence
            times = race(racing, inputs, budget_s, stop)
            if times is None:
                return None
            best = fastest(times)
            if best != REFERENCE and slot.runtime == REFERENCE:  # not on a GPU since
                slot.replace(best, opened.pop(best))
            medians = {name: round(1e3 * statistics.median(t), 3) for name, t in times.items()}
            return Outcome(slot.role, best, medians, failed)
        finally:
            for backend in opened.values():
                backend.close()

    def _switched(self, outcome: Outcome) -> Outcome:
        """Switch to what was found before; the outcome, with what keeps it from being used now."""
        if outcome.runtime == REFERENCE:
            return outcome
        slot = self._engines.slots[outcome.role]
        runtime = named(outcome.runtime, self._engines.chain)
        try:
            file = self._file(slot, runtime) or slot.file
            backend = runtime.open(file.read(), file.path.name, slot.warm)
            slot.replace(runtime.name, backend)
        except EngineError as error:
            return replace(outcome, failed={**outcome.failed, runtime.name: str(error)})
        return outcome

    def _file(self, slot: Slot, runtime: Runtime) -> ModelFile | None:
        """What the runtime opens for a network; None where it has nothing of its own for it."""
        if not runtime.variant:
            return slot.file
        return variant_of(self._models, slot.file, runtime)

    def _explain(self, outcomes: Sequence[Outcome], candidates: Sequence[Runtime]) -> None:
        """Why each runtime does not run this or that network."""
        chain = self._engines.chain
        for runtime in (*candidates, named(REFERENCE, chain)):
            roles: dict[str, list[str]] = {}  # by the reason they share
            for outcome in outcomes:
                used = self._engines.slots[outcome.role].runtime
                why = outcome.failed.get(runtime.name, "")
                if not why and used != runtime.name and {used, runtime.name} <= outcome.ms.keys():
                    why = (
                        f"{outcome.ms[runtime.name]:.1f} ms a run, "
                        f"{outcome.ms[used]:.1f} ms on {named(used, chain).title}."
                    )
                if why:
                    roles.setdefault(why, []).append(outcome.role)
            if outcomes:
                self._engines.reasons[runtime.name] = " ".join(
                    f"{', '.join(names)}: {why}" for why, names in roles.items()
                )

    def _recalled(self, role: str, candidates: Sequence[Runtime]) -> Outcome | None:
        match self._memory.recall(self._key(role, candidates)):
            case {"runtime": str(name), "ms": dict(ms), "failed": dict(failed)}:
                known = name in {runtime.name for runtime in self._engines.chain}
                times = all(isinstance(time, int | float) for time in ms.values())
                if known and times and all(isinstance(why, str) for why in failed.values()):
                    return Outcome(role, name, ms, failed)
        return None  # nothing, or from another version, or edited

    def _key(self, role: str, candidates: Sequence[Runtime]) -> str:
        versions = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
        rungs = "+".join(runtime.name for runtime in candidates)
        slot = self._engines.slots[role]
        files = {self._file(slot, runtime) for runtime in candidates} - {None, slot.file}
        sha256 = "+".join([slot.file.sha256, *sorted(file.sha256 for file in files if file)])
        threads = f"{sensible_threads()} threads"
        return " | ".join((self._machine, threads, *versions, rungs, role, sha256))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
