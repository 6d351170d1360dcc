"""The pixel work on a GPU: decides per face what the kernels need to know, and puts it there."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError
from app.frame import Face, Matrix, Pixels, Points
from app.pixel_work.contract import HOST, Canvas, Place
from app.pixel_work.on_host import HostCanvas, HostWork, finish
from app.provenance.badge import place_badge
from app.provenance.watermark import mark_levels, takes_mark
from app.settings import BadgeSettings, Settings
from app.stages.align import invert, plan_crop, similarity, transform
from app.stages.composite import doubles, region_of, sharpening
from app.stages.doubt import check_shown
from app.stages.identity import Identity
from app.stages.mask import outline_mask, outline_softness
from app.stages.occlude import asked
from app.stages.track import FaceFinder
from app.timing import Timing
from engines.detector import Window
from engines.device.chain import Chain, Passage
from engines.device.parameters import LIGHTS, FaceWork
from engines.errors import EngineError
from engines.loading import Engines
from engines.swapper import GeneratorLayout, check_identity

SPARED = "What is before the face is looked for on the CPU."

_log = logging.getLogger(__name__)


class DeviceWork:
    """The pixel work on the device of ``chain``; ``why`` says what faster networks it cannot have.

    Where the device fails the frame fails with it (``EngineError``), which hides it, and the host
    does the work from then on; ``problem`` says why. What needs the occluder is painted by the host
    as long as it is asked for; faces are found on the device all the same. Closes the chain.
    """

    def __init__(
        self,
        engines: Engines,
        timing: Timing,
        chain: Chain,
        layout: GeneratorLayout,
        why: str = "",
    ) -> None:
        self._why = why
        self._host = HostWork(engines, timing)
        self._chain, self._layout, self.timing = chain, layout, timing
        self.finder: FaceFinder = engines.detector.looking(self._candidates)
        self._on_host = engines.detector.candidates
        self._lights, self._name = Lights(), engines.swapper.name
        self._open: DeviceCanvas | None = None
        self._on_their_way: list[DeviceCanvas] = []  # those that hold a slot, oldest first
        self.problem: EngineError | None = None
        self._occludes = engines.occluder is not None or engines.reserve is not None
        self._spares = False  # the last face was painted by the host

    @property
    def place(self) -> Place:
        """The device, or the CPU once the device failed."""
        if self.problem is not None:
            return Place(HOST, str(self.problem))
        if self._spares:
            return Place(HOST, SPARED)
        return Place(self._chain.device, self._why, self._chain.engine)

    @property
    def overlaps(self) -> bool:
        """Whether a frame can be on its way down while the next one is worked on."""
        return self._chain.slots > 1

    @property
    def graphs(self) -> int:
        """How many graphs the chain has captured."""
        return self._chain.graphs

    def open(self, seen: Pixels) -> Canvas:
        """Start the frame on its way up."""
        self._open = None
        self._make_room(seen)
        if self.problem is None:
            try:
                canvas = DeviceCanvas(self, self._chain.open(seen), seen)
            except EngineError as error:
                self.give_up(error)
            else:
                self._open = canvas
                self._on_their_way.append(canvas)
                return canvas
        return self._host.open(seen)

    def _make_room(self, seen: Pixels) -> None:
        """Give up what was not sent, what is of another size, and the oldest of too many."""
        for canvas in self._on_their_way:
            if not canvas.sent or canvas.seen.shape != seen.shape:
                canvas.drop()
        self._on_their_way = [canvas for canvas in self._on_their_way if not canvas.over]
        while len(self._on_their_way) >= self._chain.slots:
            self._on_their_way.pop(0).drop()

    def keep(self, track_ids: set[int]) -> None:
        """Forget the light of all other faces."""
        self._lights.keep(track_ids)
        self._host.keep(track_ids)

    def reset(self) -> None:
        """Forget all faces."""
        self._lights = Lights()
        self._host.reset()

    def close(self) -> None:
        """Free the chain."""
        self._open = None
        self._on_their_way.clear()
        try:
            self._chain.close()
        except EngineError as error:
            self.give_up(error)

    def on_host(self, seen: Pixels, settings: Settings) -> HostCanvas | None:
        """A canvas of the host where ``settings`` ask for what the device cannot do."""
        self._spares = self._occludes and asked(settings.mask)
        return self._host.open(seen) if self._spares else None

    def painted(self) -> None:
        """The faces noted so far were put on the device."""
        self._lights.painted()

    def give_up(self, error: EngineError) -> None:
        """From the next frame on the host does the work."""
        if self.problem is None:
            self.problem = error
            _log.warning("The GPU chain stopped, the CPU goes on: %s", error)

    def face_work(
        self, face: Face, size: tuple[int, int], settings: Settings, identity: Identity
    ) -> FaceWork:
        """What the kernels need to know of a face in a frame of ``size`` (width, height)."""
        layout, mask = self._layout, settings.mask
        check_identity(self._name, identity.prepared)
        side = layout.crop_size
        matrix = similarity(face.landmarks, layout.template)
        crop = plan_crop(*size, matrix, side)
        paste_from, region, doubled = _paste(matrix, side, size)
        outline = None
        if mask.kind == "hull":
            outline = outline_mask(side, transform(face.landmarks, matrix), mask.feather)
        strength = settings.color.match
        light, fresh = self._lights.row(face.track_id) if strength > 0 else (0, False)
        return FaceWork(
            crop_from=_inverse(crop.warp),
            part=crop.part,
            halvings=crop.halvings,
            paste_from=paste_from,
            region=region,
            doubled=doubled,
            sharpen=sharpening(matrix),
            paddings=(mask.top, mask.right, mask.bottom, mask.left),
            feather=mask.feather,
            outline=outline,
            soft=outline_softness(side, mask.feather),
            strength=strength,
            light=light,
            fresh=fresh,
            source=identity.prepared.tensors,
        )

    def _candidates(self, picture: Pixels, window: Window, threshold: float) -> NDArray[np.float32]:
        canvas = self._open
        if canvas is not None and canvas.seen is picture:
            try:
                found = canvas.search(window, threshold)
            except EngineError as error:
                self.give_up(error)
                raise
            if found is not None:
                return found
        return self._on_host(picture, window, threshold)


class DeviceCanvas:
    """One frame on the device; swaps are collected and put there at once."""

    def __init__(self, work: DeviceWork, passage: Passage, seen: Pixels) -> None:
        self.seen = seen
        self._work, self._passage = work, passage
        self._faces: list[FaceWork] = []
        self._guarded: list[Points] = []
        self._pixels: Pixels | None = None  # once they were asked for
        self.sent = self.over = False  # on its way down; at its end, however it went
        self._marked = False
        self._host: HostCanvas | None = None  # paints instead of the device

    def search(self, window: Window, threshold: float) -> NDArray[np.float32] | None:
        """Candidates on the device; ``None`` where no network is there for this canvas."""
        if self.over or self.sent or not self._passage.can_search(window):
            return None
        return self._passage.search(window, threshold)

    def swap(
        self, face: Face, settings: Settings, identity: Identity, *, guarded: bool = False
    ) -> None:
        """Note the face; the device is asked when the picture is wanted."""
        if self._host is None and not self._faces:
            self._host = self._work.on_host(self.seen, settings)
            if self._host is not None:
                self.drop()
        if self._host is not None:
            self._host.swap(face, settings, identity, guarded=guarded)
            return
        if guarded:
            self._guarded.append(face.landmarks)
        height, width = self.seen.shape[:2]
        with self._work.timing.stage("align"):
            self._faces.append(self._work.face_work(face, (width, height), settings, identity))

    def pixels(self) -> Pixels:
        """The painted picture brought down, without badge and mark."""
        if self._host is not None:
            return self._host.pixels()
        if self._pixels is None:
            self.send(None)
            self._pixels = self._collect()
        return self._pixels

    def finished(self, badge: BadgeSettings) -> Pixels:
        """With badge and mark: laid on the device, or here where it came down before."""
        if self._host is not None:
            return self._host.finished(badge)
        if self._pixels is None:
            self.send(badge)
            self._pixels = self._collect()
        if not self._marked:
            finish(self._pixels, badge, self._work.timing)
            self._marked = True
        return self._pixels

    def send(self, badge: BadgeSettings | None) -> bool:
        """Start it on its way down, so that it may be asked for after the next ``open``."""
        if self._host is not None:
            return False
        if not self.sent:
            self._send(badge)
        return self._work.overlaps

    def drop(self) -> None:
        """Do without the frame."""
        if not self.over:
            self.over = True
            try:
                self._passage.drop()
            except EngineError as error:
                self._work.give_up(error)

    def _send(self, badge: BadgeSettings | None) -> None:
        height, width = self.seen.shape[:2]
        try:
            with self._work.timing.stage("swap"):
                self._passage.paint(self._faces)
                self._work.painted()
                if badge is not None:
                    placed = place_badge(height, width, badge)
                    if placed is not None:
                        self._passage.lay_badge(*placed)
                    if takes_mark(height, width):
                        self._passage.lay_mark(mark_levels(height, width))
                self._passage.send()
        except AppError as error:
            self._fail(error)
        self.sent, self._marked = True, badge is not None

    def _collect(self) -> Pixels:
        if self.over:
            raise EngineError("The frame was given up before it was finished.")
        try:
            with self._work.timing.stage("collect"):
                pixels = self._passage.collect()
        except AppError as error:
            self._fail(error)
        self.over = True
        for landmarks in self._guarded:
            check_shown(self.seen, pixels, landmarks)
        return pixels

    def _fail(self, error: AppError) -> None:
        self.over = True
        problem = error if isinstance(error, EngineError) else EngineError(str(error))
        self._work.give_up(problem)
        raise problem


class Lights:
    """Which row of the device's memory holds which track's light."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._known: set[int] = set()  # tracks whose row was used on the device

    def row(self, track_id: int) -> tuple[int, bool]:
        """The track's row, and whether another's light is still in it; the oldest makes room."""
        if track_id not in self._rows:
            if len(self._rows) >= LIGHTS:
                self.keep(set(list(self._rows)[1:]))
            used = set(self._rows.values())
            self._rows[track_id] = next(n for n in range(LIGHTS) if n not in used)
        return self._rows[track_id], track_id not in self._known

    def painted(self) -> None:
        """All rows given out so far were used."""
        self._known = set(self._rows)

    def keep(self, track_ids: set[int]) -> None:
        """Free the rows of all other tracks."""
        self._rows = {track: row for track, row in self._rows.items() if track in track_ids}
        self._known &= track_ids


def _paste(
    matrix: Matrix, side: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], tuple[int, int, int, int], bool]:
    """Region pixel -> (doubled) crop pixel, the region of the frame, and whether it is doubled."""
    doubled = doubles(matrix)
    # One pixel more on each side, as the patch of the kernels has when doubled.
    to_frame = invert(matrix).astype(np.float64)
    shift = np.array([[1, 0, -1], [0, 1, -1], [0, 0, 1]], np.float64)
    left, top, right, bottom = region_of(to_frame @ shift, side + 2, side + 2, *size)
    to_crop = np.vstack((_inverse(to_frame), (0, 0, 1)))
    to_crop = to_crop @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    if doubled:  # x_doubled = 2 (x_crop + 1 + .5) - .5
        to_crop = np.array([[2, 0, 2.5], [0, 2, 2.5], [0, 0, 1]]) @ to_crop
    region = (left, top, max(0, right - left), max(0, bottom - top))
    return to_crop[:2], region, doubled


def _inverse(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    full = np.vstack((matrix.astype(np.float64), (0.0, 0.0, 1.0)))
    return np.asarray(np.linalg.inv(full)[:2], np.float64)
