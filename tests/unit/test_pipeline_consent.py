"""A consent that ends counts from the next frame on, and the mark is in whatever comes out."""

from __future__ import annotations

import threading
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.consents import Consents
from app.errors import ConsentError
from app.frame import Frame
from app.pipeline import Pipeline, Processed
from app.provenance.consent import Basis, ConsentRecord, record_consent
from app.provenance.watermark import apply_mark
from app.session import Session, State
from app.settings import SettingField, Settings, fields_of, with_value
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.stages.privacy import Showing
from app.timing import Timing
from engines.loading import Engines
from tests.helpers.fake_engines import PAINT, detection, fake_engines
from tests.helpers.fakes import StillSource

FACE = detection(100, 60, 100)
SETTINGS = Settings(mirror=False)


@pytest.fixture
def consents(tmp_path: Path) -> Consents:
    return Consents(tmp_path / "faces")


def granted(consents: Consents, person: str = "Ana", expires: str | None = None) -> ConsentRecord:
    record = record_consent("ana-1", person, Basis.WRITTEN, "", [b"picture"], expires=expires)
    consents.add(record)
    return record


def identity_of(engines: Engines, consents: Consents, record: ConsentRecord) -> Identity:
    vector = np.eye(1, 128, dtype=np.float32)[0]
    prepared = engines.swapper.prepare(vector)
    return Identity("ana-1", "Ana", vector, prepared, consents.permit([record]))


class Stage:
    """A pipeline on fake engines that shows one face."""

    def __init__(self, consents: Consents, record: ConsentRecord, *, guarded: bool = True) -> None:
        self.engines = fake_engines([FACE])
        self.pipeline = Pipeline(self.engines, Timing(), guarded=guarded)
        self.identity = identity_of(self.engines, consents, record)
        self.index = 0

    def show(self, settings: Settings = SETTINGS, wishes: Wishes = NO_WISHES) -> Processed:
        pixels = np.random.default_rng(self.index).integers(0, 256, (240, 320, 3), np.uint8)
        frame = Frame(pixels, self.index, self.index / 30)
        self.index += 1
        return self.pipeline.process(frame, settings, self.identity, wishes)


def painted(done: Processed) -> bool:
    middle = done.frame.pixels[100:120, 140:160].astype(int)
    return bool(np.abs(middle.mean(axis=(0, 1)) - PAINT).max() < 40)


def test_a_revoked_face_is_gone_from_the_next_frame_on(consents: Consents, tmp_path: Path) -> None:
    stage = Stage(consents, granted(consents))
    settings = with_value(SETTINGS, "color.match", 0.0)
    first = stage.show(settings)
    assert (first.swapped, first.refusal) == (1, "")
    assert painted(first)
    Consents(tmp_path / "faces").revoke("Ana")  # as another process does
    after = stage.show(settings)
    assert after.showing is Showing.SLATE
    assert after.swapped == 0
    assert "Ana was revoked" in after.refusal
    assert not painted(after)
    assert len(stage.engines.swapper.crops) == 1  # type: ignore[attr-defined]
    assert not np.array_equal(after.frame.pixels, after.before.pixels)


def test_a_further_persons_face_is_gone_as_soon(consents: Consents) -> None:
    stage = Stage(consents, granted(consents))
    theirs = record_consent("bo-1", "Bo", Basis.WRITTEN, "", [b"another"])
    consents.add(theirs)
    wishes = Wishes(further=(identity_of(stage.engines, consents, theirs),))
    settings = with_value(SETTINGS, "detector.faces", "all")
    assert stage.show(settings, wishes).swapped == 1
    consents.note_removed(theirs)  # nobody needs to be there to whom it was given
    after = stage.show(settings, wishes)
    assert (after.showing, after.swapped) == (Showing.SLATE, 0)
    assert "Bo was given up when the face was removed" in after.refusal
    assert stage.show(settings).swapped == 1


def test_what_was_held_is_forgotten_too(consents: Consents) -> None:
    stage = Stage(consents, granted(consents))
    stage.show()
    consents.revoke("Ana")
    stage.show()
    stage.identity = identity_of(stage.engines, consents, granted(consents))
    stage.engines.detector.faces = []  # type: ignore[attr-defined]
    again = stage.show()
    assert again.showing is not Showing.HELD
    assert not painted(again)


