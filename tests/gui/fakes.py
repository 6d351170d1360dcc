"""A session, a library and services that behave like the real ones, without threads or models."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.capture.opening import CameraEntry
from app.capture.source import Source, SourceInfo
from app.consents import Consents
from app.errors import AppError, PictureError, SinkError
from app.faces import SourceFace
from app.frame import Face, Frame, Pixels
from app.gui.bridge import Bridge
from app.pipeline import Processed
from app.provenance.consent import Basis, ConsentRecord
from app.session import RecordingStatus, SessionStatus, State
from app.settings import CaptureSettings, OutputSettings, Settings
from app.stages.identity import Identity, Wishes
from app.timing import Percentiles, Samples, TimingReport

DEMO_INFO = SourceInfo("Demo", 1280, 720, 30.0, live=True)


def picture(value: int, width: int = 320, height: int = 180) -> Pixels:
    """A plain picture of one grey."""
    return np.full((height, width, 3), value, np.uint8)


def processed(after: Pixels, before: Pixels, *, faces: int = 1) -> Processed:
    """A finished frame with that many faces."""
    face = Face((10.0, 10.0, 50.0, 50.0), np.zeros((5, 2), np.float32), 0.9, 1)
    now = time.monotonic()
    return Processed(Frame(after, 0, now), Frame(before, 0, now), (face,) * faces, faces)


# What the builder of engines prints on its way.
BUILD_STEP = {
    "event": "progress",
    "model": "swapper_identity",
    "number": 2,
    "count": 4,
    "stage": "building",
    "share": 0.4,
    "elapsed_s": 61.2,
    "remaining_s": 8.0,
}


class FakeSource:
    """Has an info and can be closed."""

    def __init__(self, info: SourceInfo = DEMO_INFO) -> None:
        self.info = info
        self.closed = False

    def read(self) -> Frame | None:
        return None

    def close(self) -> None:
        self.closed = True


class FakeOutputs:
    """Remembers what it was told to bring about."""

    def __init__(self) -> None:
        self.applied: list[OutputSettings] = []

    def apply(self, wanted: OutputSettings) -> None:
        self.applied.append(wanted)


class FakeSession:
    """Opens the source at once, in the caller's thread; frames come when a test feeds them."""

    def __init__(self, bridge: Bridge, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.identity: Identity | None = None
        self.outputs = FakeOutputs()
        self.wishes = Wishes()
        self.calls: list[str] = []
        self.source: Source | None = None
        self.sink_error: AppError | None = None
        self.finish_error: AppError | None = None
        self.bug: Exception | None = None
        self._bridge = bridge
        self._recorded: Path | None = None
        self._lock = threading.Lock()
        self._waiting: Processed | None = None
        self._status = SessionStatus(
            State.IDLE, None, None, 0.0, TimingReport(), 0, None, notice=""
        )

    def set_status(self, **changes: object) -> None:
        """What the real one does from its threads: change the status, then say so."""
        self._status = replace(self._status, **changes)
        self._bridge.notify_change()

    def feed(self, frame: Processed) -> None:
        """A processed frame is there."""
        with self._lock:
            self._waiting = frame
        self._bridge.notify_preview()

    def start(self, opener: Callable[[], Source], *, pace_loss: bool = True) -> None:
        self.stop()
        self.calls.append("start")
        if self.bug is not None:
            raise self.bug
        self.set_status(state=State.STARTING, problem=None, notice="")
        try:
            self.source = opener()
        except AppError as error:
            self.set_status(state=State.FAILED, problem=error)
            return
        self.set_status(state=State.RUNNING, source=self.source.info)

    def stop(self) -> None:
        self.calls.append("stop")
        if self.source is not None:
            self.source.close()
            self.source = None
        self.set_status(state=State.IDLE, source=None)

    def close(self) -> None:
        self.stop()

    def change_look(
        self,
        settings: Settings,
        identity: Identity | None,
        further: tuple[Identity, ...] | None = None,
    ) -> None:
        self.settings, self.identity = settings, identity
        if further is not None:
            self.wish(further=further)

    def take_preview(self, timeout_s: float | None = 0) -> Processed | None:
        with self._lock:
            taken, self._waiting = self._waiting, None
        return taken

    def start_recording(self, path: Path) -> None:
        if self.sink_error is not None:
            raise self.sink_error
        self.calls.append(f"record {path.name}")
        path.with_suffix(".part").write_bytes(b"frames")
        self.set_status(recording=RecordingStatus(path, 0.0, 0, 0))

    def stop_recording(self) -> Path | None:
        recording = self._status.recording
        self.calls.append("stop recording")
        if recording is not None:
            self.end_recording()
        recorded, self._recorded = self._recorded, None
        return recorded

    def end_recording(self) -> None:
        """What the real one does when the file is finished, the source ends or the disk fails."""
        recording = self._status.recording
        assert recording is not None
        part = recording.path.with_suffix(".part")
        if self.finish_error is not None:
            part.unlink()
            self.set_status(recording=None, notice=str(self.finish_error))
            return
        part.rename(recording.path)
        self._recorded = recording.path
        self.set_status(recording=None, notice=f"Saved {recording.path}.")

    def snapshot(self, path: Path) -> None:
        if self.sink_error is not None:
            raise self.sink_error
        path.write_bytes(b"picture")
        self.calls.append(f"snapshot {path.name}")

    def panic(self) -> None:
        self.calls.append("panic")
        self.set_status(panicked=True)

    def resume(self) -> None:
        self.calls.append("resume")
        self.set_status(panicked=False)

    def wish(self, **changes: object) -> None:
        self.wishes = replace(self.wishes, **changes)

    def status(self) -> SessionStatus:
        return self._status

    def samples(self) -> Samples:
        return Samples((0.0, 0.1, 0.2), (12.0, 15.0, 13.0))

    def run_figures(self) -> None:
        """Figures as after some seconds of running."""
        latency = Percentiles(12.4, 18.6, 24.0)
        self.set_status(
            timing=TimingReport(frames=300, fps=29.97, latency_ms=latency),
            measured_rate=29.9,
            dropped=3,
        )


def source_face(face_id: str, *, builtin: bool = True, value: int = 90) -> SourceFace:
    """A face with a plain thumbnail."""
    basis = Basis.SYNTHETIC if builtin else Basis.OWN_FACE
    record = ConsentRecord(face_id, face_id, basis, "", "2026-01-02T03:04:05+00:00", "0" * 64, None)
    name = face_id.capitalize()
    return SourceFace(
        face_id, name, builtin, picture(value, 64, 64), np.zeros(4, np.float32), None, record
    )


class FakeLibrary:
    """Eight personas, and the faces that were added."""

    def __init__(self, folder: Path, count: int = 8) -> None:
        self.consents = Consents(folder / "faces")
        self.terms: dict[str, str | None] = {}
        names = ("aoi", "bruno", "chidi", "dalia", "emil", "farah", "goro", "hana")
        self.personas = [
            source_face(name, value=60 + 20 * number) for number, name in enumerate(names[:count])
        ]
        self.own: list[SourceFace] = []
        self.added: list[tuple[tuple[str, ...], str, Basis, str, str]] = []
        self.refuse: AppError | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.problems: tuple[str, ...] = ()

    def list(self) -> list[SourceFace]:
        return [*self.personas, *self.own]

    def get(self, face_id_or_name: str) -> SourceFace | None:
        return next((face for face in self.list() if face.face_id == face_id_or_name), None)

    def add(
        self,
        pictures: Sequence[Path],
        name: str,
        basis: Basis,
        person: str,
        note: str = "",
        **terms: str | None,
    ) -> SourceFace:
        self.terms = terms
        for path in pictures:
            if not path.is_file():
                raise PictureError(f"{path.name} cannot be read.", "Choose another picture.")
        return self._add(tuple(path.name for path in pictures), name, basis, person, note)

    def add_bytes(
        self,
        data: bytes,
        name: str,
        basis: Basis,
        person: str,
        note: str = "",
        **terms: str | None,
    ) -> SourceFace:
        self.terms = terms
        assert data.startswith(b"\x89PNG")
        return self._add(("pasted",), name, basis, person, note)

    def remove(self, face_id: str) -> None:
        self.own = [face for face in self.own if face.face_id != face_id]

    def identity(self, face: SourceFace) -> Identity:
        return Identity(face.face_id, face.name, face.embedding, None)

    def identity_of(self, faces: Sequence[SourceFace]) -> Identity:
        joined = [face.face_id for face in faces]
        names = [face.name for face in faces]
        return Identity("+".join(joined), " + ".join(names), faces[0].embedding, None)

    def _add(
        self, files: tuple[str, ...], name: str, basis: Basis, person: str, note: str
    ) -> SourceFace:
        assert self.hold.wait(10)
        if self.refuse is not None:
            raise self.refuse
        self.added.append((files, name, basis, person, note))
        face = source_face(name.lower(), builtin=False, value=200)
        self.own.append(face)
        return face


class FakeCameras:
    """Which cameras there are, and what opens."""

    def __init__(self, *names: str) -> None:
        self.entries = [CameraEntry(str(number), name) for number, name in enumerate(names)]
        self.opened: list[str] = []
        self.broken: dict[str, AppError] = {}

    def list(self) -> list[CameraEntry]:
        return list(self.entries)

    def open(self, text: str, settings: CaptureSettings) -> Source:
        self.opened.append(text)
        if text in self.broken:
            raise self.broken[text]
        if text == "" and self.entries:
            return FakeSource(SourceInfo(self.entries[0].name, 1280, 720, 30.0, live=True))
        for entry in self.entries:
            if text == entry.id:
                return FakeSource(SourceInfo(entry.name, 1280, 720, 30.0, live=True))
        if text in ("", "demo"):
            return FakeSource()
        return FakeSource(SourceInfo(Path(text).name, 640, 360, 25.0, live=False, frame_count=50))


READ_ONLY = SinkError("The folder cannot be written to.", "Choose another one.")
