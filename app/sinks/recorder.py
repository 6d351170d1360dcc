"""Recording to an MP4 file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import tempfile
import threading
from fractions import Fraction
from pathlib import Path

import av

from app.errors import SinkError
from app.frame import Frame
from app.sinks.encoding import add_video, to_yuv
from app.sinks.journal import Journal
from app.sinks.output_file import OutputFile
from app.sinks.seal import Seal
from app.sinks.sound import Sound
from engines.atomic_file import MOST_OF_THE_NAME

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})
LEAST_CLOSING_S = 20.0
SLOWEST_DISK = 4e6  # bytes a second, read and written at once: a USB 2 stick
MOST_REPEATS_S = 10.0  # a longer gap (a suspended machine) is not filled
DEFAULT_RATE = Fraction(30)
TICK = Fraction(1, 60_000)  # s; MPEG-4 takes no denominator above 65,535
# Written in fragments that can be played after a kill, made a plain MP4 when finished. Without
# negative offsets it would begin later by as long as the encoder looks ahead: seconds, where the
# first frames are seconds apart.
MUXER_OPTIONS = {"movflags": "+hybrid_fragmented+frag_keyframe+negative_cts_offsets"}


class Recorder:
    """Writes frames to ``path``.

    Every frame is one frame of the file, as long after the first as its ``captured_at`` says, so
    that a clip of a varying rate keeps its times and its sound fits; one whose time does not
    advance comes a period of ``rate`` after the one before. With ``live`` the rate is constant:
    late frames are repeated and early ones left out. Frames of another size than ``width`` x
    ``height`` are fitted. ``audio_from`` names a file whose sound is kept, ``seal`` is put on the
    finished file; where that fails the file is kept and ``unsealed`` says why. While it runs the
    file is ``NAME.part.mp4``, which can be played up to the last two seconds whatever becomes of
    the program; ``close`` moves it in place. One that was left so is never overwritten, and found
    again by the ``journal``.
    Raises ``SinkError`` where the disk refuses; nothing unfinished stays behind then. A finished
    file that cannot take its name stays where it is.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        rate: float,
        *,
        audio_from: Path | None = None,
        live: bool = False,
        seal: Seal | None = None,
        journal: Journal | None = None,
    ) -> None:
        check_target(path)
        self._seal = seal
        self.unsealed = ""
        self._path = path
        self._rate = Fraction(rate).limit_denominator(1001) if rate > 0 else DEFAULT_RATE
        self._size = (max(2, width + width % 2), max(2, height + height % 2))
        self._live = live
        self._lock = threading.Lock()
        self._count = 0
        self._first_at: float | None = None
        self._tick = 1 / self._rate if live else TICK
        self._length = Fraction(0)  # s
        self._sound: Sound | None = None
        try:
            self._file = OutputFile(_free_name(path))
        except OSError as error:
            raise self._failure(error) from error
        self._note = None if journal is None else journal.begin(self._file.path, path)
        self._open = True
        try:
            self._container = av.open(self._file, "w", format="mp4", options=MUXER_OPTIONS)
            self._stream = add_video(self._container, self._rate, *self._size, live=live)
            self._stream.codec_context.time_base = self._tick
            if audio_from is not None:
                self._sound = Sound(audio_from, self._container)
        except (av.FFmpegError, OSError) as error:
            self._discard()
            raise self._failure(error) from error

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def seconds(self) -> float:
        """Length of what was written so far."""
        return float(self._length)

    @property
    def bytes_written(self) -> int:
        """Size of the file so far; the encoder holds back a second or two."""
        return self._file.bytes_written

    @property
    def closing_s(self) -> float:
        """What a slow disk needs for what is held back, and to copy the file for the seal."""
        return LEAST_CLOSING_S + self.bytes_written / SLOWEST_DISK

    def write(self, frame: Frame) -> None:
        """Add one frame."""
        with self._lock:
            if not self._open:
                raise SinkError(f"The recording {self.name} is closed.")
            if self._note is not None and self._seal is not None and self._seal.due:
                self._note.seal()
            times = self._times(frame.captured_at)
            if not times:
                return
            try:
                picture = to_yuv(frame.pixels, *self._size)
                for at in times:
                    picture.pts, picture.time_base = round(at / self._tick), self._tick
                    self._container.mux(self._stream.encode(picture))
                    self._count += 1
                    self._length = at + 1 / self._rate
                if self._sound is not None:
                    self._sound.write_until(self.seconds)
                if self._file.error is not None:
                    raise self._file.error
            except (av.FFmpegError, OSError) as error:
                self._discard()
                raise self._failure(error) from error

    def close(self) -> None:
        """Finish the file and move it in place; where no frame came, nothing is left."""
        with self._lock:
            if not self._open:
                return
            if self._count == 0:
                self._discard()
                return
            try:
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.write_until(self.seconds)
                    self._sound.close()
                self._container.close()
                if self._file.error is not None:
                    raise self._file.error
                part = self._file.finish()
            except (av.FFmpegError, OSError) as error:
                self._discard()
                raise self._failure(error) from error
            self._open = False
            self._put_seal(part)
            try:
                part.replace(self._path)
            except OSError as error:  # it is whole: whatever has its name, it is not thrown away
                raise SinkError(
                    f"{self._path} cannot be written ({error.strerror}); it is kept as {part}.",
                    "Move it where you want it.",
                ) from error
            finally:
                self._forget_note()

    def _put_seal(self, part: Path) -> None:
        if self._seal is None:
            return
        try:
            self._seal.file(part, self._path.suffix)
        except SinkError as error:  # hours of recording are worth more
            log.warning("%s has no seal: %s", self.name, error)
            self.unsealed = f"{self.name} was saved without content credentials: {error}"

    def abort(self) -> None:
        """Remove the unfinished file; a finished one stays."""
        with self._lock:
            if self._open:
                self._discard()

    def _times(self, captured_at: float) -> list[Fraction]:
        """When a frame is shown, seconds from the start; with ``live`` never, or several times."""
        if self._first_at is None:
            self._first_at = captured_at
        since = captured_at - self._first_at
        if not self._live:
            at = round(since / TICK) * TICK
            return [at if at > self._length - 1 / self._rate else self._length]
        missing = round(since * self._rate) + 1 - self._count
        if abs(missing) > MOST_REPEATS_S * self._rate:  # the clock jumped, or stood
            self._first_at += float((missing - 1) / self._rate)
            missing = 1
        return [(self._count + n) / self._rate for n in range(missing)]

    def _discard(self) -> None:
        """Close whatever is open and remove the file, in whatever state it is."""
        self._open = False
        with contextlib.suppress(av.FFmpegError, AttributeError):  # not even the stream was made
            if self._count:  # FFmpeg crashes on a trailer where no packet came before it
                self._container.mux(self._stream.encode(None))
            self._container.close()
        if self._sound is not None:
            self._sound.close()
        self._file.discard()
        self._forget_note()

    def _forget_note(self) -> None:
        if self._note is not None:
            self._note.end()

    def _failure(self, error: Exception) -> SinkError:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT):
            return SinkError(
                f"The disk is full: {self.name} was given up.", "Free some space, then try again."
            )
        reason = getattr(error, "strerror", None) or error
        return SinkError(f"{self._path} cannot be written ({reason}).", "Choose another place.")


def check_target(path: Path) -> None:
    """Raise ``SinkError`` where a recording at ``path`` cannot begin; leaves nothing behind."""
    if path.suffix.lower() not in SUFFIXES:
        raise SinkError(
            f"{path.name} ends in {path.suffix or 'nothing'}: recordings are MP4 files.",
            "Choose a name that ends in .mp4.",
        )
    if not path.parent.is_dir():
        raise SinkError(f"There is no folder {path.parent}.", "Choose another place.")
    try:
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # its name may be too long
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix="."):
            pass
    except OSError as error:
        raise SinkError(
            f"{path} cannot be written ({error.strerror or error}).", "Choose another place."
        ) from error
    if path.is_dir():
        raise SinkError(f"{path} is a folder, not a file name.")


def _free_name(path: Path) -> Path:
    """Where the unfinished file lies: beside ``path``, playable by its name."""
    stem = path.stem[:MOST_OF_THE_NAME]
    names = (path.with_name(f"{stem}.part{n or ''}{path.suffix}") for n in itertools.count())
    return next(name for name in names if not name.exists())
