"""A generator the user brings: it is taken whole, or refused with a sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engines.adding import Candidate, add_model
from engines.errors import EngineError
from engines.manifest import FAMILIES, ModelStore
from engines.onnx_file import last_square_matrix
from tests.fuzz.mutations import FUZZ, NASTY, damaged
from tests.helpers import tiny_models
from tests.helpers.sentences import one_sentence

EMAP = np.eye(512, dtype=np.float32)
MODELS = [
    tiny_models.inswapper(EMAP),
    tiny_models.embedding_swapper(32),
    tiny_models.blendface(),
    tiny_models.detector(),
]
WORDS = (*NASTY, b"target", b"source", b"\x08\x00", b"\x12\xff\xff\xff\xff\x0f", b"\x0a\x00")


@FUZZ
@given(
    damaged(MODELS, words=WORDS),
    st.sampled_from([None, *FAMILIES]),
    st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["../up", "omokage", ".", "a\0b"])),
)
def test_models(data: bytes, family: str | None, name: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, user = Path(folder) / "mine.onnx", Path(folder) / "models"
        file.write_bytes(data)
        try:
            card = add_model(Candidate(file, family=family, name=name), ModelStore(user=user))
        except EngineError as error:
            one_sentence(str(error))
            assert not user.exists() or not list(user.iterdir())
            return
        assert card.generator.read() == data


@FUZZ
@given(damaged(MODELS, words=WORDS))
def test_weights(data: bytes) -> None:
    try:
        found = last_square_matrix(data, 512)
    except EngineError as error:
        one_sentence(str(error))
        return
    assert found is None or found.shape == (512, 512)
