"""Train the generator.

python -m training.train --data DIR --teacher FILE --recipe FILE --run DIR [--start CHECKPOINT]

A run folder holds ``last.pt`` (taken up again when the same command is given twice), ``log.jsonl``
and contact sheets. ``--start`` begins a new run from another one's weights and optimisers, or from
the weights alone of a folder with ``swapper.onnx`` and ``swapper_identity.onnx``.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path

import torch
from tqdm import tqdm

from training.expression_model import opened
from training.faceres import FaceRes
from training.faces import Faces, Sampler, load
from training.frozen import FrozenRecognizer
from training.recipe import read_recipe
from training.restore import restore
from training.sheet import Watch
from training.teacher import Teacher
from training.trainer import Trainer


def save(trainer: Trainer, file: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    fresh = file.with_suffix(".part")
    torch.save(trainer.state(), fresh)
    fresh.replace(file)


def run(trainer: Trainer, watch: Watch, folder: Path) -> None:
    """Train to the recipe's last step, or until asked to end (SIGTERM, Ctrl-C)."""
    recipe, asked = trainer.recipe, []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: asked.append(number))
    veil = sum(recipe.spoil_cells) // 2 if recipe.veiled_share >= 1 else 0
    sums: dict[str, float] = {}
    began, samples, steps = time.monotonic(), trainer.samples, trainer.steps
    bar = tqdm(total=recipe.steps, initial=trainer.steps, mininterval=30)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        while trainer.steps < recipe.steps and not asked:
            for name, value in trainer.step().items():
                sums[name] = sums.get(name, 0.0) + value
            bar.update()
            if trainer.steps % 50 == 0:
                since = trainer.steps - steps  # fewer than 50 where a run was taken up again
                line = {name: round(value / since, 4) for name, value in sums.items()}
                line |= watch.measure(trainer.average, recipe.size, veil)
                line |= {"steps": trainer.steps, "samples": trainer.samples}
                pace = (trainer.samples - samples) / (time.monotonic() - began)
                line |= {"samples_per_s": round(pace, 1)}
                print(json.dumps(line), file=log, flush=True)
                sums, began = {}, time.monotonic()
                samples, steps = trainer.samples, trainer.steps
            if trainer.steps % recipe.sheet_every == 0:
                file = folder / f"sheet_{trainer.steps:06}.png"
                watch.sheet(trainer.average, recipe.size, file, veil)
            if trainer.steps % recipe.checkpoint_every == 0:
                save(trainer, folder / "last.pt")
    save(trainer, folder / "last.pt")


def told(start: Path | None) -> bool:
    """Whether a start, a checkpoint or a folder of ONNX files, has an appearance network."""
    if start is None or start.is_dir():
        return start is not None and (start / "appearance.onnx").is_file()
    state = torch.load(start, map_location="cpu", weights_only=False, mmap=True)
    return any(name.startswith("appearance.") for name in state["generator"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--data", type=Path, action="append", required=True, help="index.csv and shards; repeatable"
    )
    parser.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet state dict")
    parser.add_argument("--recognizer", type=Path, default=Path("assets/recognizer.onnx"))
    parser.add_argument("--detector", type=Path, default=Path("assets/detector.onnx"))
    parser.add_argument(
        "--landmarks", type=Path, help="OpenSeeFace's 66 points, for recipes that draw closed eyes"
    )
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--set", metavar="LINE", action="append", default=[], help="of the recipe")
    parser.add_argument(
        "--appearance", type=Path, help="of training.appearance, where --start has none"
    )
    parser.add_argument(
        "--expression",
        type=Path,
        help="of training.expression_train, for recipes that ask for expressions",
    )
    parser.add_argument(
        "--third", type=Path, help="faceres.json, for recipes that ask for a third recogniser"
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument(
        "--start", type=Path, help="another run's checkpoint, or a folder of ONNX files"
    )
    parser.add_argument(
        "--discriminator",
        type=Path,
        help="kept by training.export, for a start that has none: a folder of ONNX files",
    )
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for option in ("start", "discriminator", "third"):
        if (path := getattr(given, option)) and not path.exists():
            parser.error(f"--{option}: there is no {path}")
    if given.discriminator and not (given.start and given.start.is_dir()):
        parser.error("--discriminator goes with a folder at --start: checkpoints have their own")

    torch.set_num_threads(given.threads)
    recipe = read_recipe(given.recipe, given.set)
    if recipe.blinking and not given.landmarks:
        parser.error("the recipe draws closed eyes: --landmarks says where they are")
    if recipe.reads and not given.expression:
        parser.error("the recipe asks for expressions: --expression takes what reads them")
    if recipe.third_identity and not given.third:
        parser.error("the recipe asks for a third recogniser: --third takes it")
    given.run.mkdir(parents=True, exist_ok=True)
    last = given.run / "last.pt"
    if given.appearance and not recipe.shape.appearance:
        parser.error("--appearance: the recipe's shape has none")
    if recipe.shape.appearance and not (given.appearance or last.exists() or told(given.start)):
        parser.error("the recipe tells of appearance: --appearance takes what makes it")
    try:
        third = FaceRes(given.third) if recipe.third_identity else None
    except (OSError, ValueError) as error:
        parser.error(f"--third: {error}")
    teacher, recognizer = Teacher(given.teacher), FrozenRecognizer(given.recognizer)
    caches = [given.cache / folder.name for folder in given.data]
    faces = Faces.joined(
        [
            load(f, teacher, c, recognizer, given.detector, given.landmarks, third)
            for f, c in zip(given.data, caches, strict=True)
        ]
    )
    trained = [n for n, row in enumerate(faces.rows) if not row.held_out]
    if not trained:
        parser.error("everybody in --data is held out (one in twenty is, by name): rename them")
    trainer = Trainer(
        recipe,
        Sampler.of(faces.pick(trained), recipe.sets, recipe.balance, recipe.turned),
        teacher,
        recognizer,
        opened(given.expression) if given.expression else None,
        third,
    )
    if last.exists():
        trainer.restore(torch.load(last, weights_only=False), same_run=True)
    elif given.start and given.start.is_dir():
        trainer.begin_from(restore(given.start, recipe.shape, recipe.size))
        if given.discriminator:
            trainer.judge_by(torch.load(given.discriminator, weights_only=True))
    elif given.start:
        trainer.restore(torch.load(given.start, weights_only=False), same_run=False)
    if given.appearance and not last.exists():
        trainer.know(torch.load(given.appearance, weights_only=True))
    run(trainer, Watch.of(faces, teacher), given.run)


if __name__ == "__main__":
    main()
