"""Scenes, own keys and the control in the window: click or press, then look at the session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.control.client import ControlClient
from app.control.performing import Performer
from app.control.server import ControlServer
from app.gui.hotkeys import LABELS, RESERVED
from app.gui.key_panel import KeyEdit
from app.gui.keys import KeysDialog
from app.gui.window import MainWindow
from app.hotkeys.chord import Chord, parse
from app.scenes import SceneBook
from app.session import State
from app.settings import KeySettings, Settings, with_value
from tests.gui.desk import Desk, OpenDesk


class Grabbed:
    """The system's keys: a test presses them; ``taken`` ones belong to others."""

    def __init__(self, *taken: str) -> None:
        self.taken = {parse(text) for text in taken}
        self.held: dict[Chord, Callable[[Chord], None]] = {}

    def grab(self, chords: Sequence[Chord], on_press: Callable[[Chord], None]) -> Grabbed._Hold:
        mine = [chord for chord in chords if chord not in self.taken]
        self.held.update(dict.fromkeys(mine, on_press))
        return self._Hold(self, {c: "another program has it" for c in chords if c in self.taken})

    def press(self, text: str) -> None:
        chord = parse(text)
        with ThreadPoolExecutor(1) as other_thread:  # as the real ones do
            other_thread.submit(self.held[chord], chord).result()

    class _Hold:
        def __init__(self, owner: Grabbed, refused: dict[Chord, str]) -> None:
            self.refused, self._owner = refused, owner

        def close(self) -> None:
            self._owner.held.clear()


def save_scene(desk: Desk, name: str, key: str = "") -> None:
    desk.window.commands.scenes._strip.save.click()
    dialog = desk.window.commands.scenes.dialog
    assert dialog is not None
    dialog.name.setText(name)
    dialog.key.setKeySequence(QKeySequence(key))
    dialog.save.click()


def chips(desk: Desk) -> dict[str, bool]:
    strip = desk.window.commands.scenes._strip
    return {name: button.isChecked() for name, button in strip.buttons.items()}


def face(desk: Desk) -> str:
    identity = desk.session.identity
    return identity.face_id if identity else ""


def test_a_scene_is_saved_shown_and_marked(desk: Desk, qtbot: QtBot) -> None:
    save_scene(desk, "Evening", "Ctrl+Alt+E")
    assert chips(desk) == {"Evening": True}
    desk.window.change("mask.feather", 0.2)
    desk.window.gallery.list.setCurrentIndex(desk.window.gallery.list.faces.index(2))
    qtbot.waitUntil(lambda: face(desk) == "chidi")
    assert chips(desk) == {"Evening": False}
    save_scene(desk, "Loud")
    desk.window.commands.scenes._strip.buttons["Evening"].click()
    qtbot.waitUntil(lambda: face(desk) == "aoi")
    assert desk.settings.mask.feather == Settings().mask.feather
    assert chips(desk) == {"Evening": True, "Loud": False}
    assert desk.window.gallery.list.currentIndex().data() == "Aoi"
    kept = SceneBook(desk.folder / "scenes.toml")
    assert [(s.name, s.faces, s.key) for s in kept.scenes] == [
        ("Evening", ("aoi",), "Ctrl+Alt+E"),
        ("Loud", ("chidi",), ""),
    ]
    assert desk.session.calls.count("start") == 1  # no restart


def test_a_scene_is_renamed_replaced_and_removed(desk: Desk, qtbot: QtBot) -> None:
    save_scene(desk, "Evening")
    scenes = desk.window.commands.scenes
    desk.window.change("mask.feather", 0.2)
    menu = scenes._strip.buttons["Evening"].build_menu()
    replace_it, name_it = menu.actions()[:2]
    replace_it.trigger()
    assert desk.window.commands.book.get("Evening").mask.feather == 0.2
    name_it.trigger()
    assert scenes.dialog is not None
    scenes.dialog.name.setText("Night")
    scenes.dialog.save.click()
    assert list(chips(desk)) == ["Night"]
    scenes.ask_to_remove("Night")
    assert scenes.question is not None
    button = next(b for b in scenes.question.buttons() if b.text() == "Remove")
    button.click()
    assert chips(desk) == {}


