"""Clips for ``omokage swap`` and what is read of its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

Swap = Callable[..., int]  # source, target, further words; ``face`` names the source faces


def video_of(path: Path, frames: int, *, face_from: int = 0, sound: bool = False) -> Path:
    """A clip of 10 frames a second with one red square, moving, from frame ``face_from`` on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        track = container.add_stream("aac", rate=16000) if sound else None
        for index in range(frames):
            picture = np.full((240, 320, 3), 90, np.uint8)
            if index >= face_from:
                picture[60:160, 60 + 4 * index : 160 + 4 * index] = (0, 0, 255)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            tone = np.sin(np.arange(16000 * frames // 10) * 0.2).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate = 16000
            container.mux(track.encode(samples))
            container.mux(track.encode(None))
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def near(pixel: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= within)
