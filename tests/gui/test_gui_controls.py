"""Each control changes its one setting, for the session at once and on disk soon after."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QSlider
from pytestqt.qtbot import QtBot

from app.gui.controls import GROUPS, shown_value
from app.gui.switch import Switch
from app.settings import Settings, fields_of, get_value, with_value
from tests.gui.desk import Desk, OpenDesk

SPECS = [spec for spec in fields_of(Settings()) if spec.path.split(".")[0] in GROUPS]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.path)
def test_every_setting_has_a_control_that_reaches_the_session(desk: Desk, spec) -> None:
    row = desk.window.controls.rows[spec.path]
    editor = row.editor
    assert editor.accessibleName()
    assert editor.accessibleDescription() == spec.help
    if isinstance(editor, QSlider):
        editor.setValue(0)
        assert get_value(desk.settings, spec.path) == spec.limits[0]
        editor.setValue(editor.maximum())
        assert get_value(desk.settings, spec.path) == spec.limits[1]
    elif isinstance(editor, QComboBox):
        other = next(choice for choice in spec.choices if choice != spec.default)
        editor.setCurrentIndex(editor.findData(other))
        assert get_value(desk.settings, spec.path) == other
    else:
        assert isinstance(editor, Switch)
        editor.click()
        assert get_value(desk.settings, spec.path) is (not spec.default)
    assert not row.reset.isHidden()
    row.reset.click()
    assert get_value(desk.settings, spec.path) == spec.default
    assert row.reset.isHidden()


def test_a_double_click_on_the_name_resets(desk: Desk, qtbot: QtBot) -> None:
    row = desk.window.controls.rows["mask.feather"]
    row.editor.setValue(0)
    qtbot.mouseDClick(row.label, Qt.MouseButton.LeftButton)
    assert desk.settings.mask.feather == Settings().mask.feather
    assert row.value.text() == f"{Settings().mask.feather:.0%}".replace("%", " %")


def test_a_slider_moves_by_its_step_with_the_arrow_keys(desk: Desk) -> None:
    row = desk.window.controls.rows["badge.size"]
    row.editor.setFocus()
    QTest.keyClick(row.editor, Qt.Key.Key_Right)
    assert desk.settings.badge.size == 0.055
    assert row.value.text() == "5.5 %"


def test_numbers_read_as_a_person_reads_them() -> None:
    specs = {spec.path: spec for spec in SPECS}
    assert shown_value(specs["mask.top"], 0.06) == "6 %"
    assert shown_value(specs["badge.size"], 0.05) == "5.0 %"
    assert shown_value(specs["detector.interval"], 5) == "5"


def test_swap_and_mirror_are_buttons(desk: Desk, qtbot: QtBot) -> None:
    qtbot.mouseClick(desk.window.swap_button, Qt.MouseButton.LeftButton)
    assert desk.settings.swap is False
    assert desk.window.swap_button.text() == "Swap is off"
    qtbot.mouseClick(desk.window.transport.mirror, Qt.MouseButton.LeftButton)
    assert desk.settings.mirror is False


def test_your_own_mouth_is_kept_by_a_switch(desk: Desk) -> None:
    row = desk.window.controls.rows["mask.keep_mouth"]
    assert desk.settings.mask.keep_mouth is False
    row.editor.click()
    assert desk.settings.mask.keep_mouth is True
    row.reset.click()
    assert desk.settings.mask.keep_mouth is False


def test_a_setting_without_effect_cannot_be_changed_and_says_why(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk("Logitech C920", unavailable={"mask.occluder": "The model is missing."})
    row = desk.window.controls.rows["mask.occluder"]
    row.editor.click()
    assert desk.settings.mask.occluder is False
    assert not row.editor.isEnabled()
    assert row.editor.toolTip() == row.label.toolTip() == "The model is missing."
    assert desk.window.controls.rows["mask.top"].editor.isEnabled()


def test_what_the_command_line_chose_holds_for_that_run_alone(
    open_desk: OpenDesk, qtbot: QtBot
) -> None:
    kept = with_value(Settings(), "detector.faces", "all")
    run = with_value(with_value(kept, "engine", "onnx"), "detector.faces", "centre")
    desk = open_desk("Logitech C920", settings=run, kept_settings=kept)
    desk.window.transport.mirror.click()
    qtbot.waitUntil(lambda: desk.saved.mirror is False)
    assert (desk.saved.engine, desk.saved.detector.faces) == ("auto", "all")
    assert (desk.settings.engine, desk.settings.detector.faces) == ("onnx", "centre")
    desk.window.change("detector.faces", "largest")
    qtbot.waitUntil(lambda: desk.saved.detector.faces == "largest")
    desk.window.change("detector.faces", "centre")  # now by the user's own hand
    qtbot.waitUntil(lambda: desk.saved.detector.faces == "centre")
    assert desk.saved.engine == "auto"


def test_others_are_mirrored_by_a_switch_of_its_own(desk: Desk) -> None:
    assert (desk.settings.mirror, desk.settings.outputs.mirror) == (True, False)
    desk.window.output_panel.mirror.click()
    assert (desk.settings.mirror, desk.settings.outputs.mirror) == (True, True)


def test_settings_are_saved_soon_and_survive_a_restart(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk("Logitech C920")
    first.window.controls.rows["mask.feather"].editor.setValue(0)
    first.window.transport.mirror.click()
    qtbot.waitUntil(lambda: first.saved.mask.feather == 0.0)  # without closing: as after a crash
    assert first.saved.mirror is False
    second = open_desk("Logitech C920")
    assert second.window.controls.rows["mask.feather"].value.text() == "0 %"
    assert not second.window.transport.mirror.isChecked()


def test_settings_are_saved_at_the_end(desk: Desk) -> None:
    desk.window.change("color.match", 0.25)
    desk.window.close()
    assert desk.saved.color.match == 0.25


def test_settings_that_cannot_be_saved_keep_the_window_open_once(desk: Desk) -> None:
    blocked = desk.folder / "settings.toml"
    blocked.unlink(missing_ok=True)
    blocked.mkdir()
    desk.window.change("color.match", 0.25)
    desk.window.close()
    assert desk.window.isVisible()
    desk.window.problems.buttons[1].click()
    assert not desk.window.isVisible()


def test_settings_that_cannot_be_saved_are_kept_and_said(desk: Desk, qtbot: QtBot) -> None:
    blocked = desk.folder / "settings.toml"
    blocked.unlink(missing_ok=True)
    blocked.mkdir()
    desk.window.change("color.match", 0.25)
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert "cannot be saved" in desk.window.problems.sentence.text()
    assert desk.settings.color.match == 0.25
    blocked.rmdir()
    desk.window.problems.buttons[0].click()
    assert desk.window.problems.current is None
    assert desk.saved.color.match == 0.25


def test_the_window_comes_back_where_it_was(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk(size=(840, 620))  # the off-screen platform's screen is small
    qtbot.waitUntil(lambda: (first.folder / "window.ini").exists())
    second = open_desk()
    assert (second.window.width(), second.window.height()) == (840, 620)


@pytest.mark.parametrize("text", ["", "[General]\ngeometry=nonsense\n", "\0\0\0"])
def test_a_damaged_window_file_changes_nothing(open_desk: OpenDesk, tmp_path, text: str) -> None:
    (tmp_path / "window.ini").write_text(text)
    desk = open_desk()
    # At first no larger than the screen (800 x 800), as far as the least size allows.
    assert (desk.window.width(), desk.window.height()) == (840, 760)
