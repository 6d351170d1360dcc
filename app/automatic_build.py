"""Builds the engines that are missing beside the running picture, and moves it to them."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from app.engine_builder import BuildEnd, BuilderProcess, BuildStep, EngineBuild
from app.errors import AppError
from engines.memory import Memory

NOT_AGAIN = "Tried again when the model, the card or TensorRT changes."

log = logging.getLogger(__name__)


class Stage(enum.Enum):
    """Where an automatic build stands."""

    WAITING = "waiting"  # or there is nothing to build
    BUILDING = "building"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class BuildStatus:
    """An automatic build at one moment; ``sentence`` is for the user, where something failed."""

    stage: Stage = Stage.WAITING
    step: BuildStep | None = None
    sentence: str = ""


class AutomaticBuild:
    """One build of what ``offer`` has, by its own process; nothing without an offer.

    ``memory`` keeps what failed, so that it is not tried at each start. ``run`` belongs to a thread
    beside the picture; everything else may be called from any.
    """

    def __init__(self, offer: EngineBuild | None, memory: Memory) -> None:
        self._memory = memory
        self._lock = threading.Lock()  # guards the three below
        self._status = BuildStatus()
        self._builder: BuilderProcess | None = None
        self._over = False
        self._offer = offer
        models: Mapping[str, str] = {} if offer is None else offer.models
        self._models = {
            model: key for model, key in models.items() if memory.recall(_kept_as(key)) is None
        }

    @property
    def wanted(self) -> bool:
        """Whether there is anything to build that did not fail before."""
        return bool(self._models)

    @property
    def status(self) -> BuildStatus:
        """How it stands."""
        return self._status

    def run(self, stop: threading.Event) -> None:
        """Build, then move the running networks; returns soon after ``close`` or ``cancel``."""
        offer = self._offer
        if offer is None or not self._models or stop.is_set():
            return
        named = [word for model in self._models for word in ("--model", model)]
        with self._lock:
            if self._over:
                return
            self._builder = builder = BuilderProcess((*offer.command, *named))
            self._status = BuildStatus(Stage.BUILDING)
        log.info("building engines for %s: %s", offer.gpu, ", ".join(self._models))
        end = builder.run(self._told)
        if not end.ended:
            self._conclude(end, offer.adopt)
            return
        with self._lock:
            if self._status.stage is Stage.BUILDING:  # ended from outside
                self._status = BuildStatus()

    def cancel(self) -> None:
        """End it because the user wants no build."""
        with self._lock:
            if self._over or self._status.stage in (Stage.DONE, Stage.FAILED):
                return
            self._over = True
            self._status = BuildStatus(Stage.CANCELLED)
            if self._builder is not None:
                self._builder.cancel()

    def close(self) -> None:
        """End it because the program ends; the next start goes on. May be called twice."""
        with self._lock:
            self._over = True
            if self._builder is not None:
                self._builder.close()

    def __enter__(self) -> AutomaticBuild:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _told(self, step: BuildStep) -> None:
        with self._lock:
            if self._status.stage is Stage.BUILDING:
                self._status = replace(self._status, step=step)

    def _conclude(self, end: BuildEnd, adopt: Callable[[], list[str]]) -> None:
        failed = {m: why for m, why in end.failed.items() if m in self._models}
        if end.failed and not failed:  # it came to none of them: it cannot build here
            failed = dict.fromkeys(self._models, end.sentence)
        for model, why in failed.items():
            self._memory.keep(_kept_as(self._models[model]), {"failed": why})
        sentence = ""
        if failed:
            model, why = next(iter(failed.items()))
            name = model.replace("_", " ").capitalize()
            sentence = f"{name}: {why.rstrip('.')}. {NOT_AGAIN}"
        elif not end.ok:
            sentence = end.sentence
        try:
            moved = adopt()  # also after a crash: what was finished before is whole
        except AppError as error:
            moved, sentence = [], str(error)
        log.info("engines moved: %s. %s", ", ".join(moved) or "none", sentence)
        with self._lock:
            if not self._over:
                self._status = BuildStatus(Stage.FAILED if sentence else Stage.DONE, None, sentence)


def _kept_as(key: str) -> str:
    return f"build | {key}"
