"""``build_engines.py``: its words, its documents, its exit status."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.__main__ import run_parsed
from app.cli import build, build_listing, build_offer
from app.errors import EngineError
from engines import build_target, cuda, tensorrt_runtime
from engines.build_progress import Progress
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.runtimes import CHAIN, REFERENCE, Runtime, named
from engines.tensorrt_backend import TensorRTBackend
from engines.tensorrt_runtime import TensorRT
from tests.helpers.fake_tensorrt import GPU, FakeStream, fake_trt

NAME = "swapper_identity"
NETWORKS = {file.name for file in ModelStore().networks()}


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TensorRT:
    """A computer with a GPU and a runtime."""
    runtime = fake_trt()
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    for module in (tensorrt_runtime, build_listing):
        monkeypatch.setattr(module, "load_runtime", lambda name=None: runtime)
    for module in (cuda, build_target, build_listing):
        monkeypatch.setattr(module, "find_gpu", lambda: GPU)
    return runtime


def run(*words: str) -> int:
    arguments = build.build_parser().parse_args(words)
    arguments.run = partial(build.run, open_engine=partial(TensorRTBackend, open_stream=FakeStream))
    return run_parsed(arguments)


@pytest.mark.usefixtures("trt")
def test_build_list_and_verify(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", NAME, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert report["gpu"] == GPU.name
    (engine,) = report["engines"]
    assert (engine["state"], engine["check"], engine["precision"]) == ("built", "passed", "fp16")
    assert run("--list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    states = {row["model"]: row["state"] for row in listed["engines"]}
    assert states == dict.fromkeys(NETWORKS, "not built") | {NAME: "ready"}
    assert listed["problems"] == []
    assert run("--verify", "--model", NAME) == 0
    assert "same answers" in capsys.readouterr().out
    assert run("--verify") == 1
    said = capsys.readouterr().err
    rest = f"omokage: {len(NETWORKS) - 1} of {len(NETWORKS)} engines were not checked or failed"
    assert said.splitlines()[-1].startswith(rest)


@pytest.mark.usefixtures("trt")
def test_events_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", NAME, "--events") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"progress"}
    assert lines[-1]["event"] == "report"
    for line in lines[:-1]:
        del line["event"]
        Progress(**line)


@pytest.mark.usefixtures("trt")
def test_people_get_stages_and_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", NAME) == 0
    told = capsys.readouterr()
    assert f"[1/1] {NAME}: building" in told.err
    assert f"{NAME}: built, fp16" in told.out
    assert run("--list") == 0
    assert f"{NAME}: fp16, {GPU.name} 8.6" in capsys.readouterr().out


def test_a_stale_engine_is_listed_with_its_reason(
    trt: TensorRT, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--model", NAME) == 0
    monkeypatch.setattr(build_listing, "load_runtime", lambda: fake_trt(version="12.0"))
    capsys.readouterr()
    assert run("--list", "--model", NAME, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["engines"]
    assert row["state"] == "not used: it was built by TensorRT 11.0.0, this is TensorRT 12.0"


def test_no_gpu_is_a_sentence_and_the_list_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> object:
        raise EngineError("There is no NVIDIA driver.", "Install it.")

    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    monkeypatch.setattr(build_target, "find_gpu", none)
    monkeypatch.setattr(build_listing, "find_gpu", none)
    monkeypatch.setattr(tensorrt_runtime, "load_runtime", fake_trt)
    monkeypatch.setattr(build_listing, "load_runtime", fake_trt)
    assert run() == 1
    assert capsys.readouterr().err == "omokage: There is no NVIDIA driver. Install it.\n"
    assert run("--list") == 0
    said = capsys.readouterr().out
    assert "GPU      none" in said
    assert "swapper: not built" in said


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--precision", "int8"], ["--list", "--verify"], ["--json", "--events"]):
        with pytest.raises(SystemExit) as left:
            run(*words)
        assert left.value.code == 2
    capsys.readouterr()
    assert run("--list", "--model", "nose") == 1
    assert "There is no network 'nose'; there are detector" in capsys.readouterr().err


@pytest.mark.usefixtures("trt")
def test_ctrl_c_cancels_between_two_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)
    plain = build._Reporter.progress

    def interrupted(self: build._Reporter, progress: Progress) -> None:
        if progress.stage == "building":
            signal.raise_signal(signal.SIGINT)
        plain(self, progress)

    monkeypatch.setattr(build._Reporter, "progress", interrupted)
    assert run("--model", NAME, "--events") == 1
    told = capsys.readouterr()
    assert "omokage: The build was cancelled." in told.err
    assert json.loads(told.out.splitlines()[-1]) == {"event": "cancelled"}
    assert signal.getsignal(signal.SIGINT) is before
    assert not list((tmp_path / "engines").glob("*.engine"))


@pytest.fixture
def engines() -> Engines:
    return load_engines(engine=REFERENCE)


def test_what_the_window_is_offered(engines: Engines) -> None:
    def none() -> object:
        raise EngineError("There is no NVIDIA driver.")

    usable = Runtime("tensorrt-rtx", "TensorRT-RTX", "GPU", lambda: "", CHAIN[0].open)
    barred = Runtime("tensorrt", "TensorRT", "GPU", lambda: "not installed", CHAIN[0].open)
    offers = []
    for first, look in ((usable, lambda: GPU), (barred, lambda: GPU), (usable, none)):
        chain = (first, named(REFERENCE, CHAIN))
        with_chain = replace(engines, chain=chain, asked_for=False)
        offers.append(build_offer.engine_build(with_chain, look=look, load=fake_trt))
    asked = replace(engines, chain=(usable, named(REFERENCE, CHAIN)))
    offers.append(build_offer.engine_build(asked, look=lambda: GPU, load=fake_trt))
    engines.close()
    assert offers[0].gpu == GPU.name
    assert offers[0].command[1:] == ("-m", "build_engines", "--events")
    assert set(offers[0].models) == NETWORKS
    key = offers[0].models[NAME]
    assert key.startswith(f"{GPU.name} {GPU.compute_capability} | TensorRT 11.0.0 | {NAME} ")
    assert offers[1:] == [None, None, None]
