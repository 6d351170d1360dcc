"""The faces that engines are compared on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.stages.align import align
from engines import specimens
from engines.backend import Backend
from engines.errors import EngineError
from engines.loading import WARM, assemble
from engines.manifest import OWN_SWAPPER, ModelFile, ModelStore
from engines.runtimes import REFERENCE, named
from engines.templates import arcface, ffhq, omokage, simswap


def test_every_network_gets_inputs_and_the_scenes_have_faces() -> None:
    tapes: dict[str, specimens.Tape] = {}

    def take(role: str, file: ModelFile) -> tuple[Backend, bytes]:
        data = file.read()
        tapes[role] = specimens.Tape(named(REFERENCE).open(data, role, WARM.get(role, ({},))))
        return tapes[role], data

    networks = assemble(ModelStore(), OWN_SWAPPER, take)
    faces = specimens.squares()[:2]
    specimens.feed(networks, faces)
    for tape in tapes.values():
        tape.close()
    assert {"detector", "swapper", "swapper_identity", "recognizer"} <= set(tapes)
    assert len(tapes["swapper"].inputs_seen) == len(faces)
    sizes = {tensors["input"].shape[2:] for tensors in tapes["detector"].inputs_seen}
    assert sizes == {(192, 320), (160, 160)}  # found in the whole, then followed


@pytest.mark.parametrize(
    ("template", "size"),
    [(arcface(112), 112), (omokage(128), 128), (simswap(224), 224), (ffhq(256), 256)],
)
def test_a_crop_is_what_the_live_alignment_gives(template: np.ndarray, size: int) -> None:
    square = specimens.squares()[0]
    live = align(square, specimens.LANDMARKS, template, size).pixels
    made = specimens.crop(square, template, size)
    assert made.shape == live.shape
    assert np.abs(made.astype(int) - live).mean() < 4  # the live one is softened where it shrinks


def test_without_personas_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no personas"):
        specimens.squares(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(EngineError, match=r"a\.png is no picture"):
        specimens.squares(tmp_path)
