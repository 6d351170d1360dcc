"""Which video encoder there is, and pixels as it wants them."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.frame import Pixels

BT601_525 = 6  # ISO/IEC 23091-2: what OpenCV's BGR -> I420 computes
KEYFRAME_EVERY_S = 2  # and as much is lost when the process is killed
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
# The AVX-512 code of x264 (core 165; macroblock tree with B-frames) reads memory that was never
# written, seen with pictures 320 and 322 pixels wide and not 384 and 640. The same frames then
# encode differently from run to run; with its AVX2 code they do not.
AVX512_SKX = 256  # CV_CPU_AVX512_SKX: F, CD, BW, DQ and VL, which x264 asks for too
WITHOUT_AVX512 = {"x264-params": "asm=avx2"}


def add_video(
    container: OutputContainer, rate: Fraction, width: int, height: int, *, live: bool
) -> VideoStream:
    """A new video stream of an even size with the best encoder there is; colours described."""
    codec, options = _encoder(live=live)
    stream = container.add_stream(codec, rate=rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT601_525
    context.color_range = LIMITED_RANGE
    context.gop_size = max(1, round(rate * KEYFRAME_EVERY_S))
    return stream


def _encoder(*, live: bool) -> tuple[str, dict[str, str]]:
    """Name and options of the best encoder of this FFmpeg build: H.264, else MPEG-4 part 2."""
    if "libx264" in av.codecs_available:
        options = {"preset": "superfast" if live else "veryfast", "crf": "20"}
        # Only where the CPU has both: x264 does not check what it is told to use.
        if cv2.checkHardwareSupport(AVX512_SKX):
            options |= WITHOUT_AVX512
        return "libx264", options
    return "mpeg4", {"qscale": "3"}


def to_yuv(pixels: Pixels, width: int, height: int) -> VideoFrame:
    """BGR pixels as a 4:2:0 frame of an even size; fitted with black bars where sizes differ."""
    fitted = fit(pixels, width, height)
    planes = np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2YUV_I420), np.uint8)
    frame = VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = BT601_525, LIMITED_RANGE
    return frame


def fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture at a size: odd sides repeat their last line, others are scaled and centred."""
    tall, wide = pixels.shape[:2]
    if (wide, tall) == (width, height):
        return pixels
    if 0 <= width - wide <= 1 and 0 <= height - tall <= 1:
        return np.asarray(
            cv2.copyMakeBorder(
                pixels, 0, height - tall, 0, width - wide, borderType=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )
    scale = min(width / wide, height / tall)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    out = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    out[top : top + size[1], left : left + size[0]] = small
    return out
