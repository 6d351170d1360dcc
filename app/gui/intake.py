"""What a person drops, pastes or picks: pictures become faces, clips become sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData
from PySide6.QtGui import QImage, QImageWriter

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
CLIPS = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv"})


def pattern(suffixes: frozenset[str]) -> str:
    """For a file dialog: ``*.jpg *.png``."""
    return " ".join(f"*{suffix}" for suffix in sorted(suffixes))


@dataclass(frozen=True)
class Intake:
    """Files by kind, or the bytes of a pasted picture (PNG)."""

    pictures: tuple[Path, ...] = ()
    clips: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    pasted: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.pictures or self.clips or self.others or self.pasted)

    @property
    def suggested_name(self) -> str:
        """A name for the face, from the first file's."""
        if not self.pictures:
            return ""
        words = self.pictures[0].stem.replace("_", " ").replace("-", " ").split()
        return " ".join(words)[:40]


def from_files(paths: list[Path]) -> Intake:
    """Sort files by their suffix."""
    pictures = tuple(path for path in paths if path.suffix.lower() in PICTURES)
    clips = tuple(path for path in paths if path.suffix.lower() in CLIPS)
    others = tuple(path for path in paths if path not in pictures and path not in clips)
    return Intake(pictures, clips, others)


def from_mime(data: QMimeData) -> Intake:
    """What is dragged or in the clipboard; an empty intake where nothing of it can be used."""
    if data.hasUrls():
        local = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        return from_files(local)
    if data.hasImage():
        image = data.imageData()
        if isinstance(image, QImage) and not image.isNull():
            return Intake(pasted=_png(image))
    return Intake()


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, b"png").write(image)
    return bytes(buffer.data().data())
