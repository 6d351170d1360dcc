"""The entry point: one sentence for every failure, the right status, no traceback."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import __version__
from app.__main__ import main
from app.cli import doctor
from app.cli.arguments import build_parser
from app.cli.options import BASES, ENGINES, FACES, MASKS, settings_from
from app.errors import PictureError, SettingsError
from app.provenance.consent import Basis
from app.settings import Settings, fields_of, with_value


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], int]:
    """Runs ``main`` with a sub-command that does what it is given."""

    def run_it(action: Callable[[], int]) -> int:
        monkeypatch.setattr(doctor, "run", lambda arguments: action())
        return main(["doctor"])

    return run_it


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["swap", "--help"]])
def test_help_and_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 0
    assert (__version__ if words == ["--version"] else "usage: omokage") in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["dance"],
        ["swap"],
        ["swap", "a.png", "--source", "b"],
        ["swap", "a", "--source", "b", "--output", "c", "--color", "2"],
        ["swap", "a", "--source", "b", "--output", "c", "--consent", "maybe"],
        ["swap", "a", "--source", "b", "--output", "c", "--set", "mask"],
        ["run", "--frames", "0"],
        ["run", "--frames", "5"],
        ["run", "--record", "a.mp4"],
        ["bench", "--seconds", "-1"],
    ],
)
def test_wrong_use_is_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("omokage")
    assert error.endswith(' --help".\n')
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--scnee", "x"], "omokage run: there is no --scnee; the nearest is --scene."),
        (["run", "--qqq=1"], "omokage run: there is no --qqq."),
        (["run", "extra"], "omokage run: 'extra' is a word too many."),
        (["consent", "list", "--jsn"], "omokage consent list: there is no --jsn; the nearest is"),
    ],
)
def test_words_that_nobody_knows_are_told_by_the_command_they_were_meant_for(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().err.startswith(said)


def test_a_user_error_is_one_sentence(
    command: Callable[[Callable[[], int]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise PictureError("The picture is\nempty.", "Use another.")

    assert command(fail) == 1
    assert capsys.readouterr().err == "omokage: The picture is empty. Use another.\n"


def test_a_bug_is_one_sentence_and_its_details_are_logged(
    command: Callable[[Callable[[], int]], int], capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    def fail() -> int:
        raise ZeroDivisionError("oh\nno")

    assert command(fail) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "hit a bug: ZeroDivisionError: oh no" in error
    assert str(home / "omokage.log") in error
    assert "Traceback" in (home / "omokage.log").read_text()
    assert not any(type(h).__name__ == "LogFile" for h in logging.getLogger().handlers)


def test_a_bug_where_no_log_can_be_written(
    command: Callable[[Callable[[], int]], int], capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    home.write_text("a file where the folder should be")

    def fail() -> int:
        raise RuntimeError

    assert command(fail) == 1
    assert "no log can be written" in capsys.readouterr().err


def test_interrupt(
    command: Callable[[Callable[[], int]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise KeyboardInterrupt

    assert command(fail) == 130
    assert capsys.readouterr().err == "omokage: Stopped.\n"


def test_terminate_is_an_interrupt(command: Callable[[Callable[[], int]], int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def fail() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert command(fail) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_terminal_nothing_is_said(
    command: Callable[[Callable[[], int]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise SettingsError("It is gone.")

    for stream in ("stdout", "stderr"):  # as pythonw has it
        monkeypatch.setattr(sys, stream, None)
    assert command(lambda: 0) == 0
    assert command(fail) == 1


def test_status_passes(command: Callable[[Callable[[], int]], int]) -> None:
    assert command(lambda: 0) == 0
    assert command(lambda: 3) == 3


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    script = (
        "import sys; from app.cli import doctor; from app.__main__ import main\n"
        "doctor.run = lambda a: print('x' * 1_000_000) or 0\n"
        "sys.exit(main(['doctor']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


def test_python_m_app() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"omokage {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from app.cli.arguments import build_parser; build_parser()\n"
        "heavy = {'numpy', 'cv2', 'PIL', 'av', 'PySide6', 'onnxruntime'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_choices_are_those_of_the_settings() -> None:
    choices = {spec.path: spec.choices for spec in fields_of(Settings())}
    assert choices["mask.kind"] == MASKS
    assert choices["detector.faces"] == FACES
    assert choices["engine"] == ENGINES
    assert tuple(basis.value for basis in Basis) == BASES


def parsed(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["swap", "in", "--source", "x", "--output", "out", *words])


def test_options_become_settings() -> None:
    words = "--mask rectangle --faces all --color 0.3 --no-badge --mirror --swapper mine"
    pairs = ["mask.feather=0.2", "badge.position=top left", "detector.interval=3"]
    arguments = parsed(*words.split(), *[word for pair in pairs for word in ("--set", pair)])
    made = settings_from(arguments, Settings(mirror=False))
    assert (made.mask.kind, made.mask.feather) == ("rectangle", 0.2)
    assert (made.detector.faces, made.detector.interval) == ("all", 3)
    assert made.color.match == 0.3
    assert (made.badge.enabled, made.badge.position) == (False, "top left")
    assert made.outputs.mirror
    for words, path in ((["run"], "mirror"), (["run", "--headless"], "outputs.mirror")):
        turned = settings_from(build_parser().parse_args([*words, "--no-mirror"]), Settings())
        assert turned == with_value(Settings(), path, False)
    assert made.swapper == "mine"
    hands = settings_from(parsed("--occluder", "--keep", "mouth"), Settings()).mask
    assert (hands.occluder, hands.keep_mouth, hands.keep_eyes) == (True, True, False)
    assert settings_from(parsed("--keep", "eyes"), Settings()).mask.keep_eyes
    assert settings_from(parsed(), Settings(mirror=False)) == Settings(mirror=False)


def test_a_setting_that_does_not_fit() -> None:
    with pytest.raises(SettingsError, match="no setting"):
        settings_from(parsed("--set", "mask.colour=1"), Settings())
    with pytest.raises(SettingsError, match=r"expected 0\.0 to"):
        settings_from(parsed("--set", "mask.feather=7"), Settings())


def test_a_folder_that_refuses_is_no_bug(
    command: Callable[[Callable[[], int]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> int:
        raise PermissionError(13, "Permission denied", "/closed/clip.mp4")

    assert command(refused) == 1
    assert capsys.readouterr().err == (
        "omokage: /closed/clip.mp4 cannot be used (Permission denied).\n"
    )
