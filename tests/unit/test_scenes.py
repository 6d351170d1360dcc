"""Scenes: kept whole, refused in a sentence, shown between two frames."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SettingsError
from app.scenes import LONGEST_NAME, Scene, SceneBook, _scene, scene_of, tidy_name
from app.session import Session
from app.settings import Settings, with_value
from app.stages.identity import Identity
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource

EVENING = scene_of("Evening", with_value(Settings(), "mask.feather", 0.2), ["aoi"], "ctrl+alt+e")
TWO = scene_of("Two", with_value(Settings(), "badge.position", "top left"), ["aoi", "bruno"])


@pytest.fixture
def book(tmp_path: Path) -> SceneBook:
    return SceneBook(tmp_path / "data" / "scenes.toml")


def test_scenes_are_read_as_they_were_kept(book: SceneBook, tmp_path: Path) -> None:
    book.put(EVENING)
    book.put(TWO)
    again = SceneBook(tmp_path / "data" / "scenes.toml")
    assert again.scenes == (EVENING, TWO)
    assert again.problems == ()
    assert EVENING.key == "Ctrl+Alt+E"


def test_a_scene_holds_the_look_and_nothing_else() -> None:
    settings = with_value(with_value(Settings(), "mirror", False), "detector.interval", 9)
    shown = EVENING.applied_to(settings)
    assert (shown.mask.feather, shown.source_face) == (0.2, "aoi")
    assert (shown.mirror, shown.detector.interval) == (False, 9)
    assert EVENING.shown_by(shown, "aoi")
    assert not EVENING.shown_by(shown, "bruno")
    assert not EVENING.shown_by(with_value(shown, "color.match", 0.1), "aoi")
    assert TWO.shown_by(TWO.applied_to(settings), "aoi+bruno")


def test_a_scene_holds_who_gets_which_face(book: SceneBook, tmp_path: Path) -> None:
    settings = with_value(
        with_value(Settings(), "detector.faces", "each"), "further_faces", "b c+d"
    )
    both = scene_of("Both", settings, ["aoi"])
    assert both.further == ("b", "c+d")
    assert scene_of("One", with_value(settings, "detector.faces", "all"), ["aoi"]).further == ()
    book.put(both)
    assert SceneBook(tmp_path / "data" / "scenes.toml").scenes == (both,)
    shown = both.applied_to(Settings())
    assert (shown.detector.faces, shown.further_faces) == ("each", "b c+d")
    assert both.shown_by(shown, "aoi")
    assert not both.shown_by(with_value(shown, "further_faces", "b"), "aoi")
    alone = EVENING.applied_to(shown)
    assert (alone.detector.faces, alone.further_faces) == ("largest", "")
    me = both.applied_to(with_value(Settings(), "detector.faces", "me"))
    assert EVENING.applied_to(both.applied_to(me)).detector.faces == "me"
    with pytest.raises(SettingsError, match="further people"):
        Scene("Odd", ("aoi",), further=("with space",))


def test_names_and_keys_belong_to_one_scene(book: SceneBook) -> None:
    book.put(EVENING)
    with pytest.raises(SettingsError, match="a scene Evening already"):
        book.put(scene_of("EVENING", Settings(), ["aoi"]))
    with pytest.raises(SettingsError, match=r"Ctrl\+Alt\+E belongs to scene Evening"):
        book.put(scene_of("Night", Settings(), ["aoi"], "Alt+Ctrl+E"))
    book.put(scene_of("Night", Settings(), ["bruno"]), instead_of="Evening")
    assert [scene.name for scene in book.scenes] == ["Night"]


def test_next_goes_round(book: SceneBook) -> None:
    with pytest.raises(SettingsError, match="no scene yet"):
        book.after(None)
    book.put(EVENING)
    book.put(TWO)
    assert book.after(None) == EVENING
    assert book.after("Evening") == TWO
    assert book.after("Two") == EVENING
    with pytest.raises(SettingsError, match="There are: Evening, Two"):
        book.get("Morning")


def test_a_failed_write_leaves_the_old_file_and_the_old_scenes(
    book: SceneBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.put(EVENING)
    path = tmp_path / "data" / "scenes.toml"
    before = path.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(SettingsError, match="No space left"):
        book.put(TWO)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert book.scenes == (EVENING,)


def test_what_is_damaged_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "scenes.toml"
    path.write_text(
        '[[scene]]\nname = "Good"\nfaces = ["aoi"]\n[scene.mask]\nfeather = 9.0\n'
        '[[scene]]\nname = "Nobody"\nfaces = []\n'
        '[[scene]]\nname = "Key"\nfaces = ["aoi"]\nkey = "Ctrl+Nonsense"\n'
    )
    book = SceneBook(path)
    assert [scene.name for scene in book.scenes] == ["Good"]
    assert book.scenes[0].mask == Settings().mask
    assert len(book.problems) == 3
    path.write_bytes(b"\xff[[scene")
    book = SceneBook(path)
    assert book.scenes == ()
    assert "scenes.toml.damaged" in book.problems[0]
    assert path.with_name("scenes.toml.damaged").exists()


@given(st.text())
def test_any_name_is_tidied_or_refused(name: str) -> None:
    tidy = tidy_name(name)
    assert len(tidy) <= LONGEST_NAME
    assert tidy == tidy_name(tidy)
    if tidy:
        assert Scene(tidy, ("aoi",)).name == tidy
    else:
        with pytest.raises(SettingsError):
            Scene(tidy, ("aoi",))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.floats()
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "faces", "mask", "kind", "key"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_table_is_a_scene_or_a_sentence(value: object) -> None:
    scene, sentence = None, ""
    try:
        scene, _ = _scene(value)
    except SettingsError as error:
        sentence = str(error)
    assert scene.faces if scene else sentence


def test_switching_drops_no_frame_and_tears_no_look() -> None:
    """Every frame is processed once, in order, with the face that belongs to its settings."""
    frames = 400
    looks = [
        (scene.applied_to(Settings()), Identity(scene.name, scene.name, None, None))  # type: ignore[arg-type]
        for scene in (EVENING, TWO)
    ]
    pipeline, over = FakePipeline(), threading.Event()
    session = Session(pipeline, Timing(), looks[0][0], on_change=lambda: None)  # type: ignore[arg-type]
    session.identity = looks[0][1]

    def switch() -> None:
        while not over.is_set():
            for look in looks:
                session.change_look(*look)
                over.wait(0.0003)

    switching = threading.Thread(target=switch)
    switching.start()
    try:
        session.start(lambda: StillSource(count=frames), pace_loss=False)
        run = session._run
        assert run is not None
        assert run._processing.join(60)
    finally:
        over.set()
        switching.join()
        session.close()
    assert [index for index, _, _ in pipeline.seen] == list(range(frames))
    names = {
        (settings.source_face, settings.badge.position, identity.name)  # type: ignore[attr-defined]
        for _, settings, identity in pipeline.seen
    }
    assert names == {("aoi", "bottom right", "Evening"), ("aoi", "top left", "Two")}
