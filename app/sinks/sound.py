"""The sound of a clip, carried over into a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

MP4_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})


class Sound:
    """Copies the first sound track of a file, or encodes it to AAC where MP4 cannot hold it.

    Construct it before the first packet is written; raises ``av.FFmpegError`` or ``OSError`` where
    the file cannot be read. ``present`` is False for a file without sound.
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        self._output = output
        self._input = av.open(str(path), metadata_errors="replace")
        self._waiting: Packet[AudioStream] | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self.present = bool(self._input.streams.audio)
        if not self.present:
            return
        source = self._input.streams.audio[0]
        if source.codec_context.codec.canonical_name in MP4_CODECS:
            target: AudioStream = output.add_stream_from_template(source)
            self._packets = _copied(self._input, source, target)
        else:
            target = output.add_stream("aac", rate=source.codec_context.sample_rate or 48000)
            target.bit_rate = 160_000
            self._packets = _encoded(self._input, source, target)

    def write_until(self, seconds: float) -> None:
        """Write the packets that begin before ``seconds`` of the recording."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base and stamp * packet.time_base >= seconds:
                self._waiting = packet
                return
            self._output.mux(packet)

    def close(self) -> None:
        """Close the input; may be called twice."""
        self._packets = iter(())
        self._input.close()


def _start_s(container: av.container.InputContainer) -> float:
    """Where the picture begins, so that sound keeps its distance to it."""
    video = container.streams.video
    if video and video[0].start_time is not None and video[0].time_base is not None:
        return float(video[0].start_time * video[0].time_base)
    return 0.0


def _copied(
    container: av.container.InputContainer, source: AudioStream, target: AudioStream
) -> Iterator[Packet[AudioStream]]:
    start_s = _start_s(container)
    for packet in container.demux(source):
        if packet.dts is None or packet.time_base is None:
            continue
        shift = round(start_s / packet.time_base)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts < 0:
            continue
        packet.stream = target
        yield packet


def _encoded(
    container: av.container.InputContainer, source: AudioStream, target: AudioStream
) -> Iterator[Packet[AudioStream]]:
    start_s = _start_s(container)
    for packet in container.demux(source):
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # a gap in the sound is no reason to lose the picture
            continue
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(start_s / frame.time_base)
                if frame.pts < 0:
                    continue
            yield from target.encode(frame)
    yield from target.encode(None)
