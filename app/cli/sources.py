"""From ``--source`` words to a prepared identity, with consent asked for once per picture."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.cli.options import BASES
from app.enrolment import Enrolments
from app.errors import ConsentError, PictureError, SinkError
from app.faces import FaceLibrary, SourceFace
from app.paths import enrolment_path
from app.provenance.consent import BASIS_TEXT, Basis
from app.settings import Settings
from app.stages.identity import Identity
from app.stages.recognition import Templates
from engines.loading import Engines


def identity_from_words(library: FaceLibrary, arguments: argparse.Namespace) -> Identity:
    """The identity of ``--source`` (personas, added faces and pictures are averaged).

    ``PictureError`` where a word is neither a face nor a file, ``ConsentError`` where a picture
    has no consent record and none is given.
    """
    sources = [find_source(library, word) for word in arguments.source]
    for source in sources:
        if isinstance(source, Path):
            basis, person = consent_words(library, source, arguments)
            if arguments.consent or library.consent_for(source) is None:
                library.record_consent(source, basis, person, arguments.note, **terms(arguments))
    return library.identity_of(sources)


def terms(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``--scope`` and ``--expires`` say, for ``FaceLibrary``."""
    return {"scope": arguments.scope, "expires": arguments.expires}


def identities_from_words(
    library: FaceLibrary, arguments: argparse.Namespace
) -> tuple[Identity, tuple[Identity, ...]]:
    """With ``--faces each``, the first source's identity and those of the further ones.

    Otherwise all sources are one identity, as in ``identity_from_words``.
    """
    if arguments.faces != "each":
        return identity_from_words(library, arguments), ()
    first, *further = (
        identity_from_words(library, argparse.Namespace(**vars(arguments) | {"source": [word]}))
        for word in arguments.source
    )
    return first, tuple(further)


def enrolled(engines: Engines, settings: Settings) -> Templates | None:
    """The enrolled face where only that is to be swapped, or was and may be again by a scene.

    ``PictureError`` where none is and it is needed now.
    """
    needed = settings.detector.faces == "me"
    if not needed and (settings.detector.faces, settings.faces_before) != ("each", "me"):
        return None
    try:
        kept = Enrolments(enrolment_path(), engines).load()
    except PictureError:
        if needed:
            raise
        kept = None
    if kept is None and needed:
        raise PictureError("No face is enrolled.", "Enrol yours first: omokage enrol.")
    return None if kept is None else kept.templates


def find_source(library: FaceLibrary, word: str) -> SourceFace | Path:
    """The face or the picture file a word names; a face's name wins over a file without suffix."""
    path = Path(word)
    face = library.get(word)
    if face is not None and not (path.suffix and path.exists()):
        return face
    if path.exists():
        return path
    names = [face.name for face in library.list()]
    close = difflib.get_close_matches(word.casefold(), [n.casefold() for n in names], 1, 0.5)
    if path.suffix or path.name != word:
        raise PictureError(f"There is no file {word}.")
    if close:
        meant = next(name for name in names if name.casefold() == close[0])
        raise PictureError(f"There is no face {word!r}.", f"Did you mean {meant!r}?")
    known = f"Known faces: {', '.join(names)}." if names else "Give a picture file."
    raise PictureError(f"There is no face and no file {word!r}.", known)


def refuse_input(target: Path, words: Sequence[str]) -> None:
    """Raise ``SinkError`` where ``target`` is a file that ``words`` name: it would be replaced."""
    if not target.exists():
        return
    for path in (Path(word).expanduser() for word in words):
        if path.is_file() and path.samefile(target):
            raise SinkError(f"{target} is an input itself.", "Write to another file.")


def consent_words(
    library: FaceLibrary, path: Path, arguments: argparse.Namespace
) -> tuple[Basis, str]:
    """Basis and person for a picture: as given, as recorded before, or asked on a terminal.

    ``ConsentError`` where there is no answer.
    """
    name = path.stem.encode(errors="replace").decode()  # a file's name need not be text
    if arguments.consent:
        basis = Basis(arguments.consent)
        return basis, arguments.person or ("the user" if basis is Basis.OWN_FACE else name)
    record = library.consent_for(path)
    if record is not None:
        return record.basis, record.person
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConsentError(
            f"There is no consent record for {path.name}.",
            f"Add --consent with one of: {', '.join(BASES)}.",
        )
    return ask_basis(path.name), _ask(f"Whose face is it? [{name}] ") or name


def ask_basis(name: str) -> Basis:
    """Ask on the terminal on what ground the picture's face may be used."""
    bases: Sequence[Basis] = tuple(Basis)
    print(f"A face may only be used with consent. Why may {name} be used?", file=sys.stderr)
    for number, basis in enumerate(bases, 1):
        print(f"  {number}  {BASIS_TEXT[basis]}", file=sys.stderr)
    answer = _ask("Number, or Enter for none of these: ")
    if not answer.isdecimal() or not 1 <= int(answer) <= len(bases):
        raise ConsentError(f"Without consent {name} is not used.")
    return bases[int(answer) - 1]


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
