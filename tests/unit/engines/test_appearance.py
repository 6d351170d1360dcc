"""A source's appearance beside its identity: the two layouts of our own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.portraits import mean_embedding
from engines import families
from engines.appearance import JoinedRecognizer
from engines.backend import Backend, Shapes
from engines.errors import EngineError
from engines.loading import Engines, load_engines
from engines.manifest import OWN_SWAPPER, ModelStore
from engines.onnx_backend import OnnxBackend
from engines.probes import record_probes
from engines.recognizer import NetworkRecognizer, PictureRecognizer, embed_both
from engines.runtimes import CHAIN, REFERENCE, named
from engines.swapper import GeneratorSwapper
from engines.templates import arcface
from tests.helpers import tiny_models
from tests.helpers.backends import WrappedBackend

WIDTH, LOOKS = tiny_models.EMBEDDING, tiny_models.LOOKS
BOTH = WIDTH + LOOKS


def _open(model: bytes) -> OnnxBackend:
    return OnnxBackend(model, "tiny.onnx")


def _recognizer() -> NetworkRecognizer:
    return families.omokage_recognizer(_open(tiny_models.recognizer()), "fedcba9876543210")


def _appearance(width: int = LOOKS) -> NetworkRecognizer:
    return families.omokage_appearance(_open(tiny_models.appearance(width)), "0123456789abcdef")


def _swapper(looks: int = LOOKS, appearance: NetworkRecognizer | None = None) -> GeneratorSwapper:
    """The network of ``looks`` values is given to an identity network that wants so many."""
    return families.omokage(
        "omokage",
        _open(tiny_models.generator()),
        _open(tiny_models.identity(looks=looks)),
        _recognizer(),
        appearance or _appearance(),
    )


SWAPPER = _swapper()  # for tests that hypothesis runs often


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (112, 112, 3), np.uint8)


def _store(folder: Path, looks: int) -> ModelStore:
    return ModelStore(tiny_models.bundle(folder / "assets", looks=looks), folder / "own")


@pytest.fixture(params=[0, LOOKS], ids=["identity alone", "with appearance"])
def engines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engines]:
    opened = load_engines(models=_store(tmp_path, request.param))
    yield opened
    opened.close()


def test_both_layouts_load_prepare_and_swap(engines: Engines) -> None:
    swapper, crop = engines.swapper, _noise(1)
    embedding = swapper.recognizer.embed(crop)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    identity = swapper.prepare(embedding)
    assert identity.tensors["gains"].shape == (1, tiny_models.GAINS)
    assert swapper.swap(np.full((128, 128, 3), 90, np.uint8), identity).pixels.std() > 0
    with_looks = "appearance" in engines.slots
    assert embedding.size == (BOTH if with_looks else WIDTH)
    assert ("appearance" in " ".join(engines.report)) is with_looks


def test_people_are_told_apart_by_the_identity_alone(engines: Engines) -> None:
    assert engines.recognizer is not None
    assert engines.recognizer.name == f"omokage {engines.recognizer_sha256[:8]}"
    assert engines.recognizer.embed(_noise(1)).size == WIDTH


def test_closing_the_engines_closes_every_network(tmp_path: Path) -> None:
    engines = load_engines(models=_store(tmp_path, LOOKS))
    engines.close()
    engines.close()
    for slot in engines.slots.values():
        inputs = {
            spec.name: np.zeros([n or 32 for n in spec.shape], spec.dtype) for spec in slot.inputs
        }
        with pytest.raises(EngineError, match="was closed"):
            slot.run(inputs)


def test_closing_the_swapper_alone_closes_both_its_recognisers() -> None:
    swapper = _swapper()
    swapper.close()
    with pytest.raises(EngineError, match="was closed"):
        swapper.recognizer.embed(_noise(1))


def test_both_networks_see_the_same_crop() -> None:
    joined, crop = _swapper().recognizer, _noise(3)
    identity, appearance = np.split(joined.embed(crop) * np.sqrt(2), [WIDTH])
    np.testing.assert_allclose(identity, embed_both(_recognizer(), crop), atol=1e-6)
    np.testing.assert_allclose(appearance, _appearance().embed(crop), atol=1e-6)


def test_a_face_that_is_kept_is_the_same_person_in_the_mirror() -> None:
    recognizer, crop = _recognizer(), _noise(4)
    turned = np.ascontiguousarray(crop[:, ::-1])
    alone, mirrored = recognizer.embed(crop), recognizer.embed(turned)
    both = embed_both(recognizer, crop)
    np.testing.assert_allclose(both, embed_both(recognizer, turned), atol=1e-6)
    np.testing.assert_allclose(
        both, (alone + mirrored) / np.linalg.norm(alone + mirrored), atol=1e-6
    )
    assert not np.allclose(alone, mirrored, atol=1e-3)


def test_another_file_of_either_network_is_another_space() -> None:
    assert _swapper().recognizer.name == "omokage fedcba98 with appearance 01234567"
    other = families.omokage_appearance(_open(tiny_models.appearance()))
    assert _swapper(appearance=other).recognizer.name == "omokage fedcba98 with appearance"
    assert families.omokage_recognizer(_open(tiny_models.recognizer())).name == "omokage"


def test_the_loaded_networks_are_named_by_their_files(tmp_path: Path) -> None:
    store = _store(tmp_path, LOOKS)
    engines = load_engines(models=store)
    identity, appearance = (store.file(name).sha256[:8] for name in ("recognizer", "appearance"))
    assert engines.swapper.recognizer.name == f"omokage {identity} with appearance {appearance}"
    engines.close()


@given(st.floats(0.05, 1), st.floats(0.05, 1))
def test_each_half_reaches_the_generator_with_length_1(shorter: float, longer: float) -> None:
    identity, appearance = np.zeros(WIDTH, np.float32), np.zeros(LOOKS, np.float32)
    identity[:2], appearance[:2] = (0.6, 0.8), (0.8, -0.6)
    embedding = np.concatenate((identity * shorter, appearance * longer)).astype(np.float32)
    np.testing.assert_allclose(
        SWAPPER.prepare(embedding).tensors["gains"], [[0.6, 0.8, 0, 0.8, -0.6, 0]], atol=1e-5
    )


def test_a_mean_of_photos_is_the_mean_of_each_half() -> None:
    joined = _swapper().recognizer
    assert isinstance(joined, JoinedRecognizer)
    photos = [_noise(seed) // np.uint8(seed) for seed in (1, 2, 5)]
    mean = mean_embedding([joined.embed(photo) for photo in photos])
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-5)
    identity, appearance = np.split(joined.halves(mean), [WIDTH])
    who = [embed_both(_recognizer(), photo) for photo in photos]
    looks = [_appearance().embed(photo) for photo in photos]
    np.testing.assert_allclose(identity, mean_embedding(who), atol=1e-5)
    np.testing.assert_allclose(appearance, mean_embedding(looks), atol=1e-5)


def test_a_half_that_is_nothing_gets_a_sentence() -> None:
    embedding = np.zeros(BOTH, np.float32)
    embedding[0] = 1
    with pytest.raises(EngineError, match="which is no identity"):
        _swapper().prepare(embedding)


def test_an_embedding_without_appearance_gets_a_sentence() -> None:
    with pytest.raises(EngineError, match=r"shape \(128,\), expected \(256,\)"):
        _swapper().prepare(_recognizer().embed(_noise(1)))


@pytest.mark.parametrize(
    ("taken", "width", "words"),
    [
        (LOOKS, 64, "takes 256 values, its recogniser makes 128 and its appearance network 64"),
        (0, LOOKS, "takes 128 values, its recogniser makes 128 and its appearance network 128"),
    ],
)
def test_widths_that_do_not_agree_are_one_sentence(taken: int, width: int, words: str) -> None:
    with pytest.raises(EngineError, match=f"do not belong together: .*{words}"):
        _swapper(taken, _appearance(width))


def test_widths_are_compared_as_far_as_they_are_known() -> None:
    with pytest.raises(EngineError, match=r"takes 128 values, its recogniser makes \? and its"):
        families.omokage(
            "omokage",
            _open(tiny_models.generator()),
            _open(tiny_models.identity()),
            _Fixed(),
            _appearance(),
        )


def test_a_recogniser_of_another_kind_may_stand_beside_the_appearance() -> None:
    joined = families.omokage(
        "omokage",
        _open(tiny_models.generator()),
        _open(tiny_models.identity(looks=LOOKS)),
        _Fixed(),
        _appearance(),
    )
    gains = joined.prepare(joined.recognizer.embed(_noise(1))).tensors["gains"]
    np.testing.assert_allclose(gains[0, :3], (0, 1, 0), atol=1e-6)


class _Fixed:
    """A recogniser of 128 values that are always the same."""

    name, crop_size, template = "fixed", 112, arcface(112)

    def embed(self, crop: np.ndarray) -> np.ndarray:
        return np.eye(1, WIDTH, 1, dtype=np.float32)[0]

    def close(self) -> None:
        """Nothing to free."""


def test_both_must_read_the_same_crop() -> None:
    larger = PictureRecognizer("teacher", arcface(128), 128)
    with pytest.raises(EngineError, match=r"teacher reads crops of 128 px .* same crop"):
        JoinedRecognizer(larger, _appearance(), WIDTH)


def test_files_of_two_kinds_are_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    store = _store(tmp_path, LOOKS)
    listed = tmp_path / "assets" / "models.toml"
    listed.write_text(listed.read_text().replace('name = "appearance"', 'name = "other"'))
    opened: list[Backend] = []

    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        opened.append(WrappedBackend(OnnxBackend(model, label, warm=warm)))
        return opened[-1]

    reference = replace(named(REFERENCE, CHAIN), open=open_network)
    with pytest.raises(
        EngineError,
        match=r"takes 256 values, its recogniser makes 128 and no appearance .* again",
    ):
        load_engines(models=store, chain=(reference,))
    assert len(opened) == 4
    assert all(backend.closed for backend in opened)


def test_an_appearance_network_that_nobody_wants_is_left_alone(tmp_path: Path) -> None:
    store = _store(tmp_path, LOOKS)
    tiny_models.put(tmp_path / "assets", "swapper_identity", tiny_models.identity())
    (tmp_path / "assets" / "appearance.onnx").write_bytes(b"no network")
    engines = load_engines(models=store)
    assert "appearance" not in engines.slots
    assert engines.swapper.recognizer.name == f"omokage {engines.recognizer_sha256[:8]}"
    engines.close()


def test_a_damaged_appearance_network_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path, LOOKS)
    (tmp_path / "assets" / "appearance.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError, match=r"appearance\.onnx .*damaged"):
        load_engines(models=store)


def test_engines_are_compared_on_what_the_appearance_network_sees(tmp_path: Path) -> None:
    probes = record_probes(_store(tmp_path, LOOKS), OWN_SWAPPER)
    assert probes["appearance"].kind == "embedding"
    seen = probes["appearance"].inputs
    assert [tensors["input"].shape for tensors in seen] == [(1, 3, 112, 112)] * len(seen)
    assert len(seen) == len(probes["recognizer"].inputs) > 1
    assert probes["swapper_identity"].inputs[0]["embedding"].shape == (1, BOTH)
