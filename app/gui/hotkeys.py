"""The keys the user chose: taken from the whole system where wished and possible, else shortcuts
of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from app.control.commands import (
    NEXT,
    Action,
    Look,
    NextFace,
    NextScene,
    Panic,
    Record,
    ShowScene,
    Swap,
)
from app.errors import SettingsError
from app.gui.problems import Problem
from app.hotkeys.chord import Chord, parse
from app.hotkeys.grab import Grab, Grabber
from app.hotkeys.plan import Plan, Wish, plan_keys
from app.scenes import Scene
from app.settings import KeySettings, fields_of

TOPIC = "keys"
ACTIONS: dict[str, Action] = {
    "swap": Swap(),
    "panic": Panic(),
    "next_face": NextFace(),
    "next_scene": NextScene(),
    "record": Record(),
    "badge": Look({"badge.position": NEXT}),
}
LABELS = {spec.path: spec.label for spec in fields_of(KeySettings()) if spec.path in ACTIONS}
RESERVED = {  # what the window binds by itself
    parse(key): f"{key} of the window"
    for key in (
        *("M", "W", "R", "S", "O", "C", "F5", "F1", "Esc"),
        *("Space", "Ctrl+D", "Ctrl+V", "Ctrl+Q"),
    )
}


def wishes(keys: KeySettings, scenes: Sequence[Scene]) -> list[Wish[Action]]:
    """All keys that are wished for, the actions' before the scenes'."""
    own = [Wish(LABELS[name], getattr(keys, name), act) for name, act in ACTIONS.items()]
    shows: list[Wish[Action]] = [
        Wish(f"scene {scene.name}", scene.key, ShowScene(scene.name)) for scene in scenes
    ]
    return [*own, *shows]


class HotkeyDesk(QObject):
    """``do`` is called in the window's thread; ``panic`` from any thread, at once.

    ``grab`` takes keys from the system; None where that cannot be, for the reason ``without``.
    """

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    _pressed = Signal(object)  # Action

    def __init__(
        self,
        window: QWidget,
        do: Callable[[Action], None],
        panic: Callable[[], None],
        grab: Grab | None,
        without: str,
    ) -> None:
        super().__init__(window)
        self._window, self._panic, self._grab, self._without = window, panic, grab, without
        self._wanted: tuple[KeySettings, tuple[Scene, ...]] | None = None
        self._paused = False
        self._plan: Plan[Action] = Plan({})
        self._grabber: Grabber | None = None
        self._shortcuts: list[QShortcut] = []
        self._do = do
        self._pressed.connect(self._act, Qt.ConnectionType.QueuedConnection)

    @property
    def everywhere(self) -> frozenset[Chord]:
        """The keys that are held in the whole system now."""
        if self._grabber is None:
            return frozenset()
        grabbed = {c for c in self._plan.bound if not c.plain}
        return frozenset(grabbed - set(self._grabber.refused))

    def show(self, keys: KeySettings, scenes: tuple[Scene, ...]) -> None:
        """Bind these, where they changed."""
        if (keys, scenes) != self._wanted:
            self._wanted = keys, scenes
            self._bind()

    def pause(self, paused: bool) -> None:
        """Give all keys back while the user presses one to choose it."""
        if paused != self._paused:
            self._paused = paused
            self._bind()

    def close(self) -> None:
        """Give all keys back."""
        if self._grabber is not None:
            self._grabber.close()
            self._grabber = None
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []

    def _bind(self) -> None:
        self.close()
        if self._wanted is None or self._paused:
            return
        keys, scenes = self._wanted
        self._plan = plan_keys(wishes(keys, scenes), RESERVED)
        sentences = list(self._plan.conflicts)
        if keys.everywhere:
            sentences += self._take()
        for chord in set(self._plan.bound) - self.everywhere:
            shortcut = QShortcut(QKeySequence(str(chord)), self._window)
            shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(lambda chord=chord: self._do(self._plan.bound[chord].act))
            self._shortcuts.append(shortcut)
        if sentences:
            self.problem.emit(Problem(" ".join(sentences), topic=TOPIC))
        else:
            self.solved.emit(TOPIC)

    def _take(self) -> list[str]:
        """Take the keys from the system; a sentence for each that stays the window's."""
        if self._grab is None:
            return [self._without]
        bound = self._plan.bound
        plain = [chord for chord in bound if chord.plain]
        sentences = [
            f"{chord} works in this window alone: other programs need it, add Ctrl or Alt."
            for chord in plain
        ]
        try:
            grabber = self._grab([chord for chord in bound if not chord.plain], self._on_press)
        except SettingsError as error:
            return [*sentences, str(error)]
        self._grabber = grabber
        return sentences + [
            f"{chord} ({bound[chord].label}) works in this window alone because {why}."
            for chord, why in grabber.refused.items()
        ]

    def _on_press(self, chord: Chord) -> None:
        """In the grabber's thread."""
        wish = self._plan.bound.get(chord)
        if wish is None:
            return
        if isinstance(wish.act, Panic):
            self._panic()
        else:
            self._pressed.emit(wish.act)

    @Slot(object)
    def _act(self, action: Action) -> None:
        self._do(action)
