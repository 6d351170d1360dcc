"""What a run without a window says while the picture runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.cli.late_networks import mishap_of
from app.cli.outputs import Announcer
from engines.errors import EngineError
from engines.occluder import Occluder
from engines.reserve import Reserve
from tests.helpers.fake_engines import fake_engines


def test_warnings_that_hold_together_are_said_once_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    announcer = Announcer()
    for _ in range(3):  # as often as the session is looked at
        announcer.warn("The consent has ended.")
        announcer.warn("No engine was built.")
        announcer.warn("")
    said = capsys.readouterr().err.splitlines()
    assert said == ["omokage: The consent has ended.", "omokage: No engine was built."]


def test_a_network_that_could_not_be_opened_later_is_told() -> None:
    def refuse() -> Occluder:
        raise EngineError("The file is damaged.")

    reserve = Reserve("occluder", refuse)
    engines = replace(fake_engines(), reserve=reserve)
    assert mishap_of(engines) == ""
    assert reserve.want() is None
    reserve.close()
    assert mishap_of(engines) == "Hands before the face are painted over: The file is damaged."
