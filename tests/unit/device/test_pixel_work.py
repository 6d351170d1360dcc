"""What all pixel work promises: the host's is the reference, a device's is equal to a grey level.

The emulated device runs the GPU kernels' own source on the CPU and checks their order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Face, Pixels
from app.pixel_work.contract import HOST, PixelWork
from app.pixel_work.on_device import SPARED
from app.pixel_work.on_host import HostWork
from app.provenance.mark_search import find_mark
from app.settings import BadgeSettings, ColorSettings, MaskSettings, Settings
from app.timing import Timing
from engines.device.driver import Driver
from engines.swapper import PreparedIdentity
from tests.helpers.device_scene import BADGE, SETTINGS, Scene, face, picture
from tests.helpers.emulated_device import EmulatedDriver
from tests.helpers.fake_occluder import FakeOccluder, parts

PLAIN = replace(SETTINGS, color=ColorSettings(match=0.0))  # no memory of earlier frames
# A grey level, but for two pixels in ten thousand: where colour and weight both lie half way
# between two levels, each may be rounded the other way, which makes two.
MOST, TWICE_AS_MUCH = 1, 2e-4


def _cuda(tmp_path: Path) -> Driver:
    from engines.device.cuda_driver import CudaDriver

    return CudaDriver(tmp_path)


@pytest.fixture(params=["host", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def work(request: pytest.FixtureRequest, scene: Scene, tmp_path: Path) -> Iterator[PixelWork]:
    if request.param == "host":
        yield HostWork(scene.engines, Timing())
        return
    try:
        driver = EmulatedDriver(1) if request.param == "emulated" else _cuda(tmp_path)
    except EngineError as error:
        pytest.skip(str(error))
    made = scene.work(driver)
    yield made
    assert made.problem is None
    made.close()
    driver.close()


Painted = Callable[[PixelWork], Pixels]


def _paint(
    work: PixelWork,
    scene: Scene,
    seen: Pixels,
    faces: Sequence[Face],
    settings: Settings = SETTINGS,
) -> Pixels:
    canvas = work.open(seen)
    for one in faces:
        canvas.swap(one, settings, scene.identity())
    return canvas.finished(settings.badge)


def _agree(got: Pixels, expected: Pixels) -> None:
    assert got.shape == expected.shape
    assert got.dtype == np.uint8
    difference = np.abs(got.astype(int) - expected).max(axis=2)
    assert (difference > MOST).mean() <= TWICE_AS_MUCH
    assert difference.max() <= 2 * MOST


def _expect(work: PixelWork, scene: Scene, seen: Pixels, faces: Sequence[Face], s: Settings) -> int:
    """Paint on ``work`` and on the host, the same to a grey level; how many pixels changed."""
    expected = _paint(HostWork(scene.engines, Timing()), scene, seen, faces, s)
    got = _paint(work, scene, seen, faces, s)
    _agree(got, expected)
    return int((np.abs(got.astype(int) - seen).max(axis=2) > 4).sum())


@pytest.mark.parametrize(
    "faces",
    [
        [face(160, 120, 60)],  # about the crop's own size
        [face(160, 120, 130)],  # magnified: sharpened
        [face(160, 120, 200)],  # doubled
        [face(150, 110, 30, turn=0.4)],  # small
        [face(5, 8, 120, turn=-0.7)],  # half out of the frame
        [face(100, 120, 90), face(160, 125, 90, track=2)],  # one over the other
        [face(60 + 60 * n, 60 + 30 * n, 40 + 20 * n, 0.3 * n, track=n) for n in range(4)],
    ],
    ids=["plain", "sharpened", "doubled", "small", "border", "overlapping", "four"],
)
def test_faces_are_swapped(work: PixelWork, scene: Scene, faces: list[Face]) -> None:
    assert _expect(work, scene, picture(), faces, PLAIN) > 200


def test_a_face_far_larger_than_the_crop(work: PixelWork, scene: Scene) -> None:
    seen = picture(720, 960)
    assert _expect(work, scene, seen, [face(480, 360, 560, 0.1)], SETTINGS) > 20_000


@pytest.mark.parametrize(
    "mask",
    [
        MaskSettings(kind="rectangle"),
        MaskSettings(kind="rectangle", feather=0.0, top=0.0, left=0.0, right=0.0, bottom=0.0),
        MaskSettings(feather=0.0),
        MaskSettings(feather=0.3, top=0.2),
    ],
    ids=["rectangle", "whole", "hard", "soft"],
)
def test_masks(work: PixelWork, scene: Scene, mask: MaskSettings) -> None:
    settings = replace(PLAIN, mask=mask)
    for across in (60, 160):
        assert _expect(work, scene, picture(), [face(160, 120, across, 0.2)], settings) > 100


@pytest.mark.parametrize(
    "mask",
    [MaskSettings(occluder=True), MaskSettings(keep_mouth=True), MaskSettings(keep_eyes=True)],
    ids=["occluder", "mouth", "eyes"],
)
def test_what_is_before_a_face_is_left_out_by_the_host(scene: Scene, mask: MaskSettings) -> None:
    left = np.zeros((128, 128), np.uint8)
    left[:, :64] = 255
    answer = parts(left, eyes=left, mouth=left)
    engines = replace(scene.engines, occluder=FakeOccluder(answer))  # type: ignore[arg-type]
    spared = replace(scene, engines=engines)
    with contextlib.ExitStack() as opened:
        driver = EmulatedDriver(1)
        opened.callback(driver.close)
        work = spared.work(driver)
        opened.callback(work.close)
        device, faces = work.place, [face(160, 120, 100), face(60, 60, 60, track=2)]
        plain = _paint(work, spared, picture(), faces, PLAIN)
        settings = replace(PLAIN, mask=mask)
        got = _paint(work, spared, picture(), faces, settings)
        assert (work.place.name, work.place.why) == (HOST, SPARED)
        expected = _paint(HostWork(engines, Timing()), spared, picture(), faces, settings)
        np.testing.assert_array_equal(got, expected)
        assert np.abs(got.astype(int) - plain).max() > 4
        _agree(_paint(work, spared, picture(), faces, PLAIN), plain)
        assert work.place == device
        assert work.problem is None


def test_the_light_follows_over_frames_and_jumps(work: PixelWork, scene: Scene) -> None:
    host = HostWork(scene.engines, Timing())
    for number, gain in enumerate((1.0, 0.97, 0.95, 0.5, 0.55, 1.0)):
        seen = np.rint(picture(seed=3) * gain).astype(np.uint8)
        faces = [face(150 + number, 120, 100), face(60, 60, 60, track=2)]
        work.keep({1, 2} if number < 4 else {1})
        host.keep({1, 2} if number < 4 else {1})
        _agree(_paint(work, scene, seen, faces), _paint(host, scene, seen, faces))
    work.reset()
    host.reset()
    _agree(_paint(work, scene, picture(), faces), _paint(host, scene, picture(), faces))


@pytest.mark.parametrize("shape", [(240, 320), (96, 132), (241, 323), (33, 47)])
def test_without_faces_there_are_badge_and_mark(
    work: PixelWork, scene: Scene, shape: tuple[int, int]
) -> None:
    seen = np.full((*shape, 3), 128, np.uint8)
    for place in ("top left", "bottom right"):
        settings = replace(SETTINGS, badge=BadgeSettings(position=place))
        assert _expect(work, scene, seen, [], settings) > 0
    bare = _paint(work, scene, seen, [], replace(SETTINGS, badge=BadgeSettings(enabled=False)))
    assert 0 < np.abs(bare.astype(int) - 128).max() <= 3


def test_the_mark_is_found_again(work: PixelWork, scene: Scene) -> None:
    seen = np.full((360, 480, 3), 120, np.uint8)
    assert find_mark([_paint(work, scene, seen, [face(240, 180, 100)])]).marked


def test_the_input_is_never_written_and_outputs_are_apart(work: PixelWork, scene: Scene) -> None:
    seen = picture()
    seen.flags.writeable = False
    before = seen.copy()
    first = _paint(work, scene, seen, [face(160, 120, 100)])
    kept = first.copy()
    _paint(work, scene, picture(seed=5), [face(100, 120, 80)])
    assert np.array_equal(seen, before)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("marked", [True, False], ids=["finished", "drawn on"])
def test_a_frame_goes_on_while_the_next_one_is_opened(
    work: PixelWork, scene: Scene, marked: bool
) -> None:
    host = HostWork(scene.engines, Timing())
    shown: dict[PixelWork, list[Pixels]] = {work: [], host: []}
    for one, out in shown.items():
        sent = []
        for number in range(4):
            canvas = one.open(picture(seed=number))
            canvas.swap(face(120 + 10 * number, 120, 90), SETTINGS, scene.identity())
            canvas.send(BADGE if marked else None)
            sent.append(canvas)
            if number:
                before = sent.pop(0)
                if not marked:
                    before.pixels()[:20] = 0
                out.append(before.finished(BADGE))
        out.append(sent[0].finished(BADGE))
    for got, expected in zip(*shown.values(), strict=True):
        _agree(got, expected)


def test_what_was_painted_may_be_drawn_on(work: PixelWork, scene: Scene) -> None:
    canvas = work.open(picture())
    canvas.swap(face(160, 120, 100), SETTINGS, scene.identity())
    canvas.pixels()[:40] = 0
    done = canvas.finished(BADGE)
    assert done[:40].max() <= 3  # the mark alone
    assert find_mark([done]) is not None


def test_a_canvas_may_be_given_up(work: PixelWork, scene: Scene) -> None:
    for seed in range(5):
        canvas = work.open(picture(seed=seed))
        if seed % 2:
            canvas.swap(face(160, 120, 100), SETTINGS, scene.identity())
    _expect(work, scene, picture(), [face(160, 120, 100)], PLAIN)


def test_frames_may_change_their_size(work: PixelWork, scene: Scene) -> None:
    for shape in ((240, 320), (120, 160), (240, 320)):
        _expect(work, scene, picture(*shape), [face(80, 60, 60)], PLAIN)


def test_each_face_may_have_its_own_identity(work: PixelWork, scene: Scene) -> None:
    faces = [face(80, 120, 80), face(240, 120, 80, track=2)]
    host = HostWork(scene.engines, Timing())
    for shift in (0.1, 0.3, -0.2, 0.3):
        pictures = []
        for one in (work, host):
            canvas = one.open(picture())
            canvas.swap(faces[0], SETTINGS, scene.identity(shift))
            canvas.swap(faces[1], SETTINGS, scene.identity(-shift))
            pictures.append(canvas.finished(BADGE))
        _agree(*pictures)


def test_an_identity_of_another_swapper_gets_a_sentence(work: PixelWork, scene: Scene) -> None:
    other = replace(scene.identity(), prepared=PreparedIdentity("other", {}))
    canvas = work.open(picture())
    with pytest.raises(EngineError, match="prepared for other"):
        canvas.swap(face(160, 120, 100), SETTINGS, other)
    assert canvas.finished(BADGE).shape == (240, 320, 3)


def test_faces_are_found_in_the_open_frame_and_in_any_other(work: PixelWork, scene: Scene) -> None:
    seen = np.zeros((240, 320, 3), np.uint8)
    seen[96:128, 160:192, 0] = 250
    other = np.ascontiguousarray(seen[:, ::-1])
    work.open(seen)
    for shown in (seen, other):
        expected = scene.engines.detector.detect(shown, 0.5)
        got = work.finder.detect(shown, 0.5)
        assert len(got) == len(expected) > 0
        for one, two in zip(got, expected, strict=True):
            np.testing.assert_allclose(one.landmarks, two.landmarks, atol=0.01)
            np.testing.assert_allclose(one.box, two.box, atol=0.01)
        for stretch, least in ((1.0, 0.5), (1.6, 0.1)):
            box = expected[0].box
            near = work.finder.detect_near(shown, box, least, stretch=stretch)
            assert near is not None
            reference = scene.engines.detector.detect_near(shown, box, least, stretch=stretch)
            assert reference is not None
            np.testing.assert_allclose(near.landmarks, reference.landmarks, atol=0.01)
    assert work.finder.detect(np.zeros((240, 320, 3), np.uint8), 0.5) == []


def test_a_picture_full_of_candidates(work: PixelWork, scene: Scene) -> None:
    seen = np.zeros((240, 320, 3), np.uint8)
    seen[..., 0] = 255
    work.open(seen)
    expected = scene.engines.detector.detect(seen, 0.5)
    got = work.finder.detect(seen, 0.5)
    assert len(got) == len(expected) > 5
    np.testing.assert_allclose([a.box for a in got], [b.box for b in expected], atol=0.01)
