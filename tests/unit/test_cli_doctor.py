"""The doctor: each check names what is wrong and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import machine

GOOD = dict.fromkeys(machine.NEEDED, "1.0") | {
    "PySide6-Essentials": "6.11.3",
    "opencv-python-headless": "5.0",
    "onnxruntime": "1.31",
}


def test_a_good_machine_has_no_findings() -> None:
    assert list(machine.check_python((3, 11))) == []
    assert list(machine.check_packages(GOOD, (3, 11))) == []
    assert list(machine.library_findings([])) == []
    assert list(machine.check_display({"DISPLAY": ":0"})) == []


@pytest.mark.parametrize(
    ("change", "python", "what", "fix"),
    [
        ({"opencv-python": "5.0"}, (3, 11), "overwrite each other", "pip uninstall -y opencv"),
        ({"onnxruntime-gpu": "1.31"}, (3, 11), "2 packages bring ONNX Runtime", "uninstall"),
        ({"PySide6-Essentials": "6.12.0"}, (3, 11), "6.12.0 ends the process", "<6.12"),
        ({"PySide6": "6.13"}, (3, 11), "PySide6 6.13 ends", "<6.12"),
    ],
)
def test_clashing_packages(
    change: dict[str, str], python: tuple[int, int], what: str, fix: str
) -> None:
    (finding,) = machine.check_packages(GOOD | change, python)
    assert what in finding.what
    assert fix in finding.fix


def test_qt_612_is_fine_on_a_newer_python() -> None:
    assert list(machine.check_packages(GOOD | {"PySide6-Essentials": "6.12.0"}, (3, 12))) == []


def test_missing_packages() -> None:
    findings = list(machine.check_packages({}, (3, 11)))
    assert len(findings) == len(machine.NEEDED) + 2
    assert all("pip install" in finding.fix for finding in findings)


def test_old_python() -> None:
    (finding,) = machine.check_python((3, 10))
    assert "3.10" in finding.what


def test_missing_libraries_are_named_by_package() -> None:
    (finding,) = machine.library_findings(["libxcb-cursor.so.0", "libEGL.so.1"])
    assert finding.fix.endswith("libxcb-cursor0 libegl1")
    assert not machine._loadable("libomokage-none.so.0")


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    (finding,) = machine.check_display({})
    assert "no display" in finding.what


def test_a_camera_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    (finding,) = machine.check_camera_access([tmp_path / "video0"])
    assert "video0" in finding.what
    assert "video $USER" in finding.fix


def test_an_idle_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    assert list(machine.check_gpu("CUDA")) == []
    (finding,) = machine.check_gpu("CPU")
    assert "onnxruntime-gpu" in finding.fix
