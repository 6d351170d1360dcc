"""Small video files made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from tests.helpers.fakes import picture


def write_clip(
    path: Path,
    *,
    frames: int = 30,
    rate: int = 25,
    width: int = 64,
    height: int = 48,
    codec: str = "mpeg4",
    sound: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip whose frame ``n`` is a gradient with a bar of height ``n`` at its left edge."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.bit_rate = 2_000_000
        audio = container.add_stream(sound, rate=48000) if sound else None
        container.start_encoding()
        for number in range(frames):
            pixels = picture(width, height)
            pixels[: number % height, :8] = 255
            frame = VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            times = np.arange(round(frames / rate * 48000)) / 48000
            wave = (np.sin(times * 2 * np.pi * 440) * 9000).astype(np.int16)
            tone = AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A WAV file of a tenth of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        tone = AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        tone.sample_rate = 48000
        container.mux(stream.encode(tone))
        container.mux(stream.encode(None))
    return path


def bar_height(pixels: np.ndarray) -> int:
    """Which frame of ``write_clip`` this is."""
    return int((pixels[:, 2:6].min(axis=(1, 2)) > 180).sum())
