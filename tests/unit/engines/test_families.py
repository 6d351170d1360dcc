"""Pre- and post-processing of each family, against tiny networks of the same signatures."""

from __future__ import annotations

import numpy as np
import pytest

from engines import families, templates
from engines.errors import EngineError
from engines.onnx_backend import OnnxBackend
from engines.swapper import GeneratorSwapper, Swapper
from engines.tensors import IMAGENET_MEAN, IMAGENET_STD
from tests.helpers import tiny_models

WIDTH = 24  # of the embeddings here; the real ones have 512


def _open(model: bytes) -> OnnxBackend:
    return OnnxBackend(model, "tiny.onnx")


def _recognizer(width: int = WIDTH) -> OnnxBackend:
    return _open(tiny_models.recognizer(width))


def _grey(size: int, value: int = 100) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def _emap() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(WIDTH, WIDTH)).astype(np.float32)


def _omokage(mask: bool = False) -> GeneratorSwapper:
    return families.omokage(
        "omokage",
        _open(tiny_models.generator(mask=mask)),
        _open(tiny_models.identity()),
        families.omokage_recognizer(_recognizer(tiny_models.EMBEDDING)),
    )


def _simswap(size: int = 224) -> GeneratorSwapper:
    return families.simswap("sim", _open(tiny_models.embedding_swapper(size, WIDTH)), _recognizer())


def _inswapper(half: bool = False) -> GeneratorSwapper:
    model = tiny_models.inswapper(_emap(), half=half)
    return families.inswapper("ins", _open(model), _recognizer(), model)


def _blendface() -> GeneratorSwapper:
    return families.blendface("blend", _open(tiny_models.blendface()))


ALL = [_omokage, _simswap, _inswapper, _blendface]


@pytest.fixture(params=ALL, ids=lambda build: build.__name__.strip("_"))
def swapper(request: pytest.FixtureRequest) -> Swapper:
    return request.param()


def _identity_embedding(swapper: Swapper) -> np.ndarray:
    size = swapper.recognizer.crop_size
    ramp = np.linspace(0, 255, size * size * 3).reshape(size, size, 3)
    return swapper.recognizer.embed(ramp.astype(np.uint8))


def test_every_family_embeds_prepares_and_swaps(swapper: Swapper) -> None:
    embedding = _identity_embedding(swapper)
    assert embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    result = swapper.swap(_grey(swapper.crop_size), swapper.prepare(embedding))
    assert result.pixels.shape == (swapper.crop_size, swapper.crop_size, 3)
    assert result.pixels.dtype == np.uint8
    assert result.pixels.flags.c_contiguous
    assert result.mask is None
    assert swapper.device.endswith(", CPU")
    assert swapper.template.shape == swapper.recognizer.template.shape == (5, 2)
    swapper.close()
    swapper.close()


def test_the_same_source_gives_the_same_picture(swapper: Swapper) -> None:
    identity = swapper.prepare(_identity_embedding(swapper))
    crop = _grey(swapper.crop_size)
    first = swapper.swap(crop, identity).pixels
    np.testing.assert_array_equal(swapper.swap(crop, identity).pixels, first)
    np.testing.assert_array_equal(crop, 100)