def test_a_consent_runs_out_in_mid_session(
    consents: Consents, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(consents, granted(consents, expires=date.today().isoformat()))
    assert stage.show().swapped == 1
    tomorrow = date.today() + timedelta(days=1)

    class Tomorrow(date):
        @classmethod
        def today(cls) -> date:
            return tomorrow

    monkeypatch.setattr("app.provenance.consent.date", Tomorrow)
    after = stage.show()
    assert after.showing is Showing.SLATE
    assert "ran out" in after.refusal


def test_unguarded_work_ends_with_the_reason(consents: Consents) -> None:
    stage = Stage(consents, granted(consents), guarded=False)
    assert stage.show().swapped == 1
    consents.revoke("Ana")
    with pytest.raises(ConsentError, match="revoked"):
        stage.show()


def test_the_picture_that_others_see_names_nobody(consents: Consents) -> None:
    stages = []
    for person in ("Ana", "Somebody with a much longer name"):
        stages.append(Stage(consents, granted(consents, person)))
        consents.revoke(person)
    one, other = (stage.show() for stage in stages)
    assert one.refusal != other.refusal
    assert np.array_equal(one.frame.pixels, other.frame.pixels)


def test_a_session_says_why_and_goes_on_with_another_face(consents: Consents) -> None:
    engines = fake_engines([FACE])
    timing, changed = Timing(), threading.Event()
    session = Session(Pipeline(engines, timing), timing, SETTINGS, on_change=changed.set)
    session.identity = identity_of(engines, consents, granted(consents))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)

    def wait_for(showing: Showing) -> None:
        deadline = time.monotonic() + 20
        while session.status().showing is not showing:
            assert time.monotonic() < deadline
            changed.wait(0.02)

    try:
        session.start(lambda: StillSource(noise, pause_s=0.005))
        wait_for(Showing.LIVE)
        changed.clear()
        consents.revoke("Ana")
        assert changed.wait(20)
        wait_for(Showing.SLATE)
        status = session.status()
        assert status.state is State.RUNNING
        assert "Ana was revoked" in status.refusal
        session.identity = identity_of(engines, consents, granted(consents))
        wait_for(Showing.LIVE)
        assert session.status().refusal == ""
    finally:
        session.close()


# the invisible mark


def others_of(spec: SettingField) -> list[object]:
    if spec.kind is bool:
        return [not spec.default]
    if spec.choices is not None:
        return [choice for choice in spec.choices if choice != spec.default]
    return [spec.kind(limit) for limit in spec.limits or () if limit != spec.default]


ELSEWHERE = ("capture.", "outputs.")  # nothing the pipeline reads
CHANGES = [
    (spec.path, value)
    for spec in fields_of(SETTINGS)
    for value in others_of(spec)
    if spec.path != "swap" and not spec.path.startswith(ELSEWHERE)
]


BELOW = np.s_[172:190, :]  # of a picture 240 high: neither face nor badge


def marked(pixels: np.ndarray) -> bool:
    """Whether a plain part of the picture follows the mark's pattern."""
    plain = np.full_like(pixels, 120)
    apply_mark(plain)
    pattern = plain[BELOW].astype(float).ravel() - 120
    shown = pixels[BELOW].astype(float).ravel()
    return bool(shown.std() > 0 and np.corrcoef(pattern, shown)[0, 1] > 0.8)


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_no_setting_turns_the_invisible_mark_off(
    consents: Consents, path: str, value: object
) -> None:
    stage = Stage(consents, granted(consents))
    grey = np.full((240, 320, 3), 120, np.uint8)
    assert not marked(grey)
    done = stage.pipeline.process(
        Frame(grey, 0, 0.0), with_value(SETTINGS, path, value), stage.identity
    )
    assert done.showing is not Showing.BYPASS
    assert marked(done.frame.pixels)


def test_the_mark_is_in_no_setting() -> None:
    names = " ".join(f"{spec.path} {spec.label}" for spec in fields_of(Settings())).lower()
    assert "watermark" not in names
    assert "invisible" not in names
