"""Whose face further people get, where each gets their own: ids in the settings, then identities.

A person's face is an id of the library, or several joined by ``+``, which are averaged.
"""

from __future__ import annotations

from app.errors import PictureError
from app.faces import FaceLibrary
from app.scenes import further_of
from app.settings import Settings
from app.stages.identity import Identity


def identity_called(library: FaceLibrary, face: str, user: str = "") -> Identity:
    """A person's face, prepared; ``PictureError`` where it is gone, in words about its ``user``."""
    ids = face.split("+")
    faces = [library.get(face_id) for face_id in ids]
    if None in faces:
        raise PictureError(
            f"{user or 'A person'} uses a face that is not there: {ids[faces.index(None)]}.",
            "Choose another face.",
        )
    return library.identity_of([face for face in faces if face is not None])


def further_identities(library: FaceLibrary, settings: Settings) -> tuple[Identity, ...]:
    """Those of ``further_of``; none where people do not get each their own."""
    if settings.detector.faces != "each":
        return ()
    return tuple(
        identity_called(library, face, f"Person {number}")
        for number, face in enumerate(further_of(settings), 2)
    )
