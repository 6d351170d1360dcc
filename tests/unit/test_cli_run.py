"""``omokage run --headless`` and what refuses the window."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import faces
from app.__main__ import main
from app.cli import headless, windowed
from app.cli.arguments import build_parser
from app.cli.options import settings_from
from app.cli.outputs import demanded
from app.control.client import ControlClient, running_address
from app.errors import AppError, SinkError
from app.paths import control_address_path
from app.settings import OutputSettings, Settings, with_value
from app.sinks import outputs
from app.sinks.port import Format
from engines import loading
from tests.helpers.colour_engines import colour_engines, picture_of, write_personas
from tests.helpers.fakes import StillSource
from tests.helpers.ports import FakePort

Run = Callable[..., int]


def with_face() -> np.ndarray:
    pixels = np.full((240, 320, 3), 90, np.uint8)
    pixels[60:160, 100:200] = (0, 0, 255)
    return pixels


@pytest.fixture
def source() -> StillSource:
    return StillSource(with_face())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: StillSource) -> Run:
    """Runs ``run --headless`` in-process on ``source``."""
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(headless, "load_engines", lambda *_, **__: colour_engines())
    monkeypatch.setattr(headless, "open_source", lambda *_, **__: source)
    personas = write_personas(tmp_path / "personas")
    monkeypatch.setattr(
        headless,
        "FaceLibrary",
        lambda folder, engines: faces.FaceLibrary(folder, engines, personas=personas),
    )
    return lambda *words: main(["run", "--headless", *words])


def test_it_stops_after_so_many_frames(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--frames", "7", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 7
    assert figures["state"] == "ended"
    assert figures["resolution"] == "320x240"
    assert set(figures["latency_ms"]) == {"p50", "p95", "p99"}
    assert figures["recording"] is None


def test_it_records(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.mp4"
    assert run("--frames", "9", "--record", str(target)) == 0
    assert str(target) in capsys.readouterr().out
    assert target.stat().st_size > 0
    assert list(tmp_path.glob("*.part*")) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--source", "mio"),
        ("--mask", "hull"),
        ("--occluder",),
        ("--color", "0"),
        ("--no-badge",),
    ],
)
def test_a_scene_and_what_it_would_silently_win_over(
    run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("--scene", "evening", *words)
    assert f"leave {words[0]} or --scene out" in capsys.readouterr().err


def test_a_recording_never_replaces_a_file(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"the only one")
    assert run("--camera", str(clip), "--frames", "3", "--record", str(clip)) == 1
    assert "a file" in capsys.readouterr().err
    assert clip.read_bytes() == b"the only one"


def test_a_source_that_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = StillSource(with_face(), fail_after=3)
    monkeypatch.setattr(headless, "open_source", lambda *_, **__: failing)
    assert run() == 1
    assert capsys.readouterr().err == "omokage: The fake source stopped on purpose.\n"


def test_a_bug_in_a_thread_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = StillSource(with_face(), fail_after=3, error=ZeroDivisionError("oh"))
    monkeypatch.setattr(headless, "open_source", lambda *_, **__: failing)
    assert run() == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error
    assert error.count("\n") == 1


def test_a_recording_that_cannot_begin(
    run: Run, tmp_path: Path, source: StillSource, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--record", str(tmp_path / "none" / "out.mp4")) == 1
    assert "no folder" in capsys.readouterr().err
    assert run("--record", str(tmp_path / "out.avi")) == 1
    assert source.reads == 0


def test_interrupt_ends_a_recording_in_order(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(status: headless.SessionStatus, building: headless.BuildStatus) -> None:
        if status.timing.frames > 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(headless, "LOOK_S", 0.02)
    monkeypatch.setattr(headless, "_status_line", interrupt)
    assert run("--record", str(tmp_path / "out.mp4")) == 0
    assert (tmp_path / "out.mp4").stat().st_size > 0


def test_another_program_may_finish_the_recording(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames: list[int] = []  # when it was finished

    def told(status: headless.SessionStatus, building: headless.BuildStatus) -> None:
        done = status.timing.frames
        if done > 3 and not frames:
            with ControlClient(running_address(control_address_path())) as client:
                client.ask({"do": "record", "on": False})
            frames.append(done)
        if frames and done > frames[0] + 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(headless, "LOOK_S", 0.02)
    monkeypatch.setattr(headless, "_status_line", told)
    assert run("--record", str(tmp_path / "out.mp4"), "--control", "0", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["recording"] == str(tmp_path / "out.mp4")
    assert figures["frames"] > frames[0] + 3


def test_the_last_used_face_is_used_again(run: Run, tmp_path: Path) -> None:
    library = faces.FaceLibrary(tmp_path / "none", colour_engines(), personas=tmp_path / "personas")
    arguments = type("Arguments", (), {"source": None})()
    chosen = headless.chosen_identity(library, arguments, headless.Settings(source_face="mio"))
    assert chosen.face_id == "mio"
    empty = faces.FaceLibrary(tmp_path / "none", colour_engines(), personas=tmp_path / "none")
    with pytest.raises(AppError, match="no source face"):
        headless.chosen_identity(empty, arguments, headless.Settings())


def test_a_live_output_that_cannot_be_opened_fails_the_run(
    run: Run,
    source: StillSource,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def missing(settings: OutputSettings, form: Format) -> FakePort:
        raise SinkError(f"There is no {settings.camera_name or 'camera'}.", "Run: make one")

    monkeypatch.setitem(outputs.OPENERS, outputs.VIRTUAL_CAMERA, missing)
    for words, name in (([], "camera"), (["/dev/video7"], "/dev/video7")):
        assert run("--virtual-camera", *words) == 1
        assert capsys.readouterr().err == f"omokage: There is no {name}. Run: make one\n"
    assert source.reads == 0


def test_live_outputs_are_announced_and_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(outputs.OPENERS, outputs.WEB_PAGE, lambda settings, form: FakePort(form))
    assert run("--web-page", "9123", "--frames", "30", "--json") == 0
    printed = capsys.readouterr()
    assert printed.err == "Web page: fake://\n"
    (output,) = json.loads(printed.out)["outputs"]
    assert output["kind"] == "Web page"
    assert output["problem"] == ""
    assert {"fps", "sent", "repeated", "dropped", "reopened", "viewers", "state"} <= set(output)
    assert set(output["latency_ms"]) == {"p50", "p95", "p99"}
    assert run("--web-page", "--frames", "3") == 0
    assert "fake: " in capsys.readouterr().out


def test_the_options_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    words = ["--virtual-camera", "Omokage", "--web-page", "0", "--pipewire"]
    arguments = build_parser().parse_args(["run", *words])
    chosen = settings_from(arguments, Settings()).outputs
    assert chosen == OutputSettings(
        virtual_camera=True, camera_name="Omokage", web_page=True, web_port=0, pipewire=True
    )
    plain = build_parser().parse_args(["run", "--virtual-camera", "--web-page"])
    assert settings_from(plain, Settings()).outputs == OutputSettings(
        virtual_camera=True, web_page=True
    )
    assert demanded(plain) == {outputs.VIRTUAL_CAMERA, outputs.WEB_PAGE}
    each = build_parser().parse_args(["run", "--faces", "each"])
    mine = with_value(Settings(), "detector.faces", "me")
    assert settings_from(each, mine).faces_before == "me"
    with pytest.raises(SystemExit):
        build_parser().parse_args(["run", "--web-page", "70000"])


@pytest.mark.parametrize("frames", ["1", "2", "8"])
def test_a_recorded_run_that_ends_says_so(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: str
) -> None:
    target = tmp_path / "out.mp4"
    assert run("--frames", frames, "--record", str(target), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["state"], figures["recording"]) == ("ended", str(target))


def test_damaged_settings_are_told_and_kept(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").write_text("mirror = ")
    assert run("--frames", "1") == 0
    assert "settings file was damaged" in capsys.readouterr().err
    assert (tmp_path / "home" / "settings.toml.damaged").exists()


def test_no_display_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 1
    assert "no display" in capsys.readouterr().err


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(windowed, "missing_libraries", lambda: ["libxcb-cursor.so.0"])
    with pytest.raises(AppError, match="apt install libxcb-cursor0"):
        windowed.check_screen()
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    windowed.check_screen()


def test_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(windowed, "missing_libraries", list)
    monkeypatch.setattr(windowed, "_answers", lambda: False)
    with pytest.raises(AppError, match="display :0 does not answer"):
        windowed.check_screen()


def test_a_swapper_that_is_gone_is_replaced_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(
        name: str = "omokage", *, engine: str = "auto", occluder: bool = True
    ) -> loading.Engines:
        if name != "omokage":
            raise loading.EngineError(f"There is no swapper {name!r}.")
        return colour_engines()

    monkeypatch.setattr(windowed, "load_engines", load)
    notes: list[str] = []
    windowed._engines(headless.Settings(swapper="gone"), notes)
    assert notes == ["There is no swapper 'gone'. The built-in swapper is used instead."]


def test_the_window_begins_with_the_named_face(tmp_path: Path) -> None:
    personas = write_personas(tmp_path / "personas")
    library = faces.FaceLibrary(tmp_path / "faces", colour_engines(), personas=personas)
    face = str(picture_of(tmp_path / "ana.png", (100, 100, 200)))

    def arguments(*words: str, consent: str | None = None) -> windowed.argparse.Namespace:
        return windowed.argparse.Namespace(
            source=words, consent=consent, person="", note="", scope="", expires=None
        )

    assert windowed._one_face(library, arguments("mio")).face_id == "mio"
    each = with_value(headless.Settings(), "detector.faces", "each")
    shared = windowed._with_sources(each, library, arguments("mio", "mio"))
    assert (shared.source_face, shared.further_faces) == ("mio", "mio")
    alone = windowed._with_sources(headless.Settings(), library, arguments("mio"))
    assert (alone.source_face, alone.further_faces) == ("mio", "")
    with pytest.raises(AppError, match="no consent record"):
        windowed._one_face(library, arguments(face))
    added = windowed._one_face(library, arguments(face, consent="own-face"))
    assert added.name == "ana"
    assert windowed._one_face(library, arguments(face)).face_id == added.face_id
    with pytest.raises(AppError, match="shows one face"):
        windowed._one_face(library, arguments("mio", face))


def test_the_window_gets_what_it_needs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.gui import application
    from app.gui.services import GuiServices
    from app.session import Session

    seen: list[Session] = []

    def show(
        make_session: application.MakeSession, library: faces.FaceLibrary, services: GuiServices
    ) -> int:
        seen.append(make_session(lambda: None, lambda: None))
        assert [face.name for face in library.list()] == ["Mio"]
        assert services.engine().engine == "none, CPU"
        assert services.settings_path == tmp_path / "home" / "settings.toml"
        return 0

    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(windowed, "load_engines", lambda *_, **__: colour_engines())
    monkeypatch.setattr(windowed, "FaceLibrary", headless.FaceLibrary)
    monkeypatch.setattr(application, "run_window", show)
    assert main(["run", "--camera", "demo", "--source", "mio", "--no-badge"]) == 0
    (session,) = seen
    assert session.settings.source_face == "mio"
    assert session.settings.capture.source == "demo"
    assert not session.settings.badge.enabled
