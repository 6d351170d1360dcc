"""The picture in the middle: the newest frame, the before/after wipe, and calm words over it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from app.frame import Pixels
from app.gui import theme
from app.gui.divider import paint_divider
from app.gui.drawing import fitted, image_of, mirrored, pill
from app.gui.message import Message, MessagePainter
from app.pipeline import Processed
from app.settings import BadgeSettings
from app.stages.privacy import Showing

_RADIUS = 12
_GRIP = 16  # a press this near to the divider, in logical pixels, takes hold of it
_STEP = 0.05  # one arrow key


class Preview(QWidget):
    """Shows ``Processed`` frames, letterboxed; the divider is moved by mouse or arrow keys."""

    action = Signal()  # the message's button was pressed

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("preview")
        self.setAccessibleName("Preview")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(192, 108)  # the bar of problems fits above it in the lowest window
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self._shown: Processed | None = None
        self._images: dict[str, tuple[Pixels, QImage]] = {}
        self._message_painter = MessagePainter(self)
        self._wipe = False
        self._divider = 0.5
        self._held = False
        self._focus_by_key = False
        self._hint = ""
        self._recording = ""
        self._mirror = False
        self._badge = BadgeSettings()
        self.action_button = QPushButton(self)
        self.action_button.setProperty("kind", "primary")
        self.action_button.hide()
        self.action_button.clicked.connect(self.action)

    def sizeHint(self) -> QSize:
        """720p at three quarters."""
        return QSize(960, 540)

    @property
    def shown(self) -> Processed | None:
        """The frame on show."""
        return self._shown

    @property
    def message(self) -> Message | None:
        """The words over the picture."""
        return self._message_painter.message

    @property
    def hint(self) -> str:
        """The short note at the top of the picture."""
        return self._hint

    @property
    def wipe(self) -> bool:
        """Whether the untouched picture is shown left of the divider."""
        return self._wipe

    @property
    def divider(self) -> float:
        """Place of the divider as a share of the picture's width."""
        return self._divider

    def show_processed(self, processed: Processed) -> None:
        """Show this frame at the next repaint; frames that come faster are never drawn."""
        self._shown = processed
        self.update()

    def clear(self) -> None:
        """Forget the picture (another source is being opened)."""
        self._shown = None
        self._images.clear()
        self.update()

    def set_message(self, message: Message | None) -> None:
        """Words over the picture, dimmed; None takes them away."""
        if message == self.message:
            return
        self._message_painter.show(message)
        self.setAccessibleDescription(f"{message.title} {message.text}" if message else "")
        self.action_button.setText(message.button if message else "")
        self.action_button.setVisible(bool(message and message.button))
        self._place_button()
        self.update()

    def set_hint(self, text: str) -> None:
        """A short note at the top, e.g. that there is no face in view."""
        if text != self._hint:
            self._hint = text
            self.update()

    def set_recording(self, text: str) -> None:
        """The elapsed time shown while recording; empty for none. Never part of the output."""
        if text != self._recording:
            self._recording = text
            self.update()

    def set_mirror(self, on: bool, badge: BadgeSettings) -> None:
        """Paint frames as in a mirror, slates and the letters of the badge not. Paint alone."""
        if (on, badge) != (self._mirror, self._badge):
            self._mirror, self._badge = on, badge
            self._images.clear()
            self.update()

    def set_wipe(self, on: bool) -> None:
        """Show or hide the untouched picture beside the swapped one."""
        self._wipe = on
        self.unsetCursor()
        self.update()

    def set_divider(self, share: float) -> None:
        """Move the divider; kept inside the picture."""
        self._divider = min(max(share, 0.02), 0.98)
        self.update()

    def picture_rect(self) -> QRect:
        """Where the picture lies, in logical pixels."""
        if self._shown is None:
            return self.rect()
        height, width = self._shown.frame.pixels.shape[:2]
        return fitted(QSize(width, height), self.rect())

    # events

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the stage, the picture, the wipe and the words."""
        painter = QPainter(self)
        rect = self.picture_rect()
        painter.fillRect(self.rect(), QColor(theme.STAGE))
        if self._shown is not None:
            painter.drawImage(rect, self._image("after", self._shown.frame.pixels, rect))
            if self._wipe:
                self._paint_wipe(painter, self._shown, rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._message_painter.paint(painter, QRectF(rect), self._shown is not None)
        if self._shown is not None and self.message is None:
            if self._hint:
                pill(painter, QPointF(rect.center().x(), rect.top() + 28), self._hint)
            if self._recording:
                corner = QPointF(rect.right() - 64, rect.top() + 28)
                pill(painter, corner, self._recording, dot=theme.RECORD)
        self._paint_frame(painter)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the message's button under its words."""
        self._place_button()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A ring is drawn where the keyboard led here; a click needs none."""
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self._focus_by_key = event.reason() in keys
        super().focusInEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the divider."""
        self._held = self._wipe and self._near_divider(event.position())
        if self._held:
            self._drag_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the divider; show that it can be dragged."""
        if self._held:
            self._drag_to(event.position())
        elif self._wipe and self._near_divider(event.position()):
            self.setCursor(Qt.CursorShape.SplitHCursor)
        else:
            self.unsetCursor()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the divider go."""
        self._held = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right move the divider while it is shown."""
        steps = {Qt.Key.Key_Left: -_STEP, Qt.Key.Key_Right: _STEP}
        if self._wipe and event.key() in steps:
            self.set_divider(self._divider + steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    # drawing

    def _image(self, which: str, pixels: Pixels, rect: QRect) -> QImage:
        ratio = self.devicePixelRatioF()
        width, height = round(rect.width() * ratio), round(rect.height() * ratio)
        made = self._images.get(which)
        if made is None or made[0] is not pixels or made[1].size() != QSize(width, height):
            made = (pixels, image_of(self._turned(which, pixels), width, height))
            self._images[which] = made
        return made[1]

    def _turned(self, which: str, pixels: Pixels) -> Pixels:
        """As in a mirror, where that is wanted and the picture is no slate with words on it."""
        shown = self._shown
        if not self._mirror or shown is None:
            return pixels
        if shown.showing is Showing.SLATE and pixels is shown.frame.pixels:
            return pixels  # after a panic it is on both sides
        plain = which == "before" or shown.showing is Showing.BYPASS
        return mirrored(pixels, None if plain else self._badge)

    def _paint_wipe(self, painter: QPainter, shown: Processed, rect: QRect) -> None:
        x = self._divider_x()
        left = QRect(rect.left(), rect.top(), x - rect.left(), rect.height())
        painter.save()
        painter.setClipRect(left)
        painter.drawImage(rect, self._image("before", shown.before.pixels, rect))
        painter.restore()
        paint_divider(painter, rect, x)

    def _paint_frame(self, painter: QPainter) -> None:
        picture = QRectF(self.picture_rect())
        outside = QPainterPath()
        outside.addRect(QRectF(self.rect()))
        inside = QPainterPath()
        inside.addRoundedRect(picture, _RADIUS, _RADIUS)
        painter.fillPath(outside.subtracted(inside), QColor(theme.GROUND))
        if self.hasFocus() and self._focus_by_key:
            painter.setPen(QPen(QColor(theme.ACCENT), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            ring = picture.adjusted(1, 1, -1, -1)
            painter.drawRoundedRect(ring, _RADIUS - 1, _RADIUS - 1)

    def _place_button(self) -> None:
        self.action_button.adjustSize()
        size = self.action_button.size()
        room = QRectF(self.picture_rect())
        below = self._message_painter.bottom(room)
        self.action_button.move(round(room.center().x() - size.width() / 2), round(below) + 16)

    def _divider_x(self) -> int:
        rect = self.picture_rect()
        return rect.left() + round(self._divider * rect.width())

    def _near_divider(self, point: QPointF) -> bool:
        return abs(point.x() - self._divider_x()) <= _GRIP

    def _drag_to(self, point: QPointF) -> None:
        rect = self.picture_rect()
        self.set_divider((point.x() - rect.left()) / rect.width())
