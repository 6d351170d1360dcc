"""A picture of the window in every state: ``python -m benchmarks.screens FOLDER``.

Needs a display; without one: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m ...``. The real
session runs on the built-in demo; faults are injected where a state needs one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer

from app.capture.opening import open_source
from app.enrolment import Enrolments
from app.faces import FaceLibrary
from app.gui.application import prepare_application
from app.gui.bridge import Bridge
from app.gui.services import EngineLine, GuiServices
from app.gui.window import MainWindow
from app.pipeline import Pipeline
from app.session import Session
from app.settings import CaptureSettings, Settings
from app.stages.privacy import Showing
from app.timing import Timing
from benchmarks.leaks import FaultyDetector
from engines.loading import load_engines

LONGEST_MS = 30_000
SETTLE_MS = 600  # until the line and the chip have been read again


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["OMOKAGE_HOME"] = home
        _take(folder, Path(home))


def _take(folder: Path, home: Path) -> None:
    application = prepare_application()
    loaded = load_engines()
    detector = FaultyDetector(loaded.detector)
    engines = replace(loaded, detector=detector)  # type: ignore[arg-type]
    bridge, timing = Bridge(), Timing()
    settings = Settings(source_face="lucia", capture=CaptureSettings(source="demo"))
    session = Session(
        Pipeline(engines, timing),
        timing,
        settings,
        on_change=bridge.notify_change,
        on_preview=bridge.notify_preview,
    )
    services = GuiServices(
        list_cameras=lambda: [],
        open_source=open_source,
        engine=lambda: EngineLine(engines.engine),
        settings_path=home / "settings.toml",
        video_dir=home / "videos",
        enrolments=Enrolments(home / "me.npz", loaded),
    )
    window = MainWindow(session, FaceLibrary(home / "faces", loaded), services, bridge)

    def shows(showing: Showing) -> Callable[[], bool]:
        return lambda: session.status().showing is showing

    def take(name: str, *, settle_ms: int = SETTLE_MS) -> None:
        wait(settle_ms)
        window.grab().save(str(folder / f"{name}.png"))

    def press(label: str) -> None:
        next(b for b in window.problems.buttons if b.text() == label).click()

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
        wait_for(shows(Showing.LIVE))
        window.enrolment.enrol.click()
        take("enrolling", settle_ms=1500)
        wait_for(lambda: window.enrolment_desk.enrolled)
        wait_for(shows(Showing.LIVE))
        take("only-me")
        window.swap_button.click()
        wait_for(shows(Showing.SLATE))
        take("paused")
        press("Show my real face…")
        take("bypass-asked")
        press("Show my real face")
        wait_for(shows(Showing.BYPASS))
        take("bypass")
        window.panic_desk.panic()
        take("panic")
    finally:
        window.close()
        application.processEvents()
        engines.close()


if __name__ == "__main__":
    main()