def test_a_name_or_key_that_is_taken_is_said_in_the_dialog(desk: Desk) -> None:
    save_scene(desk, "Evening", "Ctrl+Alt+E")
    save_scene(desk, "evening")
    dialog = desk.window.commands.scenes.dialog
    assert dialog is not None
    assert dialog.refusal.text().startswith("There is a scene Evening already.")
    dialog.name.setText("Night")
    for key, meaning in (
        ("Ctrl+Alt+E", "scene Evening"),
        ("Ctrl+V", "Ctrl+V of the window"),
        ("Ctrl+Shift+F9", "Hide the picture"),
    ):
        dialog.key.setKeySequence(QKeySequence(key))
        dialog.save.click()
        assert dialog.refusal.text() == f"{key} already means {meaning}. Choose another key."
    dialog.reject()
    assert list(chips(desk)) == ["Evening"]


def press(desk: Desk, key: Qt.Key, alt: bool = False) -> None:
    held = Qt.KeyboardModifier.ControlModifier
    held |= Qt.KeyboardModifier.AltModifier if alt else Qt.KeyboardModifier.ShiftModifier
    desk.window.activateWindow()  # off screen nobody does when a dialog goes
    QTest.keyClick(desk.window, key, held)


def test_the_keys_work_in_the_window(desk: Desk, qtbot: QtBot) -> None:
    save_scene(desk, "Evening", "Ctrl+Alt+E")
    press(desk, Qt.Key.Key_F10)
    qtbot.waitUntil(lambda: face(desk) == "bruno")
    press(desk, Qt.Key.Key_F8)
    assert not desk.settings.swap
    press(desk, Qt.Key.Key_F7)
    assert desk.settings.badge.position == "top left"
    press(desk, Qt.Key.Key_E, alt=True)
    qtbot.waitUntil(lambda: face(desk) == "aoi")
    assert desk.settings.badge.position == "bottom right"
    press(desk, Qt.Key.Key_F12)
    qtbot.waitUntil(lambda: desk.session.status().recording is not None)
    press(desk, Qt.Key.Key_F12)
    qtbot.waitUntil(lambda: desk.session.status().recording is None)
    press(desk, Qt.Key.Key_F9)
    assert desk.session.calls[-1] == "panic"
    assert "hidden" in desk.window.problems.sentence.text()


def key_page(window: MainWindow) -> KeysDialog:
    window.show_keys()
    page = window.findChild(KeysDialog)
    assert page is not None
    return page


def test_no_key_of_the_window_can_be_given_another_meaning(open_desk: OpenDesk) -> None:
    none = replace(KeySettings(), **dict.fromkeys(LABELS, ""))
    window = open_desk("C920", settings=replace(Settings(), keys=none)).window
    own = {shortcut.key().toString() for shortcut in window.findChildren(QShortcut)}
    assert own >= {"C", "Esc", "?"}
    assert {parse(key) for key in own - {"?"}} <= RESERVED.keys()  # no chord can be ?


def test_a_key_is_shown_whole(desk: Desk, qtbot: QtBot) -> None:
    desk.window.show_keys()
    edit = desk.window.findChild(KeyEdit)
    qtbot.waitUntil(edit.isVisible)
    line = edit.findChild(QLineEdit)
    text = line.fontMetrics().horizontalAdvance(line.text())
    assert line.text() == "Ctrl+Shift+F8"
    assert line.width() >= text + 40  # beside it padding and the button that clears


def test_a_key_is_changed_on_the_page_and_a_conflict_is_one_sentence(
    desk: Desk, qtbot: QtBot
) -> None:
    page = key_page(desk.window)
    panel = desk.window.commands._panel
    assert panel is not None
    panel.edits["swap"].setKeySequence(QKeySequence("Ctrl+F2"))
    assert desk.settings.keys.swap == "Ctrl+F2"
    QTest.keyClick(desk.window, Qt.Key.Key_F2, Qt.KeyboardModifier.ControlModifier)
    assert not desk.settings.swap
    panel.edits["record"].setKeySequence(QKeySequence("Ctrl+F2"))
    assert desk.window.problems.sentence.text() == (
        "Ctrl+F2 already means Swap on or off, so Record has no key."
    )
    panel.edits["record"].clear()
    assert desk.settings.keys.record == ""
    left = desk.window.problems.current  # that the swap is off, as the key before said
    assert left is not None
    assert left.topic == "real face"
    page.close()
    qtbot.waitUntil(lambda: desk.window.commands._panel is None)
    desk.window._keeper.save_now()
    assert desk.saved.keys == replace(KeySettings(), swap="Ctrl+F2", record="")


def with_grab(desk: Desk, grabbed: Grabbed) -> None:
    desk.window.commands.hotkeys._grab = grabbed.grab


