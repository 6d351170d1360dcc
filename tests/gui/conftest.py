"""A window on a fake session, shown off screen, and closed again whatever happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.automatic_build import AutomaticBuild
from app.engine_builder import EngineBuild
from app.gui.application import prepare_application
from app.gui.bridge import Bridge
from app.gui.services import EngineLine, GuiServices
from app.gui.window import MainWindow
from app.settings import Settings
from app.settings_file import load
from tests.gui.desk import Desk, OpenDesk
from tests.gui.fakes import FakeCameras, FakeLibrary, FakeSession


@pytest.fixture
def open_desk(qtbot: QtBot, tmp_path: Path) -> Iterator[OpenDesk]:
    """Builds and shows a window; settings are read from the folder, as the entry point does."""
    prepare_application()
    opened: list[MainWindow] = []

    def build(
        *cameras: str,
        settings: Settings | None = None,
        notes: tuple[str, ...] = (),
        rescue: Callable[[], list[str]] = list,
        unavailable: dict[str, str] | None = None,
        prepare: Callable[[Desk], None] = lambda _: None,
        size: tuple[int, int] | None = None,
        engine_build: EngineBuild | None = None,
        kept_settings: Settings | None = None,
        automatic_build: AutomaticBuild | None = None,
    ) -> Desk:
        bridge = Bridge()
        kept = load(tmp_path / "settings.toml")[0]
        session = FakeSession(bridge, settings or kept)
        engines = [EngineLine("ONNX Runtime 1.31, CPU")]
        library, listed = FakeLibrary(tmp_path), FakeCameras(*cameras)
        services = GuiServices(
            list_cameras=listed.list,
            open_source=listed.open,
            engine=lambda: engines[-1],
            settings_path=tmp_path / "settings.toml",
            video_dir=tmp_path / "videos",
            notes=notes,
            rescue=rescue,
            engine_build=engine_build,
            automatic_build=automatic_build,
            unavailable=unavailable or {},
            kept_settings=kept_settings,
        )
        window = MainWindow(session, library, services, bridge)
        desk = Desk(window, session, library, listed, bridge, tmp_path, engines)
        prepare(desk)
        if size:
            window.resize(*size)
        opened.append(window)
        window.show()
        qtbot.waitExposed(window)
        qtbot.waitUntil(lambda: not _busy(window))
        return desk

    yield build
    for window in opened:
        window.close()
        if window.isVisible():  # it refused once, to say that a recording failed
            window.close()
        window.deleteLater()


def _busy(window: MainWindow) -> bool:
    return window.faces_desk.busy or window.source_desk.busy


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    """A window with two cameras, the first of them open."""
    return open_desk("Logitech C920", "Built-in")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The off-screen platform says so whenever a dialog has a fixed width."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore("does not support propagateSizeHints"))
