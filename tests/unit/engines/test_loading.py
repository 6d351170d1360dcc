"""From names to running networks, and what is said when that fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.adding import Candidate, add_model
from engines.backend import Backend, Shapes
from engines.errors import EngineError
from engines.loading import load_engines
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.runtimes import CHAIN, REFERENCE, Runtime
from tests.helpers import tiny_models
from tests.helpers.backends import needs_openvino


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tiny_models.bundle(tmp_path / "assets"), tmp_path / "own")


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_our_own_engines_load_and_work(store: ModelStore) -> None:
    engines = load_engines(models=store)
    assert engines.device == "CPU"
    assert engines.engine.startswith("ONNX Runtime ")
    loaded = [line for line in engines.report if ": ok (" in line]
    assert len(loaded) == len(engines.slots) == 5
    assert engines.detector.detect(np.zeros((90, 160, 3), np.uint8), 0.6) == []
    crop = np.full((112, 112, 3), 90, np.uint8)
    identity = engines.swapper.prepare(engines.swapper.recognizer.embed(crop))
    side = engines.swapper.crop_size
    assert engines.swapper.swap(np.zeros((side, side, 3), np.uint8), identity).mask is None
    engines.close()
    engines.close()


def _make_occluder_another_network(store: ModelStore, assets: Path) -> None:
    listed, other = assets / "models.toml", (assets / "detector.onnx").read_bytes()
    old, new = store.file("occluder").sha256, store.file("detector").sha256
    (assets / "occluder.onnx").write_bytes(other)
    listed.write_text(listed.read_text().replace(old, new))


@pytest.mark.parametrize("broken", ["missing", "damaged", "another network"])
def test_without_a_usable_occluder_the_swap_still_loads(
    store: ModelStore, tmp_path: Path, broken: str
) -> None:
    path = tmp_path / "assets" / "occluder.onnx"
    if broken == "missing":
        path.unlink()
    elif broken == "damaged":
        path.write_bytes(b"no network")
    else:
        _make_occluder_another_network(store, tmp_path / "assets")
    engines = load_engines(models=store)
    assert engines.occluder is None
    assert any(line.startswith("occluder left out: ") for line in engines.report)
    assert engines.notes[0].startswith("Hands before the face are painted over: ")
    engines.close()


def test_an_occluder_that_is_not_wanted_yet_is_opened_later(store: ModelStore) -> None:
    engines = load_engines(models=store, occluder=False)
    assert engines.occluder is None
    assert engines.notes == ()
    assert engines.reserve is not None
    assert "occluder" not in engines.slots
    engines.reserve.want()
    assert engines.reserve._opening is not None
    engines.reserve._opening.result(20)
    opened = engines.reserve.want()
    assert opened is not None
    assert "occluder" in engines.slots
    engines.close()


def test_an_occluder_that_does_not_fit_later_is_closed_and_not_said_to_run(
    store: ModelStore, tmp_path: Path
) -> None:
    _make_occluder_another_network(store, tmp_path / "assets")
    engines = load_engines(models=store, occluder=False)
    assert engines.reserve is not None
    assert engines.reserve.want() is None
    engines.reserve.close()  # waits for it
    assert "an output called parts" in engines.reserve.failure
    assert "occluder" not in engines.slots
    engines.close()


def test_an_installation_without_an_occluder_has_nothing_to_complain_of(
    store: ModelStore, tmp_path: Path
) -> None:
    listed = tmp_path / "assets" / "models.toml"
    listed.write_text(listed.read_text().replace('name = "occluder"', 'name = "other"'))
    engines = load_engines(models=store)
    assert engines.occluder is None
    assert engines.notes == ()
    engines.close()


def test_a_damaged_file_is_never_opened(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "assets" / "swapper.onnx"
    path.write_bytes(tiny_models.generator(7))
    with pytest.raises(EngineError, match=r"swapper.onnx .*damaged"):
        load_engines(models=store)


def _refusing(name: str, title: str, *only: str) -> Runtime:
    """A runtime on the GPU that opens nothing, or nothing but the files named."""

    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        if label in only:
            return OnnxBackend(model, label, warm=warm)
        raise EngineError(f"{title} does not take {label}.", "Buy another.")

    return Runtime(name, title, "GPU", lambda: "", open_network)


ABSENT = Runtime("absent", "Absent", "GPU", lambda: "It is not here.", CHAIN[-1].open)


def test_every_runtime_tried_is_reported(store: ModelStore) -> None:
    chain = (ABSENT, _refusing("half", "Half", "swapper.onnx"), CHAIN[-1])
    engines = load_engines(models=store, chain=chain)
    engines.close()
    assert engines.report[0] == "Absent: It is not here."
    assert "detector on Half: Half does not take detector.onnx. Buy another." in engines.report
    absent, half, reference = engines.rungs()
    assert (absent.runs, absent.why) == ((), "It is not here.")
    assert half.runs == ("swapper",)
    assert "does not take" in half.why
    assert (len(reference.runs), reference.why) == (4, "")
    assert half.as_dict()["runs"] == ["swapper"]


def test_no_runtime_at_all_names_the_attempts(store: ModelStore) -> None:
    with pytest.raises(EngineError, match=r"detector cannot be used: A does .* B does") as caught:
        load_engines(models=store, chain=(_refusing("a", "A"), _refusing("b", "B")))
    assert caught.value.remedy == "Buy another."


def test_an_engine_that_was_asked_for_is_not_replaced(store: ModelStore) -> None:
    chain = (_refusing("a", "A"), CHAIN[-1])
    with pytest.raises(EngineError, match="A does not take"):
        load_engines(models=store, engine="a", chain=chain)
    with pytest.raises(EngineError, match=r"engine absent cannot be used: It is not here\."):
        load_engines(models=store, engine="absent", chain=(ABSENT, CHAIN[-1]))
    with pytest.raises(EngineError, match="no engine 'b'; expected one of auto, a, onnx"):
        load_engines(models=store, engine="b", chain=chain)


def test_a_runtime_with_files_of_its_own_takes_the_others_where_there_is_none(
    store: ModelStore, tmp_path: Path
) -> None:
    labels: list[str] = []

    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        labels.append(label)
        return OnnxBackend(model, label, warm=warm)

    tiny_models.add_int8(tmp_path / "assets")
    small = Runtime("small", "Small", "CPU", lambda: "", open_network, "int8")
    engines = load_engines(models=store, engine="small", chain=(small, CHAIN[-1]))
    engines.close()
    assert set(labels) == {
        "detector.onnx",
        "swapper_int8.onnx",
        "swapper_identity.onnx",
        "recognizer.onnx",
        "occluder.onnx",
    }


@needs_openvino
def test_openvino_runs_everything_when_asked_to(store: ModelStore) -> None:
    engines = load_engines(models=store, engine="openvino")
    assert engines.engine.startswith("OpenVINO ")
    assert {slot.runtime for slot in engines.slots.values()} == {"openvino"}
    engines.close()


def test_the_chain_ends_with_the_reference() -> None:
    assert [runtime.name for runtime in CHAIN][-1] == REFERENCE
    assert all(runtime.device == "GPU" for runtime in CHAIN[:3])


def test_a_wrong_network_under_the_right_name(store: ModelStore, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    text = (assets / "models.toml").read_text()
    text = text.replace('file = "swapper.onnx"', 'file = "detector.onnx"')
    old, new = store.file("swapper").sha256, store.file("detector").sha256
    (assets / "models.toml").write_text(text.replace(old, new))
    with pytest.raises(EngineError, match="expected one called target"):
        load_engines(models=store)


def test_an_unknown_swapper_names_those_there_are(store: ModelStore) -> None:
    with pytest.raises(EngineError, match=r"no swapper 'other'; known are omokage\."):
        load_engines("other", models=store)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (tiny_models.embedding_swapper(224, 16), "simswap"),
        (tiny_models.embedding_swapper(512, 16), "simswap"),
        (tiny_models.inswapper(np.eye(16)), "inswapper"),
        (tiny_models.inswapper(np.eye(16), half=True), "inswapper"),
        (tiny_models.blendface(), "blendface"),
    ],
)
def test_an_added_model_is_loaded_by_its_name(
    store: ModelStore, tmp_path: Path, model: bytes, family: str
) -> None:
    recognizer = _write(tmp_path / "arcface.onnx", tiny_models.recognizer(16))
    card = add_model(Candidate(_write(tmp_path / "gen_1.onnx", model), None, recognizer), store)
    assert (card.name, card.family) == ("gen_1", family)
    assert (card.recognizer is None) is (family == "blendface")
    engines = load_engines("gen_1", models=store)
    assert engines.swapper.name == "gen_1"
    identity = engines.swapper.prepare(
        engines.swapper.recognizer.embed(np.full((112, 112, 3), 80, np.uint8))
    )
    side = engines.swapper.crop_size
    grey = np.full((side, side, 3), 128, np.uint8)
    assert engines.swapper.swap(grey, identity).pixels.any()
    engines.close()


@pytest.mark.parametrize(
    ("model", "family", "recognizer", "words"),
    [
        (b"no network", None, None, "is no network"),
        (tiny_models.recognizer(), None, None, "Say which it is with --family"),
        (tiny_models.embedding_swapper(224, 16), None, None, "with --recognizer"),
        (tiny_models.embedding_swapper(224, 16), None, b"no network", "is no network"),
        (
            tiny_models.embedding_swapper(224, 16),
            None,
            tiny_models.recognizer(17),
            "makes 17 values, expected 16",
        ),
        (tiny_models.embedding_swapper(128, 16), None, tiny_models.recognizer(16), "16 x 16"),
        (tiny_models.blendface(), "simswap", tiny_models.recognizer(16), "source of shape"),
        (tiny_models.recognizer(), "inswapper", tiny_models.recognizer(16), "called target"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_stored(
    store: ModelStore,
    tmp_path: Path,
    model: bytes,
    family: str | None,
    recognizer: bytes | None,
    words: str,
) -> None:
    file = _write(tmp_path / "gen.onnx", model)
    second = None if recognizer is None else _write(tmp_path / "arc.onnx", recognizer)
    with pytest.raises(EngineError) as caught:
        add_model(Candidate(file, family, second), store)
    assert words in str(caught.value)
    assert not store.user.exists()


def test_a_file_that_is_not_there(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        add_model(Candidate(tmp_path / "none.onnx"), store)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 300))
def test_a_cut_file_gets_a_sentence(store: ModelStore, tmp_path: Path, cut: int) -> None:
    whole = tiny_models.blendface()
    file = _write(tmp_path / "cut.onnx", whole[: min(cut, len(whole) - 1)])
    with pytest.raises(EngineError) as caught:
        add_model(Candidate(file, "blendface"), store)
    assert "\n" not in str(caught.value)
