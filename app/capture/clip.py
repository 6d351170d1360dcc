"""A video file as a source, decoded with FFmpeg's libraries (PyAV)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from app.capture.pacing import Pacer
from app.capture.source import SourceInfo
from app.errors import CaptureError
from app.frame import Frame, Pixels

MAX_SIDE = 8192
DEFAULT_RATE = 25.0
MOST_LATE_S = 0.5  # beyond it the clip slows down rather than jump
BT709, UNSPECIFIED = 1, 2  # matrix coefficients of ISO/IEC 23091-2
SAY_THEIR_LENGTH = ("mov", "matroska", "avi", "asf", "flv")  # elsewhere FFmpeg guesses it
HD_HEIGHT = 577  # players take an untagged picture for BT.709 from here on


class Clip:
    """Gives the frames of a file in order, turned upright.

    With ``realtime`` each frame comes at its time and late ones are left out, never queued;
    otherwise every frame comes as fast as it is read, ``captured_at`` being its time in the clip.
    ``loop`` starts again at the end. A file that breaks off gives the frames it has, then raises
    ``CaptureError``.
    """

    def __init__(self, path: Path, *, realtime: bool = True, loop: bool = False) -> None:
        self._name = path.name
        self._realtime, self._loop = realtime, loop
        self._pacer = Pacer()
        self._lock = threading.Lock()
        self._container = _opened(path)
        with contextlib.ExitStack() as undo:
            undo.callback(self._container.close)
            self._stream = _video_stream(self._container, self._name)
            self._stream.thread_type = "AUTO"
            self._rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
            self._rate = self._rate if 0 < self._rate <= 1000 else DEFAULT_RATE
            self._expected = self._stream.frames
            self._length_s = _length_said(self._container, self._stream)
            self._index = -1  # of the frame decoded last, over all loops
            self._in_pass = 0  # frames decoded since the start of the file
            self._pass_start_s = 0.0
            self._ended_s = 0.0
            self._first_s: float | None = None
            self._frames = self._decoded()
            self._pending = self._next()
            if self._pending is None:
                raise CaptureError(f"{self._name} holds no frame of video.", "Use an intact file.")
            pixels = _upright(self._pending[1])
            undo.pop_all()
        height, width = pixels.shape[:2]
        count = None if loop else max(self._expected or round(self._length_s * self._rate), 1)
        self._info = SourceInfo(
            self._name, width, height, self._rate, live=False, frame_count=count
        )

    @property
    def info(self) -> SourceInfo:
        """Size, rate and the number of frames the file says it has."""
        return self._info

    def read(self) -> Frame | None:
        """The next frame; None at the end or once closed."""
        with self._lock:
            while not self._pacer.closed:
                item, self._pending = self._pending or self._next(), None
                if item is None:
                    return None
                at_s, decoded = item
                if self._realtime and not self._due(at_s):
                    continue
                if self._pacer.closed:
                    return None
                captured_at = time.monotonic() if self._realtime else at_s
                return Frame(_upright(decoded), self._index, captured_at)
            return None

    def close(self) -> None:
        """Close the file."""
        self._pacer.close()
        with self._lock:
            self._container.close()

    def _due(self, at_s: float) -> bool:
        late_s = self._pacer.elapsed_s() - at_s
        if late_s > MOST_LATE_S:
            self._pacer.slip(late_s)
        elif late_s > 1 / self._rate:
            return False
        self._pacer.wait_until(at_s)
        return True

    def _next(self) -> tuple[float, VideoFrame] | None:
        """The next frame and its time in seconds from the start, over all loops."""
        frame = next(self._frames, None)
        if frame is None and self._loop and self._in_pass:
            self._container.seek(0)
            self._pass_start_s, self._in_pass = self._ended_s, 0
            self._frames = self._decoded()
            frame = next(self._frames, None)
        if frame is None:
            return None
        stamp = frame.time
        if self._first_s is None:
            self._first_s = stamp if stamp is not None else 0.0
        guess_s = self._in_pass / self._rate
        at_s = self._pass_start_s + (guess_s if stamp is None else max(0.0, stamp - self._first_s))
        self._index += 1
        self._in_pass += 1
        self._ended_s = at_s + 1 / self._rate
        return at_s, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        """Frames from here to the end; ``CaptureError`` where the file ends before its time."""
        given = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    if given and not self._realtime:  # a lost frame would shift picture and sound
                        raise
                    continue
                for frame in frames:
                    given += 1
                    yield frame
        except (av.FFmpegError, OSError) as error:
            raise self._broken(given) from error
        if given and self._cut_short(given):
            raise self._broken(given)

    def _cut_short(self, given: int) -> bool:
        if self._expected:
            return given < self._expected - max(3, self._expected // 50)
        if not self._container.format.name.startswith(SAY_THEIR_LENGTH):
            return False
        missing_s = self._length_s - (self._ended_s - self._pass_start_s)
        return missing_s > max(0.5, self._length_s / 20)

    def _broken(self, given: int) -> CaptureError:
        if not given:
            return CaptureError(f"{self._name} is damaged: not one frame of it can be read.")
        of = f" of {self._expected}" if self._expected else ""
        return CaptureError(
            f"{self._name} breaks off after frame {given}{of}.", "The frames before it were used."
        )


def _opened(path: Path) -> InputContainer:
    name = path.name
    if path.is_dir():
        raise CaptureError(f"{path} is a folder, not a file.")
    try:
        if path.stat().st_size == 0:
            raise CaptureError(f"{name} is empty.", "Use an intact file.")
        return av.open(str(path), metadata_errors="replace")  # titles in Latin-1
    except (av.InvalidDataError, av.error.EOFError) as error:
        raise CaptureError(
            f"{name} is no video that can be read here, or its end is missing.",
            "Use an intact MP4, MKV, MOV, WebM, AVI or MPEG file.",
        ) from error
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error
    except av.FFmpegError as error:
        raise CaptureError(f"{name} cannot be read as a video ({error.strerror}).") from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:  # its codec is none that is known here
                raise CaptureError(f"{name} holds no video that can be read here.")
            width, height = stream.codec_context.width, stream.codec_context.height
            if width > MAX_SIDE or height > MAX_SIDE:
                raise CaptureError(
                    f"{name} is {width} x {height} pixels; at most {MAX_SIDE} on a side can be "
                    "used."
                )
            return stream
    if container.streams.audio:
        raise CaptureError(f"{name} holds sound but no picture.", "Use a video.")
    raise CaptureError(f"{name} holds no video.")


def _length_said(container: InputContainer, stream: VideoStream) -> float:
    """The length of the picture in seconds; 0 where the file says nothing to rely on."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")  # Matroska: 00:00:03.040000000
    if len(parts) == 3:
        with contextlib.suppress(ValueError):
            return int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
    if container.duration and len(container.streams.get()) == 1:
        return container.duration / 1_000_000  # AV_TIME_BASE
    return 0.0


def _upright(frame: VideoFrame) -> Pixels:
    """BGR pixels, turned as the file says (its display matrix)."""
    matrix = int(frame.colorspace)
    hd = matrix == BT709 or (matrix == UNSPECIFIED and frame.height >= HD_HEIGHT)
    pixels = frame.to_ndarray(
        format="bgr24", src_colorspace=Colorspace.ITU709 if hd else Colorspace.ITU601
    )
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns) if turns else pixels)
