"""A picture of the window in every state: ``python -m benchmarks.screens FOLDER [--sheet FILE]``.

Needs a display; without one: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m ...``. The real
session runs on the built-in demo, on two of its people, and on its empty room; faults are injected
where a state needs one. ``--sheet`` puts the pictures side by side into one file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from app.capture.demo import PICTURES, Demo
from app.capture.opening import open_source
from app.capture.source import Source, SourceInfo
from app.cli.machine import processor
from app.enrolment import Enrolments
from app.faces import PERSONAS, FaceLibrary
from app.gui.application import prepare_application
from app.gui.bridge import Bridge
from app.gui.intake import Intake
from app.gui.services import EngineLine, GuiServices
from app.gui.window import MainWindow
from app.pipeline import Pipeline
from app.session import Session
from app.settings import CaptureSettings, OutputSettings, Settings
from app.stages.privacy import Reason, Showing
from app.timing import Timing
from app.upgrade import tuner_for
from benchmarks.contact_sheet import save_sheet
from benchmarks.leaks import FaultyDetector
from engines.loading import load_engines

LONGEST_MS = 60_000
SETTLE_MS = 600  # until the line and the chip have been read again
TITLES = {
    "live": "LIVE: every face is swapped",
    "held": "HELD: the face is lost, its last swap stays",
    "blurred": "BLURRED: still lost",
    "slate": "HIDDEN: lost for longer",
    "empty": "LIVE: the room is proven empty",
    "panic": "HIDDEN: by Esc",
    "paused": "HIDDEN: the swap is off",
    "bypass": "REAL FACE: asked for twice",
    "people": "Two people, each their own face; scenes",
    "consent": "Consent, before a face is added",
    "outputs": "Outputs",
    "delay": "Camera and delay",
}


class Room(Demo):
    """The demo's room with a sensor's noise, and nobody in it."""

    def picture(self, index: int) -> np.ndarray:
        """As of the demo."""
        noise = np.random.default_rng(index).integers(-2, 3, self._room.shape, np.int16)
        return np.clip(self._room + noise, 0, 255).astype(np.uint8)


class Two(Demo):
    """Two of the demo's people beside each other."""

    def picture(self, index: int) -> np.ndarray:
        """Each in their half."""
        halves = [super(Two, self).picture(n)[:, 280:920] for n in (index % 300, 40 + index % 300)]
        return np.ascontiguousarray(np.hstack(halves))


class Camera(Demo):
    """The demo as a camera's picture: the demo itself enrols nobody."""

    @property
    def info(self) -> SourceInfo:
        """As of the demo, with another name."""
        return replace(super().info, name="Camera")


SOURCES: dict[str, Callable[[], Source]] = {
    "Empty room": Room,
    "Two people": Two,
    "Camera": Camera,
}


def wait(milliseconds: int) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_for(true: Callable[[], bool]) -> None:
    """Let the window work until something is so."""
    for _ in range(LONGEST_MS // 20):
        if true():
            return
        wait(20)
    raise TimeoutError("the window did not get there")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="all of them in one picture")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["OMOKAGE_HOME"] = home
        _take(folder, Path(home))
    if arguments.sheet is not None:
        titles = {folder / f"{name}.png": title for name, title in TITLES.items()}
        save_sheet(titles, arguments.sheet)


def _open(text: str, settings: CaptureSettings) -> Source:
    return SOURCES[text]() if text in SOURCES else open_source(text, settings)


