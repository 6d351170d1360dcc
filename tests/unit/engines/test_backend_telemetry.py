"""What runs networks tells nobody: each backend in a process of its own, in an empty home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import tiny_models
from tests.helpers.backends import needs_openvino

# Signs by which the packages hold back by themselves.
QUIET = {"CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY"}
NO_NETWORK = """
import os, socket, sys
from pathlib import Path
def refuse(*_, **__): raise AssertionError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
model = Path(sys.argv[1]).read_bytes()
"""
ONNX = """
from engines.onnx_backend import OnnxBackend
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
OnnxBackend(model, "detector")
"""
# An import of the plain package makes a client id in the home folder and sends an event.
OPENVINO = """
from engines.openvino_backend import OpenVinoBackend
OpenVinoBackend(model, "detector")
assert "openvino_telemetry" not in sys.modules
from openvino.tools.ovc import telemetry
assert type(telemetry).__module__.endswith("telemetry_stub")
"""


@pytest.mark.parametrize(
    "code", [ONNX, pytest.param(OPENVINO, marks=needs_openvino)], ids=["onnx", "openvino"]
)
def test_it_sends_nothing_home_and_leaves_nothing_there(tmp_path: Path, code: str) -> None:
    model = tiny_models.bundle(tmp_path / "assets") / "detector.onnx"
    home = tmp_path / "home"
    home.mkdir()
    places = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(home))
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK + code, str(model)],
        env={name: value for name, value in os.environ.items() if name not in QUIET} | places,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(home.iterdir()) == []
