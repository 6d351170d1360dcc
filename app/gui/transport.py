"""The row under the preview: mirror, before/after, snapshot, recording."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.gui import theme
from app.gui.icons import icon
from app.session import RecordingStatus
from app.words import counted


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def size(count: int) -> str:
    """Bytes as a person reads them, in powers of ten."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


class Transport(QWidget):
    """Says what is wanted; shows what the session says about the recording."""

    record_wanted = Signal(bool)
    folder_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.mirror = _toggle(
            "Mirror",
            "mirror",
            "See yourself as in a mirror; others do not (M)",
        )
        self.compare = _toggle("Compare", "compare", "Before and after, side by side (W)")
        self.snapshot = _button("Snapshot", "snapshot", "Save this picture (S)")
        self.record = _button("Record", "record", "Record to an MP4 file (R)")
        self.record.setProperty("kind", "record")
        self.record.setIcon(icon("record", theme.RECORD))
        self.notice = QLabel()
        self.notice.setProperty("kind", "notice")
        self.notice.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.notice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.notice.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self.notice.linkActivated.connect(lambda _: self.folder_wanted.emit())
        self._recording = False
        self.record.clicked.connect(lambda: self.record_wanted.emit(not self._recording))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.mirror)
        row.addWidget(self.compare)
        row.addWidget(self.notice, 1)
        row.addWidget(self.snapshot)
        row.addWidget(self.record)
        self.set_live(False)

    @property
    def recording(self) -> bool:
        """Whether the button now means stop."""
        return self._recording

    def set_live(self, live: bool) -> None:
        """Nothing can be saved while no frames come; a recording can always be stopped."""
        self.snapshot.setEnabled(live)
        self.record.setEnabled(live or self._recording)

    def show_recording(self, status: RecordingStatus | None) -> None:
        """Time and size while recording; None when there is no recording."""
        recording = status is not None
        if recording != self._recording:
            self._recording = recording
            self.record.setText(" Stop" if recording else " Record")
            self.record.setAccessibleName("Stop" if recording else "Record")
            self.record.setIcon(icon("stop" if recording else "record", theme.RECORD))
            self.record.setToolTip(
                "Finish the recording (R)" if recording else "Record to an MP4 file (R)"
            )
            self.notice.clear()
        if status is not None:
            lost = f" · {counted(status.dropped, 'frame')} lost" if status.dropped else ""
            self.say(f"{clock(status.seconds)} · {size(status.bytes_written)}{lost}")

    def say_saved(self, name: str) -> None:
        """A file was written."""
        self.say(f"Saved {name}", "Show")

    def say(self, text: str, link: str = "") -> None:
        """A short note beside the buttons, with a link to the folder after it."""
        more = f' <a style="color:{theme.ACCENT}" href="folder">{link}</a>' if link else ""
        self.notice.setText(text + more)


def _button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(f" {text}")  # the space keeps the icon off the word
    button.setAccessibleName(text)
    button.setIcon(icon(name, theme.TEXT))
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def _toggle(text: str, name: str, tip: str) -> QPushButton:
    button = _button(text, name, tip)
    button.setCheckable(True)
    return button