def _take(folder: Path, home: Path) -> None:
    application = prepare_application()
    loaded = load_engines()
    tuner_for(loaded, processor()).run(threading.Event())
    detector = FaultyDetector(loaded.detector)
    engines = replace(loaded, detector=detector)  # type: ignore[arg-type]
    bridge, timing = Bridge(), Timing()
    settings = Settings(
        source_face="lucia",
        capture=CaptureSettings(source="demo"),
        outputs=OutputSettings(web_port=0),
    )
    session = Session(
        Pipeline(engines, timing),
        timing,
        settings,
        on_change=bridge.notify_change,
        on_preview=bridge.notify_preview,
    )
    services = GuiServices(
        list_cameras=lambda: [],
        open_source=_open,
        engine=lambda: EngineLine(engines.engine),
        settings_path=home / "settings.toml",
        video_dir=home / "videos",
        enrolments=Enrolments(home / "me.npz", loaded),
    )
    window = MainWindow(session, FaceLibrary(home / "faces", loaded), services, bridge)

    def shows(showing: Showing, reason: Reason | None = None) -> Callable[[], bool]:
        def so() -> bool:
            status = session.status()
            return status.showing is showing and reason in (None, status.reason)

        return so

    def take(name: str, *, settle_ms: int = SETTLE_MS, widget: QWidget = window) -> None:
        wait(settle_ms)
        widget.grab().save(str(folder / f"{name}.png"))

    def press(label: str) -> None:
        next(b for b in window.problems.buttons if b.text() == label).click()

    def save_scene(name: str) -> None:
        window.commands.scenes.ask_for_name()
        dialog = window.commands.scenes.dialog
        assert dialog is not None
        dialog.name.setText(name)
        dialog.save.click()

    try:
        window.show()
        wait_for(shows(Showing.LIVE))
        take("live")
        detector.fault = "detector sees nothing"
        window.change("privacy.hold_ms", 2000)
        wait_for(shows(Showing.HELD))
        take("held")
        wait_for(shows(Showing.BLURRED))
        take("blurred")
        wait_for(shows(Showing.SLATE))
        take("slate")
        detector.fault = ""
        window.change("privacy.hold_ms", 400)
        window.change("privacy.empty_ms", 2000)
        window.source_desk.open("Empty room")
        wait_for(shows(Showing.LIVE, Reason.EMPTY))
        take("empty")
        window.source_desk.open("Two people")
        save_scene("Evening")
        window.cast_desk.add()
        save_scene("Both of us")
        wait_for(lambda: len(session.wishes.further) == 1)
        wait_for(shows(Showing.LIVE))
        take("people", settle_ms=4 * SETTLE_MS)
        window.commands.scenes._wanted("Evening")
        window.source_desk.open("demo")
        window.camera_desk.show_dialog()
        take("delay", settle_ms=6 * SETTLE_MS, widget=window.camera_desk.dialog)
        window.camera_desk.dialog.close()
        picture = home / "friend.jpg"
        portrait = cv2.imread(str(next(PERSONAS.rglob("*.png"), PICTURES / "person.png")))
        cv2.imwrite(str(picture), portrait)
        window.intake_desk.take_in(Intake(pictures=(picture,)))
        assert window.faces_desk.dialog is not None
        take("consent", widget=window.faces_desk.dialog)
        window.faces_desk.dialog.reject()
        window.problems.dismiss()
        window.change("outputs.web_page", True)
        wait_for(shows(Showing.LIVE))
        take("outputs", settle_ms=4 * SETTLE_MS)
        window.change("outputs.web_page", False)
        window.source_desk.open("Camera")
        wait_for(lambda: (found := session.status().source) is not None and found.name == "Camera")
        wait_for(shows(Showing.LIVE))
        window.enrolment.enrol.click()
        take("enrolling", settle_ms=1500)
        wait_for(lambda: window.enrolment_desk.enrolled)
        wait_for(shows(Showing.LIVE))
        take("only-me")
        window.panic_desk.panic()
        take("panic")
        press("Show it again")
        press("Show the picture")
        wait_for(shows(Showing.LIVE))
        window.swap_button.click()
        wait_for(shows(Showing.SLATE))
        take("paused")
        press("Show my real face…")
        take("bypass-asked")
        press("Show my real face")
        wait_for(shows(Showing.BYPASS))
        take("bypass")
    finally:
        window.close()
        application.processEvents()
        engines.close()


if __name__ == "__main__":
    main()
