"""What the tests on an emulated device share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.device_scene import Scene, open_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Tiny networks on their own engines."""
    made = open_scene(tmp_path_factory.mktemp("models"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def tinting_is_swapping() -> Iterator[None]:
    """The tiny generator tints and keeps the structure, which a guarded pipeline would hide."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.stages.doubt.MOST_ALIKE", 1.1)
        patched.setattr("app.stages.doubt.LEAST_COVER", 0.0)
        yield
