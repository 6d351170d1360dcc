"""Engines on disk: what is found again, and what is refused with which words."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engines.engine_file import (
    ANY_GPU,
    EngineFiles,
    EngineKey,
    EngineRecord,
    engines_folder,
)
from engines.errors import EngineError

KEY = EngineKey(
    "swapper", "ab" * 32, "fp16", "0123abcd", "RTX 3060", "8.6", "TensorRT-RTX", "1.7.1"
)
PLAN = b"an engine"


def record(key: EngineKey = KEY, check: str = "passed", plan: bytes = PLAN) -> EngineRecord:
    return EngineRecord(
        key, hashlib.sha256(plan).hexdigest(), len(plan), check, "same answers: 60 dB"
    )


@pytest.fixture
def files(tmp_path: Path) -> EngineFiles:
    return EngineFiles(tmp_path / "engines")


def test_what_is_saved_is_found_whole(files: EngineFiles) -> None:
    files.save(record(), PLAN)
    assert files.usable(KEY) == record()
    assert files.read(record()) == PLAN
    assert files.records() == [record()]


def test_the_name_says_what_it_is() -> None:
    assert KEY.file_name == (
        "swapper_abababababab_fp16_0123abcd_RTX-3060_sm86_TensorRT-RTX_1.7.1.engine"
    )


def test_an_fp32_engine_serves_where_there_is_no_fp16_one(files: EngineFiles) -> None:
    single = record(replace(KEY, precision="fp32"))
    files.save(single, PLAN)
    assert files.usable(KEY) == single
    files.save(record(), PLAN)
    assert files.usable(KEY) == record()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_sha256": "cd" * 32}, "another version of the model"),
        ({"runtime_version": "1.6.0"}, "built by TensorRT-RTX 1.6.0, this is TensorRT-RTX 1.7.1"),
        ({"runtime": "TensorRT"}, "built by TensorRT 1.7.1"),
        ({"gpu": "RTX 4090", "compute_capability": "8.9"}, "for RTX 4090 of compute capability"),
        ({"gpu": ANY_GPU, "compute_capability": "8.9"}, "for any GPU of compute capability 8.9"),
        ({"shapes": "ffffffff"}, "other picture sizes"),
    ],
)
def test_stale_and_foreign_ones_are_refused(
    files: EngineFiles, change: dict[str, str], words: str
) -> None:
    files.save(record(replace(KEY, **change)), PLAN)
    with pytest.raises(EngineError) as caught:
        files.usable(KEY)
    assert words in caught.value.what
    assert caught.value.remedy == "Run: python build_engines.py --model swapper"


@pytest.mark.parametrize("check", ["failed", "not run"])
def test_only_a_passed_check_makes_it_usable(files: EngineFiles, check: str) -> None:
    files.save(record(check=check), PLAN)
    with pytest.raises(EngineError, match="same answers: 60 dB"):
        files.usable(KEY)


def test_none_at_all_is_said(files: EngineFiles) -> None:
    with pytest.raises(EngineError, match="No engine was built for swapper yet"):
        files.usable(KEY)


def test_one_for_any_gpu_of_the_capability_is_found(files: EngineFiles) -> None:
    ahead = record(replace(KEY, gpu=ANY_GPU))
    files.save(ahead, PLAN)
    assert files.usable(KEY) == ahead


def test_damage_is_found(files: EngineFiles) -> None:
    files.save(record(), PLAN)
    files.path(KEY).write_bytes(b"an engime")
    with pytest.raises(EngineError, match="is damaged"):
        files.read(record())
    files.path(KEY).unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        files.read(record())
    assert files.refusal(record(), KEY) == "its file is missing"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1, "key": 3}',
        '{"format": 0}',
        json.dumps({"format": 1}),
        "[" * 200_000,
        *(
            json.dumps(record().as_json() | {"key": asdict(KEY) | wrong})
            for wrong in ({"model": 5}, {"model": []}, {"model_sha256": 5}, {"gpu": None})
        ),
        *(
            json.dumps(record().as_json() | wrong)
            for wrong in ({"bytes": "9"}, {"check_sentence": None}, {"check": "hardly"})
        ),
    ],
)
def test_a_damaged_record_is_no_engine(files: EngineFiles, text: str) -> None:
    files.folder.mkdir()
    path = files.path(KEY).with_suffix(".json")
    path.write_text(text)
    assert files.records() == []
    path.write_text(json.dumps(record().as_json()))
    assert files.records() == [record()]


def test_a_record_of_another_name_is_no_engine(files: EngineFiles) -> None:
    files.folder.mkdir()
    for key in (KEY, replace(KEY, runtime_version="9" * 400)):
        (files.folder / "odd.json").write_text(json.dumps(record(key).as_json()))
        assert files.records() == []


def test_an_engine_without_its_record_is_none(files: EngineFiles) -> None:
    """What a kill between the two writes leaves."""
    files.folder.mkdir()
    files.path(KEY).write_bytes(PLAN)
    assert files.find(KEY) is None


def test_a_new_one_takes_the_place_of_older_ones_of_this_gpu(files: EngineFiles) -> None:
    old = record(replace(KEY, runtime_version="1.6.0"))
    foreign = record(replace(KEY, gpu="RTX 4090", compute_capability="8.9"))
    for one in (old, foreign, record()):
        files.save(one, PLAN)
    left = files.folder / ".swapper.engine.x8"
    left.write_bytes(b"half")
    young = files.folder / ".swapper.engine.x9"
    young.write_bytes(b"half")
    os.utime(left, (time.time() - 1e6,) * 2)
    (files.folder / ".swapper.engine.y0").symlink_to("gone")  # as if another build just ended
    files.remove_superseded(KEY)
    assert {found.key for found in files.records()} == {KEY, foreign.key}
    assert not files.path(old.key).exists()
    assert not left.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file")
    with pytest.raises(EngineError, match="cannot be written"):
        EngineFiles(tmp_path / "engines").save(record(), PLAN)


def test_the_timing_cache_is_kept(files: EngineFiles) -> None:
    assert files.timing_cache() == b""
    files.save_timing_cache(b"")
    assert not files.folder.exists()
    files.save_timing_cache(b"times")
    assert files.timing_cache() == b"times"


def test_where_engines_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    assert engines_folder() == tmp_path / "engines"
    monkeypatch.delenv("OMOKAGE_HOME")
    assert engines_folder().name == "engines"
