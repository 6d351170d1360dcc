"""Commands on a real session without a window, and the two commands of the terminal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.cli.controlled import controlled
from app.control.client import ControlClient, running_address
from app.control.commands import Action, from_table
from app.control.headless import SessionPerformer
from app.errors import AppError
from app.faces import FaceLibrary
from app.paths import control_address_path, scenes_path
from app.pipeline import Pipeline
from app.scenes import SceneBook, scene_of
from app.session import Session, State
from app.settings import Settings, with_value
from app.timing import Timing
from tests.helpers.colour_engines import colour_engines, write_personas
from tests.helpers.fakes import StillSource

WAIT_S = 20


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def library(tmp_path: Path) -> FaceLibrary:
    return FaceLibrary(
        tmp_path / "faces", colour_engines(), personas=write_personas(tmp_path / "p")
    )


@pytest.fixture
def session() -> Iterator[Session]:
    timing = Timing()
    session = Session(Pipeline(colour_engines(), timing), timing, Settings())
    yield session
    session.close()


@pytest.fixture
def performer(session: Session, library: FaceLibrary, home: Path) -> Iterator[SessionPerformer]:
    book = SceneBook(scenes_path())
    book.put(scene_of("Evening", with_value(Settings(), "mask.feather", 0.2), ["mio"]))
    book.put(scene_of("Lost", Settings(), ["nobody"]))
    performer = SessionPerformer(session, library, book, home / "videos")
    yield performer
    performer.close()


def do(performer: SessionPerformer, **table: object) -> dict[str, object]:
    command = from_table(table)
    assert isinstance(command, Action)
    return performer.perform(command).result(WAIT_S)


def test_every_command_reaches_the_session(performer: SessionPerformer, session: Session) -> None:
    do(performer, do="scene", name="evening")
    assert session.settings.mask.feather == 0.2
    assert session.identity is not None
    assert session.identity.face_id == "mio"
    assert performer.report()["state"]["scene"] == "Evening"
    do(performer, do="mask", feather=0.1)
    assert performer.report()["state"]["scene"] is None
    do(performer, do="badge", position="next")
    assert session.settings.badge.position == "top left"
    do(performer, do="swap")
    assert not session.settings.swap
    do(performer, do="panic")
    assert session.status().panicked
    do(performer, do="resume", confirm=True)
    assert not session.status().panicked
    session.identity = None
    do(performer, do="next-source")
    assert session.identity is not None
    assert do(performer, do="sources") == {"sources": [{"id": "mio", "name": "Mio"}]}
    json.dumps([do(performer, do=what) for what in ("scenes", "state", "metrics")])


def test_what_cannot_be_is_a_sentence_and_changes_nothing(
    performer: SessionPerformer, session: Session
) -> None:
    before = session.settings, session.identity
    for table, words in (
        ({"do": "scene", "name": "Morning"}, "There is no scene 'Morning'. There are: Evening"),
        ({"do": "scene", "name": "Lost"}, "uses a face that is not there: nobody"),
        ({"do": "source", "face": "Nobody"}, "There is no face 'Nobody'. Known faces: Mio."),
        ({"do": "source", "face": "/etc/passwd"}, "There is no face '/etc/passwd'."),
    ):
        with pytest.raises(AppError) as refused:
            do(performer, **table)
        assert words in str(refused.value)
    assert (session.settings, session.identity) == before


def test_a_recording_is_started_and_finished(
    performer: SessionPerformer, session: Session, home: Path
) -> None:
    session.start(lambda: StillSource())
    running = threading.Event()
    while session.status().state is not State.RUNNING:
        running.wait(0.01)
    assert do(performer, do="record", on=False) == {}
    begun = do(performer, do="record")
    assert do(performer, do="record", on=True) == {}
    frames = session.status().timing.frames
    while session.status().timing.frames < frames + 10:
        running.wait(0.01)
    ended = do(performer, do="record")
    assert begun == ended
    assert Path(str(ended["file"])).stat().st_size > 0
    session.stop()


def test_the_terminal_controls_a_run(
    session: Session,
    library: FaceLibrary,
    performer: SessionPerformer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session.settings = with_value(
        with_value(session.settings, "control.enabled", True), "control.port", 0
    )
    with controlled(session, library):
        assert "token=" in capsys.readouterr().err
        assert main(["control", "scene", "Evening"]) == 0
        assert main(["control", "badge", "size=0.08", "position=next"]) == 0
        assert session.settings.badge.size == 0.08
        assert main(["control", "swap", "off"]) == 0
        assert not session.settings.swap
        capsys.readouterr()
        assert main(["control", "state", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["state"]["source"]["name"] == "Mio"
        assert main(["control", "scenes"]) == 0
        assert capsys.readouterr().out.split() == ["Evening", "Lost"]
        assert main(["control", "scene", "Noon"]) == 1
        assert "There is no scene 'Noon'" in capsys.readouterr().err
        with ControlClient(running_address(control_address_path())) as client:
            client.ask({"do": "panic"})
        assert session.status().panicked
    assert main(["control", "panic"]) == 1
    assert "No Omokage with control is running" in capsys.readouterr().err


def test_scenes_are_listed_and_removed(
    performer: SessionPerformer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenes"]) == 0
    assert "Evening  mio  hull" in capsys.readouterr().out
    assert main(["scenes", "remove", "lost"]) == 0
    assert main(["scenes", "list", "--json"]) == 0
    assert [scene["name"] for scene in json.loads(capsys.readouterr().out)] == ["Evening"]
    assert main(["scenes", "remove", "lost"]) == 1
