"""The doctor: each check names what is wrong and the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from app import faces
from app.__main__ import main
from app.capture import opening
from app.cli import doctor as doctor_command
from app.cli import examination, machine
from app.errors import CaptureError, EngineError
from app.sinks import availability, loopback, outputs
from engines import cuda, loading, manifest
from engines.cuda import Gpu
from tests.helpers.colour_engines import colour_engines, write_personas
from tests.helpers.fake_tensorrt import GPU

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
    assert "python build_engines.py" in finding.fix


def test_a_processor_that_openvino_would_use_better() -> None:
    (finding,) = machine.check_openvino({"onnxruntime": "1.31.1"}, ["avx2", "avx512_bf16"])
    assert "omokage[openvino]" in finding.fix
    assert list(machine.check_openvino({"openvino": "2026.4.1"}, ["amx_bf16"])) == []
    assert list(machine.check_openvino({}, ["avx2"])) == []


Doctor = Callable[[], tuple[int, dict[str, object]]]


@pytest.fixture
def doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """Runs ``doctor --json`` on a machine where all is well but what a test changes."""
    entry = manifest.ModelEntry("swapper", "a.onnx", "0" * 64, 1, "Apache-2.0", "ok")
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(machine, "installed", lambda: GOOD)
    monkeypatch.setattr(machine, "missing_libraries", list)
    monkeypatch.setattr(machine, "check_gpu", lambda device: [])
    monkeypatch.setattr(cuda, "find_gpu", lambda: GPU)
    monkeypatch.setattr(machine, "check_camera_access", lambda devices: [])
    monkeypatch.setattr(loading, "load_engines", colour_engines)
    monkeypatch.setattr(opening, "list_cameras", lambda: [opening.CameraEntry("999", "Vimicro")])
    monkeypatch.setattr(manifest.ModelStore, "list", lambda self: [entry])
    monkeypatch.setattr(faces, "PERSONAS", write_personas(tmp_path / "personas"))

    def run_it() -> tuple[int, dict[str, object]]:
        status = main(["doctor", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run_it


def problems(document: dict[str, object]) -> str:
    assert document["ok"] is False
    return json.dumps(document["problems"])


def test_all_is_well(doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = doctor()
    assert (status, found["ok"], found["problems"]) == (0, True, [])
    assert found["personas"] == ["Mio"]
    assert [(camera["id"], camera["name"]) for camera in found["cameras"]] == [("999", "Vimicro")]
    assert found["engines"] == [
        {"name": "none, CPU", "device": "CPU", "ok": True, "note": "colour"}
    ]
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "All is well." in said
    assert "Vimicro" in said


def test_the_gpu_is_named_with_its_memory(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor()[1]["gpu"] == {"ok": True, **asdict(GPU)}
    main(["doctor"])
    line = "NVIDIA GeForce RTX 3060, 12 GiB, compute capability 8.6, driver for CUDA 13.0"
    assert line in capsys.readouterr().out

    def refuse() -> Gpu:
        raise EngineError("There is no NVIDIA driver.", "Install it.")

    monkeypatch.setattr(cuda, "find_gpu", refuse)
    status, found = doctor()
    assert (status, found["gpu"]) == (0, {"ok": False, "note": "There is no NVIDIA driver."})
    main(["doctor"])
    assert "none to use: There is no NVIDIA driver." in capsys.readouterr().out


def test_a_model_that_is_missing(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str = "omokage") -> None:
        raise EngineError("The model file swapper.onnx cannot be read.", "Install it again.")

    entry = manifest.ModelEntry("swapper", "a.onnx", "0" * 64, 1, "Apache-2.0", "damaged")
    monkeypatch.setattr(loading, "load_engines", refuse)
    monkeypatch.setattr(manifest.ModelStore, "list", lambda self: [entry])
    status, found = doctor()
    assert status == 1
    assert "The model swapper is damaged." in problems(found)
    assert "cannot be read" in problems(found)


def test_no_personas(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faces, "PERSONAS", tmp_path / "none")
    assert "no personas" in problems(doctor()[1])


def test_no_camera_is_no_fault(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "list_cameras", list)
    status, found = doctor()
    assert status == 0
    assert "no camera" in json.dumps(found["notes"])

    def refuse() -> None:
        raise CaptureError("The cameras cannot be listed.")

    monkeypatch.setattr(opening, "list_cameras", refuse)
    assert doctor()[0] == 0


def test_a_folder_that_cannot_be_written(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    assert "cannot be written" in problems(doctor()[1])


def test_damaged_settings_are_left_in_place(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").write_text("mirror = ")
    assert "settings" in json.dumps(doctor()[1]["notes"])
    assert (tmp_path / "home" / "settings.toml").read_text() == "mirror = "


def test_a_package_that_does_not_load(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str = "omokage") -> None:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(loading, "load_engines", broken)
    assert "libGL.so.1" in problems(doctor()[1])


def test_live_outputs_are_listed_with_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sinks.loopback.DEVICES", tmp_path)
    monkeypatch.setattr(availability, "_camera", lambda: ("", loopback.missing("", [])))
    monkeypatch.setattr(availability, "kinds", lambda: outputs.kinds("linux"))
    monkeypatch.setattr("app.sinks.pipewire.missing", lambda: None)
    found = examination.Examination()
    examination._look_at_outputs(found)
    assert [(one["kind"], one["ok"]) for one in found.outputs] == [
        (outputs.VIRTUAL_CAMERA, False),
        (outputs.WEB_PAGE, True),
        (outputs.PIPEWIRE, True),
    ]
    (note,) = found.notes
    assert "modprobe v4l2loopback" in note.fix
    assert found.ok  # without a virtual camera Omokage is whole
    rows = "\n".join(doctor_command._lines(found))
    assert "Virtual camera: not here; Web page: 127.0.0.1; PipeWire: Omokage" in rows


def test_a_loopback_device_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
    monkeypatch.setattr("sys.platform", "linux")
    folder = tmp_path / "video10"
    folder.mkdir()
    (folder / "name").write_text("Omokage\n")
    monkeypatch.setattr("os.access", lambda path, mode: True)
    assert availability._camera(tmp_path) == ("Omokage (/dev/video10)", None)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "usermod" in availability._camera(tmp_path)[1][1]
