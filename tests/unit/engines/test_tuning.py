"""Which engine takes over, and what is remembered of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import specimens, tuning
from engines.backend import Backend, Shapes
from engines.errors import EngineError
from engines.loading import UNASKED, UNTRIED, Engines, load_engines
from engines.manifest import OWN_SWAPPER, ModelStore
from engines.memory import Memory
from engines.onnx_backend import OnnxBackend
from engines.racing import LEAST_ROUNDS, fastest, race
from engines.runtimes import REFERENCE, Runtime
from engines.slot import Slot
from engines.tuning import Outcome, Tuner
from tests.helpers import tiny_models
from tests.helpers.backends import ScriptedBackend, WrappedBackend

SLOW_S = 0.002  # added to each run of what is to lose
ON = threading.Event()  # never set


class Rung:
    """A runtime on the CPU made of the real one, and what it opened."""

    def __init__(
        self, name: str, *, wait_s: float = 0.0, shift: float = 0.0, variant: str = ""
    ) -> None:
        self.opened: list[WrappedBackend] = []
        self._wait_s, self._shift = wait_s, shift
        self.runtime = Runtime(name, name.title(), "CPU", lambda: "", self._open, variant)
        self.labels: list[str] = []

    def _open(self, model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        self.labels.append(label)
        plain = OnnxBackend(model, label, warm=warm)
        backend = WrappedBackend(plain, wait_s=self._wait_s, shift=self._shift)
        self.opened.append(backend)
        return backend


Tune = Callable[..., Engines]


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tune:
    """Loads the tiny networks and tunes them over the runtimes given, the reference last."""
    faces = specimens.squares()[:2]
    monkeypatch.setattr(specimens, "squares", lambda: faces)
    monkeypatch.setattr(tuning, "BUDGET_S", 0.0)
    assets = tiny_models.bundle(tmp_path / "assets", mask=True)
    store = ModelStore(assets, tmp_path / "own")

    def run_it(
        *runtimes: Runtime,
        engine: str = "auto",
        stop: threading.Event = ON,
        measure: bool = True,
        machine: str = "a machine",
    ) -> Engines:
        engines = load_engines(models=store, engine=engine, chain=runtimes)
        memory = Memory(tmp_path / "cache" / "engines.json")
        Tuner(engines, store, OWN_SWAPPER, memory, machine).run(stop, measure=measure)
        engines.close()
        return engines

    return run_it


def _still_open(*rungs: Rung) -> list[WrappedBackend]:
    return [backend for rung in rungs for backend in rung.opened if not backend.closed]


def test_the_fastest_with_the_same_answers_takes_over(tune: Tune) -> None:
    reference = Rung(REFERENCE, wait_s=SLOW_S)
    quick, wrong = Rung("quick"), Rung("wrong", shift=0.5)
    engines = tune(wrong.runtime, quick.runtime, reference.runtime)
    assert engines.slots["swapper"].runtime == "quick"
    assert engines.slots["swapper_identity"].runtime == REFERENCE  # runs once a face
    wrong_rung, quick_rung, reference_rung = engines.rungs()
    assert "swapper: wrapped" in wrong_rung.why
    assert "dB, at least 40" in wrong_rung.why
    assert "swapper" in quick_rung.runs
    assert "ms on Quick." in reference_rung.why
    assert not _still_open(quick, wrong, reference)


def test_what_runs_once_a_source_stays_where_it_is(tune: Tune, tmp_path: Path) -> None:
    tiny_models.bundle(tmp_path / "assets", mask=True, looks=tiny_models.LOOKS)
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    engines = tune(quick.runtime, reference.runtime)
    assert engines.slots["swapper"].runtime == "quick"
    assert engines.slots["appearance"].runtime == REFERENCE
    assert not _still_open(quick, reference)


def test_without_an_occluder_the_others_are_compared(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "assets" / "occluder.onnx").write_bytes(b"no network")
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    engines = tune(quick.runtime, reference.runtime)
    assert engines.slots["swapper"].runtime == "quick"
    assert "occluder" not in engines.slots
    assert not _still_open(quick, reference)


def test_what_is_no_faster_does_not_take_over(tune: Tune) -> None:
    reference, slow = Rung(REFERENCE), Rung("slow", wait_s=SLOW_S)
    engines = tune(slow.runtime, reference.runtime)
    slow_rung, reference_rung = engines.rungs()
    assert slow_rung.runs == ()
    assert "ms on Onnx." in slow_rung.why
    assert reference_rung.why == ""
    assert not _still_open(slow, reference)


def test_an_outcome_is_remembered_for_this_machine_alone(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    tune(quick.runtime, reference.runtime)
    races: list[object] = []

    def counted(*arguments: object) -> None:
        races.append(arguments)

    monkeypatch.setattr(tuning, "race", counted)
    engines = tune(quick.runtime, reference.runtime)
    assert races == []
    assert engines.slots["swapper"].runtime == "quick"
    assert "ms on Quick." in engines.rungs()[-1].why
    tune(quick.runtime, reference.runtime, machine="another")
    assert races
    assert not _still_open(quick, reference)


def test_a_remembered_engine_that_is_broken_is_left(tune: Tune) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    tune(quick.runtime, reference.runtime)

    def broken(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        raise EngineError("It broke since.")

    engines = tune(Runtime("quick", "Quick", "CPU", lambda: "", broken), reference.runtime)
    assert engines.slots["swapper"].runtime == REFERENCE
    assert "It broke since." in engines.reasons["quick"]


def test_a_damaged_memory_is_measured_again(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "engines.json").write_text("{")
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    assert tune(quick.runtime, reference.runtime).slots["swapper"].runtime == "quick"
    assert json.loads((tmp_path / "cache" / "engines.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"runtime": "gone"},
        {"runtime": []},
        {"ms": None},
        {"ms": {"quick": "fast", REFERENCE: "slow"}},
        {"failed": None},
        {"failed": {"quick": 3}},
    ],
)
def test_an_entry_of_another_shape_is_measured_again(
    tune: Tune, tmp_path: Path, change: dict[str, object]
) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    tune(quick.runtime, reference.runtime)
    path = tmp_path / "cache" / "engines.json"
    document = json.loads(path.read_text())
    document["entries"] = {key: kept | change for key, kept in document["entries"].items()}
    path.write_text(json.dumps(document))
    assert tune(quick.runtime, reference.runtime).slots["swapper"].runtime == "quick"


def test_a_runtime_with_files_of_its_own_gets_those(tune: Tune, tmp_path: Path) -> None:
    reference, small = Rung(REFERENCE, wait_s=SLOW_S), Rung("small", variant="int8")
    engines = tune(small.runtime, reference.runtime)
    roles = "swapper, detector, occluder, recognizer"
    assert f"{roles}: there is no int8 file." in engines.reasons["small"]
    tiny_models.add_int8(tmp_path / "assets")  # the key under which it is remembered changes too
    for _ in range(2):
        engines = tune(small.runtime, reference.runtime)
        assert engines.slots["swapper"].runtime == "small"
        assert engines.slots["detector"].runtime == REFERENCE
    assert small.labels == ["swapper_int8.onnx"] * 2
    assert not _still_open(small, reference)


def test_what_cannot_be_opened_or_is_absent_is_said(tune: Tune) -> None:
    def broken(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        raise EngineError("No.", "Try another.")

    reference = Rung(REFERENCE)
    engines = tune(
        Runtime("absent", "Absent", "CPU", lambda: "It is not here.", broken),
        Runtime("broken", "Broken", "CPU", lambda: "", broken),
        reference.runtime,
    )
    assert engines.reasons["absent"] == "It is not here."
    assert engines.reasons["broken"] == "swapper, detector, occluder, recognizer: No. Try another."
    assert len(engines.rungs()[-1].runs) == 5


def test_stopped_it_leaves_everything_as_it_was(tune: Tune) -> None:
    stop = threading.Event()
    stop.set()
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    engines = tune(quick.runtime, reference.runtime, stop=stop)
    assert engines.slots["swapper"].runtime == REFERENCE
    assert quick.opened == []
    assert not _still_open(reference)


def test_stopped_halfway_it_closes_what_it_opened(tune: Tune) -> None:
    stop, reference = threading.Event(), Rung(REFERENCE)

    def open_and_stop(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        stop.set()
        return quick.runtime.open(model, label, warm)

    quick = Rung("quick")
    engines = tune(
        Runtime("quick", "Quick", "CPU", lambda: "", open_and_stop), reference.runtime, stop=stop
    )
    assert engines.slots["detector"].runtime == REFERENCE
    assert quick.opened
    assert not _still_open(quick, reference)


def test_what_moved_to_a_gpu_meanwhile_stays_there(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    compared: list[Slot] = []
    plain = Tuner._compare

    def compare(tuner: Tuner, slot: Slot, *rest: Any) -> Outcome | None:
        compared.append(slot)
        return plain(tuner, slot, *rest)

    def race_on(*arguments: Any) -> dict[str, list[float]] | None:
        slot = compared[-1]
        slot.replace("tensorrt", reference.runtime.open(slot.file.read(), "built", slot.warm))
        return race(*arguments)

    monkeypatch.setattr(Tuner, "_compare", compare)
    monkeypatch.setattr(tuning, "race", race_on)
    engines = tune(quick.runtime, reference.runtime)
    assert {engines.slots[slot.role].runtime for slot in compared} == {"tensorrt"}
    assert not _still_open(quick, reference)


def test_an_engine_that_was_asked_for_stays(tune: Tune) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    engines = tune(quick.runtime, reference.runtime, engine=REFERENCE)
    assert {slot.runtime for slot in engines.slots.values()} == {REFERENCE}
    assert engines.reasons == {"quick": UNASKED}
    assert quick.opened == []


def test_without_measuring_what_is_not_known_is_said_to_be_so(tune: Tune) -> None:
    reference, quick = Rung(REFERENCE, wait_s=SLOW_S), Rung("quick")
    engines = tune(quick.runtime, reference.runtime, measure=False)
    assert engines.reasons["quick"] == UNTRIED
    assert quick.opened == []


def test_a_tie_is_no_reason_to_change() -> None:
    assert fastest({REFERENCE: [1.0, 2.0], "same": [0.96, 1.92]}) == REFERENCE
    assert fastest({REFERENCE: [1.0, 2.0], "a": [0.9, 1.8], "b": [0.5, 1.4]}) == "b"
    assert fastest({REFERENCE: [1.0, 1.0], "exact": [0.5, 0.5], "rough": [0.41, 0.41]}) == "exact"
    assert fastest({REFERENCE: [1.0, 1.0], "slow": [1.1, 1.1], "quick": [0.9, 0.9]}) == "quick"
    # One long pause of the machine decides nothing: rounds are compared with themselves.
    assert fastest({REFERENCE: [1.0, 9.0, 1.0], "a": [0.5, 4.0, 0.5]}) == "a"


def test_a_race_takes_turns_on_the_same_inputs() -> None:
    order: list[tuple[str, int]] = []

    def runner(name: str) -> ScriptedBackend:
        def answer(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            order.append((name, int(tensors["x"])))
            return {}

        return ScriptedBackend(answer)

    inputs = [{"x": np.array(number)} for number in range(3)]
    times = race({"a": runner("a"), "b": runner("b")}, inputs, 0.0, ON)
    assert times is not None
    assert order[:4] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert len(times["a"]) == len(times["b"]) == LEAST_ROUNDS
