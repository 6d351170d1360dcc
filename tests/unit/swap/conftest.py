"""``omokage swap`` in-process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from app import faces
from app.__main__ import main
from engines import loading
from tests.helpers.colour_engines import colour_engines, write_personas
from tests.helpers.swap_files import Swap


@pytest.fixture
def swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swap:
    """Runs ``swap`` in-process with drawn faces and the persona Mio."""
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(loading, "load_engines", lambda *_, **__: colour_engines())
    personas = write_personas(tmp_path / "personas")
    made = faces.FaceLibrary
    monkeypatch.setattr(
        faces, "FaceLibrary", lambda folder, engines: made(folder, engines, personas=personas)
    )

    def run_it(source: Path, target: Path, *words: str, face: Sequence[str] = ("mio",)) -> int:
        return main(["swap", str(source), "--source", *face, "--output", str(target), *words])

    return run_it