def test_keys_of_the_whole_system(desk: Desk, qtbot: QtBot) -> None:
    grabbed = Grabbed("Ctrl+Shift+F12")
    with_grab(desk, grabbed)
    desk.window.change("keys.badge", "B")
    desk.window.change("keys.everywhere", True)
    told = desk.window.problems.sentence.text()
    assert "B works in this window alone: other programs need it" in told
    assert "Ctrl+Shift+F12 (Record) works in this window alone because another program" in told
    grabbed.press("Ctrl+Shift+F9")
    assert desk.session.calls[-1] == "panic"  # before the window's thread came to it
    grabbed.press("Ctrl+Shift+F10")
    qtbot.waitUntil(lambda: face(desk) == "bruno")
    QTest.keyClick(desk.window, Qt.Key.Key_B)
    assert desk.settings.badge.position == "top left"
    page = key_page(desk.window)
    panel = desk.window.commands._panel
    assert panel is not None
    panel.waiting.emit(True)
    assert not grabbed.held  # the next key is being chosen
    page.close()
    qtbot.waitUntil(lambda: bool(grabbed.held))
    desk.window.close()
    assert not grabbed.held


def test_where_no_key_can_be_taken_it_is_said(desk: Desk) -> None:
    desk.window.change("keys.everywhere", True)
    assert "work in this window alone" in desk.window.problems.sentence.text()
    press(desk, Qt.Key.Key_F8)
    assert not desk.settings.swap


@pytest.fixture
def controlled(desk: Desk) -> Iterator[Desk]:
    def opened(performer: Performer, port: int) -> ControlServer:
        return ControlServer(performer, "t" * 32, 0)

    services = desk.window.commands._services
    desk.window.commands._services = replace(services, open_control=opened)
    desk.window.change("control.enabled", True)
    yield desk
    desk.window.commands.close()


def test_another_program_controls_the_window(controlled: Desk, qtbot: QtBot) -> None:
    desk = controlled
    with ThreadPoolExecutor(1) as other, ControlClient(desk.window.commands.address) as client:

        def ask(**command: object) -> dict[str, object]:
            answer = other.submit(client.ask, command)
            qtbot.waitUntil(answer.done)
            return answer.result()

        ask(do="swap", on=False)
        assert not desk.window.swap_button.isChecked()
        ask(do="source", face="farah")
        assert desk.window.gallery.list.currentIndex().data() == "Farah"
        save_scene(desk, "Evening")
        ask(do="mask", feather=0.25)
        assert desk.window.controls.rows["mask.feather"].value.text() == "25 %"
        ask(do="scene", name="Evening")
        assert desk.settings.mask.feather == Settings().mask.feather
        state = ask(do="state")["state"]
        assert json.loads(json.dumps(state))["scene"] == "Evening"
        assert len(ask(do="sources")["sources"]) == 8  # type: ignore[arg-type]
        ask(do="record", on=True)
        qtbot.waitUntil(lambda: desk.session.status().recording is not None)
        ask(do="panic")
        assert "panic" in desk.session.calls
        ask(do="resume", confirm=True)
        assert not desk.session.status().panicked
        answer = other.submit(client.ask, {"do": "scene", "name": "Noon"})
        qtbot.waitUntil(answer.done)
        assert "There is no scene 'Noon'" in str(answer.exception())
    assert desk.session.status().state is State.RUNNING


def test_the_control_is_off_at_first_and_its_address_can_be_copied(
    controlled: Desk, qtbot: QtBot
) -> None:
    desk = controlled
    assert not Settings().control.enabled
    page = key_page(desk.window)
    panel = desk.window.commands._panel
    assert panel is not None
    assert "Listens on 127.0.0.1:" in panel.state.text()
    assert "token" not in panel.state.text()
    panel.control.click()
    assert desk.window.commands.server is None
    assert panel.state.text().startswith("Off.")
    page.close()


def test_the_scene_of_the_command_line_is_shown_first(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk("Camera")
    save_scene(first, "Evening")
    first.window.close()

    def prepare(desk: Desk) -> None:
        desk.window.commands._first_scene = "Evening"

    again = open_desk(
        "Camera",
        settings=with_value(with_value(Settings(), "source_face", "hana"), "mask.feather", 0.3),
        prepare=prepare,
    )
    qtbot.waitUntil(lambda: face(again) == "aoi")
    assert again.settings.mask == Settings().mask
