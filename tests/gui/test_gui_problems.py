"""The bar: one problem at a time, bugs of any thread, and the keyboard alone."""

from __future__ import annotations

import sys
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.gui.bridge import Bridge
from app.gui.crashes import reporting_to, sentence_for
from app.gui.keys import KeysDialog
from app.gui.problems import Offer, Problem, ProblemBar
from app.session import State
from app.stages.privacy import Showing
from tests.gui.desk import Desk


def test_one_topic_is_one_problem_and_the_newest_is_first(qtbot: QtBot) -> None:
    bar = ProblemBar()
    qtbot.addWidget(bar)
    for problem in (
        Problem("a", topic="x"),
        Problem("b", topic="y"),
        Problem("c", topic="x"),
        Problem("hint", calm=True),
    ):
        bar.add(problem)
    assert bar.current.sentence == "c"
    bar.dismiss()
    assert bar.current.sentence == "b"
    bar.settle("y")
    assert bar.current.sentence == "hint"
    bar.dismiss()
    assert bar.current is None
    assert bar.isHidden()
    bar.dismiss()


def test_an_offer_takes_its_problem_away_first(qtbot: QtBot) -> None:
    bar = ProblemBar()
    qtbot.addWidget(bar)
    done = []
    bar.add(Problem("a", offers=(Offer("Retry", lambda: done.append(bar.current)),)))
    bar.buttons[0].click()
    assert done == [None]


def test_in_a_narrow_window_buttons_leave_the_words_their_width(qtbot: QtBot) -> None:
    room = QWidget()
    bar = ProblemBar()
    QVBoxLayout(room).addWidget(bar)
    qtbot.addWidget(room)
    bar.add(Problem("Many words. " * 8, offers=(Offer("Retry", bar.dismiss),)))

    def below(width: int) -> bool:
        room.resize(width, 300)
        room.show()
        QApplication.processEvents()
        words, button = bar.sentence.geometry(), bar.buttons[0].geometry()
        assert not words.intersects(button)
        return button.top() > words.bottom()

    assert [below(width) for width in (840, 480, 840)] == [False, True, False]


def test_a_key_dismisses(desk: Desk) -> None:
    desk.window.problems.add(Problem("a"))
    QTest.keyClick(desk.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert desk.window.problems.current is None


def test_escape_hides_the_picture_and_two_buttons_show_it_again(desk: Desk) -> None:
    bar = desk.window.problems
    QTest.keyClick(desk.window, Qt.Key.Key_Escape)
    assert desk.session.calls[-1] == "panic"
    desk.window.refresh()
    bar.buttons[0].click()
    assert "resume" not in desk.session.calls
    bar.buttons[1].click()
    assert desk.session.calls[-1] == "panic"
    bar.buttons[0].click()
    bar.buttons[0].click()
    assert desk.session.calls[-1] == "resume"
    assert bar.current is None
    assert not desk.session.status().panicked


@pytest.mark.parametrize("showing", list(Showing))
def test_the_status_line_says_what_is_shown(desk: Desk, showing: Showing) -> None:
    desk.session.set_status(state=State.RUNNING, showing=showing)
    desk.window.refresh()
    words = {"live": "Live", "held": "Held", "blurred": "Blurred", "slate": "Hidden"}
    assert desk.window.status_line.state.text() == f"● {words.get(showing.value, 'Real face')}"


def test_a_crash_in_the_sessions_work_is_a_sentence(desk: Desk, qtbot: QtBot) -> None:
    desk.session.bug = RuntimeError("no such stage")
    desk.window.source_desk.open("demo")
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    sentence = desk.window.problems.sentence.text()
    assert sentence == "Omokage hit a bug (RuntimeError: no such stage)."
    desk.session.bug = None
    desk.window.problems.buttons[0].click()
    qtbot.waitUntil(lambda: desk.session.status().state is State.RUNNING)
    desk.session.bug = RuntimeError("again")
    desk.window.source_desk.open("demo")
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)


def test_uncaught_exceptions_of_threads_and_slots_reach_the_bridge_once(qtbot: QtBot) -> None:
    bridge = Bridge()
    told: list[str] = []
    bridge.crashed.connect(told.append)
    hooks = sys.excepthook, threading.excepthook
    with reporting_to(bridge):
        threads = [threading.Thread(target=lambda: 1 / 0) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
        error = ValueError("two\nlines")
        sys.excepthook(ValueError, error, None)
        qtbot.waitUntil(lambda: told != [])
        bridge.answered("crashed")
        sys.excepthook(ValueError, error, None)
    assert told == [
        "Omokage hit a bug (ZeroDivisionError: division by zero).",
        "Omokage hit a bug (ValueError: two lines).",
    ]
    assert (sys.excepthook, threading.excepthook) == hooks


def test_ctrl_c_closes_the_window(desk: Desk, qtbot: QtBot) -> None:
    with reporting_to(desk.bridge):
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    qtbot.waitUntil(lambda: not desk.window.isVisible())


def test_a_bug_without_words_is_named() -> None:
    assert sentence_for(KeyError()) == "Omokage hit a bug (KeyError)."


def test_space_toggles_the_swap_wherever_no_control_wants_it(desk: Desk) -> None:
    for widget in (desk.window, desk.window.gallery.list, desk.window.preview):
        before = desk.settings.swap
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_Space)
        assert desk.settings.swap is not before
    before = desk.settings
    desk.window.transport.mirror.setFocus()
    QTest.keyClick(desk.window.transport.mirror, Qt.Key.Key_Space)
    assert (desk.settings.swap, desk.settings.mirror) == (before.swap, not before.mirror)


def test_tab_reaches_every_control_and_each_has_a_name(desk: Desk) -> None:
    window = desk.window
    start = window.gallery.list
    start.setFocus()
    reached: list[QWidget] = []
    for _ in range(80):
        QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        widget = QApplication.focusWidget()
        reached.append(widget)
        if widget is start:
            break
    assert start in reached
    wanted = [
        widget
        for kind in (QAbstractButton, QSlider, QComboBox)
        for widget in window.findChildren(kind)
        if widget.isVisibleTo(window) and widget.isEnabled()
    ]
    missing = [widget.accessibleName() for widget in wanted if widget not in reached]
    assert missing == []
    assert window.preview in reached
    for widget in wanted:
        assert widget.accessibleName() or getattr(widget, "text", str)(), widget


def test_f1_and_the_question_mark_show_the_keys(desk: Desk) -> None:
    QTest.keyClick(desk.window, Qt.Key.Key_F1)
    page = desk.window.findChild(KeysDialog)
    assert page.isVisible()
    page.reject()
    QTest.keyClick(desk.window, Qt.Key.Key_Question)
    assert any(page.isVisible() for page in desk.window.findChildren(KeysDialog))
