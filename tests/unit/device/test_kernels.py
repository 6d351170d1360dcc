"""The kernels compile for every card, and the compiled code is kept."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

from engines.device import compiling, sources
from engines.device.driver import integer, pointer
from engines.device.parameters import LAYOUT
from engines.errors import EngineError
from tests.helpers import kernels_on_cpu

CARDS = [(7, 5), (8, 6), (8, 9), (9, 0), (12, 0)]


@pytest.fixture
def _compiler() -> None:
    try:
        compiling.supported()
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("card", CARDS, ids=[f"{a}.{b}" for a, b in CARDS])
def test_the_kernels_compile(card: tuple[int, int]) -> None:
    target = compiling.architecture(*card)
    assert target == f"sm_{card[0]}{card[1]}"
    ptx = compiling.compile_source(sources.source(), target.replace("sm_", "compute_")).decode()
    assert f".target {target}" in ptx
    assert set(re.findall(r"\.entry (\w+)\(", ptx)) == set(sources.kernels())
    assert "__nv" not in ptx  # nothing from a library that is not there at run time


@pytest.mark.usefixtures("_compiler")
def test_a_newer_card_gets_code_it_translates_itself() -> None:
    newest = max(compiling.supported())
    assert compiling.architecture(newest // 10 + 1, 0) == f"compute_{newest}"
    with pytest.raises(EngineError, match=r"capability 3\.5"):
        compiling.architecture(3, 5)


@pytest.mark.usefixtures("_compiler")
def test_compiled_code_is_kept_and_a_damaged_source_gets_a_sentence(tmp_path: Path) -> None:
    text = 'extern "C" __global__ void nothing(int* a) { *a = 1; }'
    first = compiling.cached(text, "sm_89", tmp_path / "new")
    path = compiling.cache_path(text, "sm_89", tmp_path / "new")
    assert path.read_bytes() == first
    path.write_bytes(b"kept")
    assert compiling.cached(text, "sm_89", tmp_path / "new") == b"kept"
    assert compiling.cache_path(text + " ", "sm_89", tmp_path) != path
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert compiling.cached(text, "sm_89", blocked) == first
    assert compiling.renewed(text, "sm_89", tmp_path / "new") == path.read_bytes() == first
    with pytest.raises(EngineError, match="do not compile") as caught:
        compiling.compile_source("nonsense", "sm_89")
    assert "\n" not in str(caught.value)


def test_the_parameters_have_the_kernels_layout() -> None:
    fields = re.search(r"struct Face \{(.*?)\};", sources.source(), re.DOTALL)
    assert fields is not None
    names: list[str] = []
    for line in re.findall(r"(?:float|int) ([^;]+);", fields.group(1)):
        for item in line.split(","):
            name, _, count = item.strip().partition("[")
            names += [name] * int(count.rstrip("]") or 1)
    assert 4 * len(names) == LAYOUT.itemsize
    starts = {
        "crop_from": "crop_from",
        "part": "left",
        "halvings": "halvings",
        "paste_from": "paste_from",
        "region": "region_left",
        "doubled": "doubled",
        "sharpen": "sharpen",
        "paddings": "pad_top",
        "feather": "feather",
        "outline": "outline",
        "soft": "soft",
        "strength": "strength",
        "light": "light",
        "fresh": "fresh",
    }
    assert LAYOUT.names is not None
    assert set(starts) == set(LAYOUT.names)
    for field, first in starts.items():
        assert LAYOUT.fields is not None
        assert LAYOUT.fields[field][1] == 4 * names.index(first)


@pytest.mark.parametrize("half", [0, 1])
def test_networks_may_take_and_give_half_precision(half: int) -> None:
    side = 5
    rng = np.random.default_rng(0)
    planes = rng.random((2, 3, side, side)).astype(np.float16 if half else np.float32)
    planes[0, 0, 0, :3] = (-1, 2, 0.5)
    out = np.zeros((2, side, side, 3), np.uint8)
    held = [
        pointer(planes.ctypes.data),
        integer(half),
        integer(side),
        pointer(out.ctypes.data),
    ]
    kernels_on_cpu.run("pixels_from", side * side, 2, list(held), 8)
    expected = np.clip(np.rint(planes.astype(np.float32) * 255), 0, 255)
    assert np.array_equal(out, expected[:, ::-1].transpose(0, 2, 3, 1).astype(np.uint8))


def candidates(
    tensors: list[np.ndarray], *, columns: int, first: int, threshold: float, most: int
) -> tuple[np.ndarray, int]:
    """Rows most x 16 of a stride of 8 px, and how many cells were counted."""
    cells, half = len(tensors[0]), int(tensors[0].dtype == np.float16)
    rows, count = np.zeros((most, 16), np.float32), np.zeros(1, np.int32)
    held = [
        *(pointer(t.ctypes.data) for t in tensors),
        *map(integer, (half, 8, columns, cells, first)),
        ctypes.c_float(threshold),
        pointer(rows.ctypes.data),
        pointer(count.ctypes.data),
        integer(most),
    ]
    kernels_on_cpu.run("decode", cells, 1, held, 8)
    return rows, int(count[0])


@pytest.mark.parametrize("half", [0, 1])
def test_candidates_of_half_precision(half: int) -> None:
    kind = np.float16 if half else np.float32
    rng = np.random.default_rng(1)
    tensors = [rng.random((12, n)).astype(kind) for n in (1, 1, 4, 10)]
    rows, count = candidates(tensors, columns=4, first=100, threshold=0.0, most=3)
    assert count == 12  # all are counted, three are kept
    assert list(rows[:, 0]) == [100, 101, 102]
    cls, obj, bbox, kps = (t.astype(np.float32) for t in tensors)
    np.testing.assert_allclose(rows[:, 1], np.sqrt(cls * obj)[:3, 0], rtol=1e-5)
    np.testing.assert_allclose(rows[:, 4:6], 8 * np.exp(bbox[:3, 2:]), rtol=1e-5)
    np.testing.assert_allclose(rows[1, 6:8], 8 * (kps[1, :2] + (1, 0)), rtol=1e-5)


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("which", [0, 1])
def test_scores_that_are_no_numbers_reach_the_host(which: int, half: int) -> None:
    """Clamped to 0 they would be an empty room."""
    kind = np.float16 if half else np.float32
    tensors = [np.zeros((4, n), kind) for n in (1, 1, 4, 10)]
    tensors[which][2] = np.nan
    rows, count = candidates(tensors, columns=2, first=0, threshold=0.5, most=4)
    assert count == 1
    assert rows[0, 0] == 2
    assert np.isnan(rows[0, 1])


@pytest.mark.parametrize("half", [0, 1])
def test_weights_that_are_no_numbers_take_the_swap(half: int) -> None:
    """As 0 they would show the face as it is."""
    side = 8
    own = np.full((side, side), 0.5, np.float16 if half else np.float32)
    own[3, 3:6] = (np.nan, np.inf, -np.inf)
    faces, masks = np.zeros(1, LAYOUT), np.zeros((side, side), np.uint8)
    held = [
        pointer(faces.ctypes.data),
        pointer(None),
        pointer(own.ctypes.data),
        integer(half),
        pointer(None),
        integer(0),
        integer(side),
        pointer(masks.ctypes.data),
    ]
    kernels_on_cpu.run("build_masks", side * side, 1, list(held), 8)
    assert masks[3, 2:7].tolist() == [128, 255, 255, 255, 128]
