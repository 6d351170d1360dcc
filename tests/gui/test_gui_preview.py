"""What is drawn: letterboxing, the wipe, the divider, hints; pixels never pass through a signal."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.frame import Pixels
from app.gui.drawing import fitted, image_of, mirrored
from app.provenance.badge import draw_badge, place_badge
from app.settings import BadgeSettings
from app.stages.privacy import Showing
from tests.gui.desk import Desk
from tests.gui.fakes import picture, processed


def colour_at(desk: Desk, share_x: float, share_y: float = 0.5) -> int:
    """The grey drawn at a place of the picture."""
    rect = desk.window.preview.picture_rect()
    spot = QPoint(
        rect.left() + int(share_x * rect.width()), rect.top() + int(share_y * rect.height())
    )
    return QColor(desk.window.preview.grab().toImage().pixel(spot)).red()


def show(desk: Desk, qtbot: QtBot, after: int = 200, before: int = 40, faces: int = 1) -> None:
    desk.session.feed(processed(picture(after), picture(before), faces=faces))
    qtbot.waitUntil(lambda: desk.window.preview.message is None)


@pytest.mark.parametrize(
    ("size", "room", "expected"),
    [
        (QSize(1280, 720), QRect(0, 0, 640, 640), QRect(0, 140, 640, 360)),
        (QSize(720, 1280), QRect(10, 0, 640, 640), QRect(150, 0, 360, 640)),
        (QSize(1, 5000), QRect(0, 0, 50, 50), QRect(24, 0, 1, 50)),
    ],
)
def test_fitted(size: QSize, room: QRect, expected: QRect) -> None:
    assert fitted(size, room) == expected


@pytest.mark.parametrize("size", [(7, 5), (3, 3), (16, 9), (1, 1)])
def test_image_of_keeps_the_channels(size: tuple[int, int]) -> None:
    pixels = np.zeros((9, 16, 3), np.uint8)
    pixels[...] = (10, 20, 30)  # BGR
    image = image_of(pixels, *size)
    assert (image.width(), image.height()) == size
    assert QColor(image.pixel(0, 0)).getRgb()[:3] == (30, 20, 10)


def halves() -> Pixels:
    """Dark at the left, bright at the right."""
    pixels = picture(20).copy()
    pixels[:, pixels.shape[1] // 2 :] = 220
    return pixels


def test_the_preview_alone_is_a_mirror(desk: Desk, qtbot: QtBot) -> None:
    done = processed(halves(), halves())
    desk.session.feed(done)
    qtbot.waitUntil(lambda: desk.window.preview.message is None)
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (220, 20)
    desk.window.transport.compare.click()
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (220, 20)
    desk.window.transport.mirror.click()
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (20, 220)
    desk.window.output_panel.mirror.click()  # turned on its way already, so the preview turns back
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (220, 20)
    desk.window.transport.mirror.click()
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (20, 220)


def test_words_on_a_slate_are_not_mirrored(desk: Desk, qtbot: QtBot) -> None:
    desk.session.feed(replace(processed(halves(), halves()), showing=Showing.SLATE))
    qtbot.waitUntil(lambda: desk.window.preview.message is None)
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (20, 220)


def test_nor_are_those_of_a_panic_on_the_side_before_the_swap(desk: Desk, qtbot: QtBot) -> None:
    hidden = processed(halves(), halves())
    desk.session.feed(replace(hidden, before=hidden.frame, showing=Showing.SLATE))
    qtbot.waitUntil(lambda: desk.window.preview.message is None)
    desk.window.transport.compare.click()
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (20, 220)


@pytest.mark.parametrize("position", ["top left", "bottom right"])
def test_the_badge_can_be_read_in_a_mirror(position: str) -> None:
    badge, pixels = BadgeSettings(position=position), picture(90).copy()
    draw_badge(pixels, badge)
    patch, _, (left, top) = place_badge(*pixels.shape[:2], badge) or pytest.fail("no badge")
    down, right = top + patch.shape[0], left + patch.shape[1]
    seen, width = mirrored(pixels, badge), pixels.shape[1]
    there = np.s_[top:down, width - right : width - left]
    assert np.array_equal(seen[there], pixels[top:down, left:right])
    assert (np.delete(seen, np.s_[top:down], axis=0) == 90).all()
    assert np.array_equal(mirrored(pixels, None), pixels[:, ::-1])


def test_the_newest_frame_is_drawn(desk: Desk, qtbot: QtBot) -> None:
    show(desk, qtbot, after=120)
    assert colour_at(desk, 0.5) == 120
    show(desk, qtbot, after=180)
    qtbot.waitUntil(lambda: colour_at(desk, 0.5) == 180)


def test_many_frames_are_one_signal(desk: Desk, qtbot: QtBot) -> None:
    taken = []
    desk.bridge.ready.connect(lambda: taken.append(1))

    def run() -> None:
        for value in range(50):
            desk.session.feed(processed(picture(value), picture(0)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: desk.window.preview.shown is not None)
    assert len(taken) == 1
    assert desk.window.preview.shown.frame.pixels[0, 0, 0] == 49


def test_w_shows_before_and_after(desk: Desk, qtbot: QtBot) -> None:
    show(desk, qtbot)
    QTest.keyClick(desk.window, Qt.Key.Key_W)
    assert desk.window.preview.wipe
    assert (colour_at(desk, 0.25), colour_at(desk, 0.75)) == (40, 200)
    QTest.keyClick(desk.window, Qt.Key.Key_W)
    assert colour_at(desk, 0.25) == 200


def test_the_divider_is_dragged(desk: Desk, qtbot: QtBot) -> None:
    show(desk, qtbot)
    desk.window.transport.compare.click()
    preview = desk.window.preview
    rect = preview.picture_rect()
    y = rect.center().y()
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(preview, left, pos=QPoint(rect.left() + rect.width() // 2, y))
    qtbot.mouseMove(preview, QPoint(rect.left() + int(rect.width() * 0.8), y))
    qtbot.mouseRelease(preview, left, pos=QPoint(rect.left() + int(rect.width() * 0.8), y))
    assert preview.divider == pytest.approx(0.8, abs=0.01)
    assert colour_at(desk, 0.7) == 40
    qtbot.mousePress(preview, left, pos=QPoint(rect.left() + 30, y))
    qtbot.mouseMove(preview, QPoint(rect.left() + 200, y))
    assert preview.divider == pytest.approx(0.8, abs=0.01)  # that was not on the divider


def test_arrow_keys_move_the_divider_and_stay_inside(desk: Desk, qtbot: QtBot) -> None:
    show(desk, qtbot)
    desk.window.transport.compare.click()
    preview = desk.window.preview
    preview.setFocus()
    QTest.keyClick(preview, Qt.Key.Key_Left)
    assert preview.divider == pytest.approx(0.45)
    for _ in range(40):
        QTest.keyClick(preview, Qt.Key.Key_Right)
    assert preview.divider == pytest.approx(0.98)


def test_hints_say_why_no_face_is_swapped(desk: Desk, qtbot: QtBot) -> None:
    show(desk, qtbot, faces=0)
    assert desk.window.preview.hint == ""  # one frame without a face is not worth a word
    qtbot.waitUntil(lambda: desk.window.preview.hint == "No face in view")
    desk.window.swap_button.click()
    show(desk, qtbot)
    qtbot.waitUntil(lambda: desk.window.preview.hint == "")  # the bar and the chip say it
    desk.window.swap_button.click()
    show(desk, qtbot)
    qtbot.waitUntil(lambda: desk.window.preview.hint == "")


@pytest.mark.parametrize("size", [(840, 540), (900, 600), (1600, 1000)])
def test_the_parts_fit_at_any_size(desk: Desk, qtbot: QtBot, size: tuple[int, int]) -> None:
    desk.window.resize(*size)
    show(desk, qtbot)
    desk.window.grab()
    preview = desk.window.preview
    assert preview.rect().contains(preview.picture_rect())
    assert preview.geometry().bottom() < desk.window.transport.geometry().top()
    assert (desk.window.width(), desk.window.height()) == size