def test_a_crop_of_another_size_gets_a_sentence(swapper: Swapper) -> None:
    identity = swapper.prepare(_identity_embedding(swapper))
    with pytest.raises(EngineError, match="expected"):
        swapper.swap(_grey(swapper.crop_size // 2), identity)
    with pytest.raises(EngineError, match="expected 112 x 112"):
        swapper.recognizer.embed(_grey(96))


def test_an_embedding_of_another_space_gets_a_sentence(swapper: Swapper) -> None:
    with pytest.raises(EngineError):
        swapper.prepare(np.ones(7, np.float32))


def test_an_identity_of_another_swapper_gets_a_sentence() -> None:
    identity = _simswap().prepare(_identity_embedding(_simswap()))
    with pytest.raises(EngineError, match="prepared for sim"):
        _omokage().swap(_grey(128), identity)


def test_omokage_colours_by_its_gains_and_gives_its_mask() -> None:
    swapper = _omokage(mask=True)
    embedding = np.zeros(tiny_models.EMBEDDING, np.float32)
    embedding[:3] = (0.2, 0.1, -0.6)  # added to red, green, blue
    crop = _grey(128)
    crop[:, :, 2] = 40  # red
    result = swapper.swap(crop, swapper.prepare(embedding))
    np.testing.assert_array_equal(result.pixels[3, 3], (0, 126, 91))  # rounded; blue clipped
    assert result.mask is not None
    np.testing.assert_array_equal(result.mask, 40)


@pytest.mark.parametrize("size", [224, 256, 512])
def test_simswap_normalises_the_target_but_not_the_output(size: int) -> None:
    swapper = _simswap(size)
    embedding = np.zeros(WIDTH, np.float32)
    embedding[:3] = (0.5, 0.25, 0.125)
    out = swapper.swap(_grey(size, 128), swapper.prepare(embedding)).pixels[0, 0, ::-1]
    target = np.full(3, 128 / 255)
    if size != 512:
        target = (target - IMAGENET_MEAN) / IMAGENET_STD
    wanted = np.clip((target + np.array((0.5, 0.25, 0.125))) * 255, 0, 255)
    np.testing.assert_allclose(out, wanted, atol=1)


def test_simswap_has_three_sizes() -> None:
    with pytest.raises(EngineError, match="224, 256 and 512"):
        _simswap(128)


@pytest.mark.parametrize("half", [False, True])
def test_inswapper_maps_the_embedding_by_the_emap_of_its_file(half: bool) -> None:
    embedding = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    embedding /= np.linalg.norm(embedding)
    swapper = _inswapper(half)
    (source,) = swapper.prepare(embedding).tensors.values()
    assert source.dtype == (np.float16 if half else np.float32)
    wanted = embedding @ _emap()
    np.testing.assert_allclose(
        source[0], wanted / np.linalg.norm(wanted), atol=2e-3 if half else 1e-6
    )
    out = swapper.swap(_grey(128), swapper.prepare(embedding)).pixels[0, 0, ::-1]
    np.testing.assert_allclose(
        out, np.clip(100 + 255 * source[0, :3].astype(float), 0, 255), atol=1
    )


def test_inswapper_without_its_matrix_gets_a_sentence() -> None:
    model = tiny_models.embedding_swapper(128, WIDTH)
    with pytest.raises(EngineError, match="no 24 x 24 matrix"):
        families.inswapper("ins", _open(model), _recognizer(), model)


def test_blendface_sees_the_source_picture_itself() -> None:
    swapper = _blendface()
    face = np.zeros((112, 112, 3), np.uint8)
    face[:] = (10, 20, 60)
    embedding = swapper.recognizer.embed(face)
    result = swapper.swap(_grey(256), swapper.prepare(embedding)).pixels
    np.testing.assert_array_equal(result[9, 9], (110, 120, 160))


def test_blendface_pictures_can_be_averaged_like_embeddings() -> None:
    recognizer = _blendface().recognizer
    mean = np.stack([recognizer.embed(_grey(112, value)) for value in (50, 50)]).mean(axis=0)
    mean /= np.linalg.norm(mean)
    identity = _blendface().prepare(mean.astype(np.float32))
    np.testing.assert_allclose(identity.tensors["source"], 50 / 255, atol=1e-5)


def test_a_recogniser_of_another_width_gets_a_sentence() -> None:
    with pytest.raises(EngineError, match="makes 128 values, expected 24"):
        families.simswap("sim", _open(tiny_models.embedding_swapper(224, WIDTH)), _recognizer(128))


def test_networks_in_each_others_place_get_a_sentence() -> None:
    with pytest.raises(EngineError, match="expected one called target"):
        families.omokage(
            "omokage",
            _open(tiny_models.identity()),
            _open(tiny_models.identity()),
            families.omokage_recognizer(_recognizer(tiny_models.EMBEDDING)),
        )
    with pytest.raises(EngineError, match="makes 5 gains, expected 6"):
        families.omokage(
            "omokage",
            _open(tiny_models.generator()),
            _open(tiny_models.identity(5)),
            families.omokage_recognizer(_recognizer(tiny_models.EMBEDDING)),
        )
    with pytest.raises(EngineError, match="expected"):
        families.omokage_recognizer(_open(tiny_models.detector()))
    with pytest.raises(EngineError, match="expected a picture"):
        families.blendface("blend", _open(tiny_models.embedding_swapper(256, WIDTH)))


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (tiny_models.embedding_swapper(256, WIDTH), "simswap"),
        (tiny_models.inswapper(np.eye(WIDTH)), "inswapper"),
        (tiny_models.blendface(), "blendface"),
        (tiny_models.generator(), None),
        (tiny_models.recognizer(), None),
    ],
)
def test_the_family_is_guessed_from_the_tensors(model: bytes, family: str | None) -> None:
    assert families.guess_family(_open(model).inputs) == family


def test_an_embedding_without_length_is_no_identity() -> None:
    recognizer = families.omokage_recognizer(
        _open(tiny_models.recognizer(tiny_models.EMBEDDING, bias=0))
    )
    with pytest.raises(EngineError, match="no identity"):
        recognizer.embed(_grey(112, 0))


def test_templates_lie_where_they_are_published() -> None:
    np.testing.assert_allclose(templates.arcface(112)[0], (38.2946, 51.6963), atol=1e-4)
    np.testing.assert_allclose(templates.arcface(224), templates.arcface(112) * 2, atol=1e-4)
    np.testing.assert_allclose(templates.arcface(128)[0], (46.2946, 51.6963), atol=1e-4)
    np.testing.assert_allclose(templates.omokage(128), templates.arcface(112) + 8, atol=1e-4)
    np.testing.assert_allclose(templates.simswap(256)[2], np.array((56, 68.493)) * 256 / 112)
    np.testing.assert_allclose(templates.ffhq(512)[0], (192.98138, 239.94708), atol=1e-3)
    with pytest.raises(ValueError, match="read-only"):
        templates.arcface(112)[0] = 0
