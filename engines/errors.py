"""The one family of errors a user may read: what failed, and what to do about it."""

from __future__ import annotations


class AppError(Exception):
    """Something the user can act on.

    ``what`` is one sentence that names what failed (got / expected); ``remedy`` is one sentence
    that says what to do, or empty. ``str(error)`` joins both on one line.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = " ".join(what.split())
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class EngineError(AppError):
    """A model file or a runtime cannot be used."""
