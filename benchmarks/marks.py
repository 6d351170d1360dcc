"""How robust the invisible mark is: ``python -m benchmarks.marks FOLDER`` of videos.

Frames of each video are brought to 1280x720, marked, changed in the ways below, and searched one by
one; the unmarked ones give the false alarms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from app.capture.clip import Clip
from app.frame import Pixels
from app.provenance.mark_search import THRESHOLD, find_mark
from app.provenance.watermark import apply_mark

WIDTH, HEIGHT, RATE = 1280, 720, 25
BITS_A_SECOND = 1_000_000


def frames_of(path: Path, most: int) -> list[Pixels]:
    """The first frames, cut to 16:9 and scaled to 720p."""
    frames: list[Pixels] = []
    clip = Clip(path, realtime=False)
    try:
        while len(frames) < most and (frame := clip.read()) is not None:
            height, width = frame.pixels.shape[:2]
            kept = min(height, round(width * HEIGHT / WIDTH))
            top = (height - kept) // 2
            part = frame.pixels[top : top + kept]
            big = cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            frames.append(np.asarray(big, np.uint8))
    finally:
        clip.close()
    return frames


def h264(frames: list[Pixels]) -> list[Pixels]:
    """Encoded at 1 Mbit/s and decoded again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coded.mp4"
        with av.open(str(path), "w") as container:
            rates = {"maxrate": str(BITS_A_SECOND), "bufsize": str(2 * BITS_A_SECOND)}
            stream = container.add_stream("libx264", Fraction(RATE), options=rates)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.bit_rate = BITS_A_SECOND
            for pixels in frames:
                container.mux(stream.encode(VideoFrame.from_ndarray(pixels, format="bgr24")))
            container.mux(stream.encode(None))
        return _decoded(path)


def _decoded(path: Path) -> list[Pixels]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def half(picture: Pixels) -> Pixels:
    """Both sides halved."""
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def mirror(picture: Pixels) -> Pixels:
    """Left for right."""
    return np.ascontiguousarray(picture[:, ::-1])


def crop(picture: Pixels) -> Pixels:
    """70 % of both sides, off the middle."""
    height, width = picture.shape[:2]
    top, left = round(0.2 * height), round(0.1 * width)
    return np.ascontiguousarray(
        picture[top : top + round(0.7 * height), left : left + round(0.7 * width)]
    )


def same(picture: Pixels) -> Pixels:
    """As it is."""
    return picture


CHANGES: dict[str, tuple[bool, Callable[[Pixels], Pixels]]] = {
    "as made": (False, same),
    "half size": (False, half),
    "mirror": (False, mirror),
    "crop to 70 %": (False, crop),
    "H.264 1 Mbit/s": (True, same),
    "H.264, half size": (True, half),
    "H.264, mirror": (True, mirror),
    "H.264, crop": (True, crop),
    "all four": (True, lambda picture: half(mirror(crop(picture)))),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of videos that are not marked")
    parser.add_argument("--frames", type=int, default=50, help="taken from each video")
    parser.add_argument("--every", type=int, default=10, help="of these, searched")
    arguments = parser.parse_args()
    scores: dict[str, list[float]] = {name: [] for name in ("unmarked", *CHANGES)}
    likeness: list[float] = []
    cost: list[float] = []
    for path in sorted(arguments.folder.iterdir()):
        plain = frames_of(path, arguments.frames)
        marked = [picture.copy() for picture in plain]
        for picture in marked:
            start = time.perf_counter()
            apply_mark(picture)
            cost.append((time.perf_counter() - start) * 1000)
        likeness += [cv2.PSNR(*pair) for pair in zip(plain, marked, strict=True)]
        coded = h264(marked)
        scores["unmarked"] += [find_mark([each]).score for each in plain[:: 2 * arguments.every]]
        for name, (is_coded, change) in CHANGES.items():
            for picture in (coded if is_coded else marked)[:: arguments.every]:
                scores[name].append(find_mark([change(picture)]).score)
    print(f"PSNR {min(likeness):.2f} dB at least, marking p50 {np.median(cost):.2f} ms at 720p")
    print(f"{'frame':<20}{'found':>12}{'least':>8}{'median':>8}   (needed: {THRESHOLD:.2f})")
    for name, found in scores.items():
        hits = sum(score >= THRESHOLD for score in found)
        share = f"{hits}/{len(found)}"
        middle = float(np.median(found))
        print(f"{name:<20}{share:>12}{min(found):>8.1f}{middle:>8.1f}   most {max(found):.1f}")


if __name__ == "__main__":
    main()
