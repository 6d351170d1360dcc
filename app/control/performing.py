"""What carrying out a command means, for every front end: new settings, faces, what is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from app.cast import identity_called
from app.control.commands import NEXT, PLACES, Action, Look, NextFace, ShowFaces, Swap
from app.errors import PictureError
from app.faces import FaceLibrary
from app.scenes import Scene, SceneBook
from app.session import Session, SessionStatus
from app.settings import Settings, get_value, with_value
from app.source_face import SourceFace
from app.stages.identity import Identity


class Performer(Protocol):
    """Carries out commands; may be called from any thread and never waits."""

    def perform(self, action: Action) -> Future[dict[str, Any]]:
        """Begin it; the future gives what is answered, or an ``AppError``."""
        ...

    def panic(self) -> None:
        """Hide the picture before this returns, whatever else is under way."""
        ...

    def report(self) -> dict[str, dict[str, Any]]:
        """``state`` and ``metrics`` of this moment."""
        ...


def changed(settings: Settings, action: Swap | Look) -> Settings:
    """The settings after a command that changes nothing else."""
    if isinstance(action, Swap):
        return with_value(settings, "swap", not settings.swap if action.on is None else action.on)
    for path, value in action.changes.items():
        if value == NEXT and path == "badge.position":
            here = PLACES.index(get_value(settings, path))
            value = PLACES[(here + 1) % len(PLACES)]
        settings = with_value(settings, path, value)
    return settings


def chosen_faces(
    library: FaceLibrary, action: ShowFaces | NextFace, shown: str
) -> list[SourceFace]:
    """The faces a command means; ``shown`` is the id of the identity in use.

    ``PictureError`` where there is none of that name. Pictures are no faces here: another
    program cannot bring in a face without its consent record.
    """
    if isinstance(action, NextFace):
        faces = library.list()
        if not faces:
            raise PictureError("There is no source face.", "Add one in the window.")
        ids = [face.face_id for face in faces]
        place = ids.index(shown) + 1 if shown in ids else 0
        return [faces[place % len(faces)]]
    return [_face(library, name) for name in action.faces]


def scene_identities(library: FaceLibrary, scene: Scene) -> tuple[Identity, tuple[Identity, ...]]:
    """A scene's identity and those of further people.

    ``AppError`` where a face is gone or its consent ran out.
    """
    user = f"Scene {scene.name}"
    first = identity_called(library, "+".join(scene.faces), user)
    return first, tuple(identity_called(library, face, user) for face in scene.further)


def _face(library: FaceLibrary, name: str) -> SourceFace:
    face = library.get(name)
    if face is None:
        shown = name if len(name) <= 40 else name[:40] + "…"
        names = ", ".join(known.name for known in library.list())
        raise PictureError(f"There is no face {shown!r}.", f"Known faces: {names}.")
    return face


def sources_of(library: FaceLibrary) -> dict[str, Any]:
    """What ``sources`` answers."""
    return {"sources": [{"id": f.face_id, "name": f.name} for f in library.list()]}


def scenes_of(book: SceneBook) -> dict[str, Any]:
    """What ``scenes`` answers."""
    return {"scenes": [_as_dict(s) for s in book.scenes]}


def _as_dict(scene: Scene) -> dict[str, Any]:
    lists = {"faces": list(scene.faces), "further": list(scene.further)}
    return {**dataclasses.asdict(scene), **lists}


def report_of(session: Session, book: SceneBook) -> dict[str, dict[str, Any]]:
    """What ``state`` and ``metrics`` say of a session."""
    status, settings, identity = session.status(), session.settings, session.identity
    face_id = identity.face_id if identity else ""
    recording = status.recording
    state = {
        "state": status.state.value,
        "swap": settings.swap,
        "panicked": status.panicked,
        "showing": status.showing.value if status.showing else None,
        "source": {"id": face_id, "name": identity.name} if identity else None,
        "scene": book.shown(settings, face_id),
        "mask": dataclasses.asdict(settings.mask),
        "badge": dataclasses.asdict(settings.badge),
        "recording": recording.path.name if recording else None,
        "camera": status.source.name if status.source else None,
        "problem": str(status.problem or ""),
        "notice": status.notice,
    }
    return {"state": state, "metrics": _metrics(status)}


def _metrics(status: SessionStatus) -> dict[str, Any]:
    report = status.timing
    return {
        "fps": round(report.fps, 2),
        "frames": report.frames,
        "dropped": status.dropped,
        "latency_ms": report.latency_ms.as_dict(),
        "stages_ms": {name: times.as_dict() for name, times in report.stages_ms.items()},
        "recording_s": round(status.recording.seconds, 1) if status.recording else None,
        "outputs": [
            {"kind": output.kind, "state": output.state.value, "fps": round(output.fps, 1)}
            for output in status.outputs
        ],
    }


def flat(values: Mapping[str, Any]) -> str:
    """A table in a line for people: ``swap: yes, scene: Evening``."""
    shown = {True: "yes", False: "no", None: "-"}
    parts = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            value = value.get("name", f"({flat(value)})")
        elif isinstance(value, bool) or value is None:
            value = shown[value]
        parts.append(f"{name}: {value}")
    return ", ".join(parts)
