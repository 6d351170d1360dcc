"""Two frames under way through the application's own pipeline and session, on the emulated device.

The device does its work late and in random order; what comes out must be what the host makes one
frame after the other, in order, each with its own verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as fuzz
from hypothesis import strategies as st

from app.errors import EngineError
from app.pipeline import Begun, Pipeline, Processed
from app.stages.privacy import Reason, Showing
from app.timing import Timing
from tests.helpers.device_scene import Scene
from tests.helpers.emulated_device import EmulatedDriver
from tests.helpers.in_flight import LIVE, SHAPES, on_device, seen

pytestmark = pytest.mark.usefixtures("tinting_is_swapping")
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Moment:
    """A frame to come: what is seen, what the user has set, and whether the next one waits."""

    there: bool = True
    swap: bool = True
    shape: int = 0
    waits: bool = True
    permitted: bool = True


MOMENTS = st.builds(
    Moment,
    there=st.sampled_from((True, True, True, False)),
    swap=st.sampled_from((True, True, True, True, False)),
    shape=st.sampled_from((0, 0, 0, 0, 1)),
    waits=st.booleans(),
    permitted=st.sampled_from((True,) * 7 + (False,)),
)


@given(SEEDS, st.lists(MOMENTS, min_size=2, max_size=12))
@fuzz(max_examples=25, deadline=None)
def test_each_frame_is_the_host_s_in_order(scene: Scene, seed: int, moments: list[Moment]) -> None:
    with on_device(scene, seed) as work:
        device, host = Pipeline(scene.engines, Timing(), work), Pipeline(scene.engines, Timing())
        refusal = [""]
        identity = replace(scene.identity(), permit=lambda: refusal[0])
        done: list[Processed] = []
        expected: list[Processed] = []
        waiting: list[Begun] = []

        def land() -> None:
            while waiting:
                done.append(waiting.pop(0).finish())

        shape = moments[0].shape
        for index, moment in enumerate(moments):
            frame = seen(index, there=moment.there, shape=SHAPES[moment.shape])
            if moment.shape != shape:
                shape = moment.shape
                land()
                device.reset()
                host.reset()
            if not moment.permitted:
                land()  # a frame under way would be refused as well: another test's
            refusal[0] = "" if moment.permitted else "The consent was withdrawn."
            settings = replace(LIVE, swap=moment.swap)
            begun = device.begin(frame, settings, identity)
            land()
            waiting.append(begun)
            if not (begun.under_way and moment.waits):
                land()
            expected.append(host.process(frame, settings, identity))
        land()
        assert work.problem is None
    assert [one.frame.index for one in done] == list(range(len(moments)))
    for one, two in zip(done, expected, strict=True):
        assert (one.showing, one.reason, one.refusal) == (two.showing, two.reason, two.refusal)
        assert (one.swapped, len(one.faces)) == (two.swapped, len(two.faces))
        assert one.frame.captured_at == two.frame.captured_at
        assert np.array_equal(one.before.pixels, two.before.pixels)
        # What is held of a frame carries the marks where it stayed on the card: 3 levels more.
        most = 5 if one.showing in (Showing.HELD, Showing.BLURRED) else 2
        assert np.abs(one.frame.pixels.astype(int) - two.frame.pixels).max() <= most


def test_a_frame_under_way_is_not_shown_once_the_consent_has_ended(scene: Scene) -> None:
    with on_device(scene) as work:
        pipeline, refusal = Pipeline(scene.engines, Timing(), work), [""]
        identity = replace(scene.identity(), permit=lambda: refusal[0])
        first = pipeline.begin(seen(0), LIVE, identity)
        assert first.under_way
        refusal[0] = "The consent was withdrawn."
        second = pipeline.begin(seen(1), LIVE, identity)
        for begun in (first, second):
            done = begun.finish()
            assert (done.showing, done.reason) == (Showing.SLATE, Reason.CONSENT)
            assert done.refusal == refusal[0]
        refusal[0] = ""
        gone = pipeline.begin(seen(2, there=False), LIVE, identity).finish()
        assert gone.showing is not Showing.HELD  # nothing of the frames before is laid again


def test_a_device_that_fails_hides_both_frames_and_the_host_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver)
    pipeline, identity = Pipeline(scene.engines, Timing(), work), scene.identity()
    first = pipeline.begin(seen(0), LIVE, identity)
    second = pipeline.begin(seen(1), LIVE, identity)
    assert first.under_way
    assert second.under_way

    def broken(*arguments: object) -> None:
        raise EngineError("The GPU fell off the bus.")

    with monkeypatch.context() as patched:
        patched.setattr(driver, "synchronize", broken)
        for begun in (first, second):
            done = begun.finish()
            assert (done.showing, done.reason) == (Showing.SLATE, Reason.FAILED)
        third = pipeline.begin(seen(2), LIVE, identity)
        assert not third.under_way
    assert third.finish().swapped == 1
    assert pipeline.place.name == "CPU"
    work.close()
    driver.close()


def test_with_one_slot_nothing_is_under_way(scene: Scene) -> None:
    with on_device(scene, slots=1) as work:
        pipeline = Pipeline(scene.engines, Timing(), work)
        for index in range(3):
            begun = pipeline.begin(seen(index), LIVE, scene.identity())
            assert not begun.under_way
            assert begun.finish().swapped == 1


def test_what_nobody_waits_for_any_more_makes_room(scene: Scene) -> None:
    with on_device(scene) as work:
        pipeline, identity = Pipeline(scene.engines, Timing(), work), scene.identity()
        begun = [pipeline.begin(seen(index), LIVE, identity) for index in range(3)]
        assert begun[0].finish().showing is Showing.SLATE  # two later ones took its slot
        assert [one.finish().swapped for one in begun[1:]] == [1, 1]
        assert work.problem is None
