"""Judges a swapper on held-out pairs, beside the baselines it must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.swapper import PreparedIdentity
from training import metrics
from training.gaze import gaze_error
from training.heldout import Pairs, People
from training.instruments import Instruments, Reading
from training.landmarks import expression_error, five, pose_error
from training.recognizer_metrics import auc
from training.squares import Floats
from training.swapping import SIDE, Chain, Shown, pasted, untouched

LABELS = ("gender", "race", "age")
KEPT = ("pose", "expression", "gaze")


@dataclass(frozen=True, eq=False)
class Row:
    """One column of the table: a value a picture by name (NaN: not readable), and of the whole."""

    pictures: Mapping[str, Floats]
    whole: Mapping[str, float] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """All of them, pictures averaged."""
        found = {
            name: float(v[np.isfinite(v)].mean())
            for name, v in self.pictures.items()
            if np.isfinite(v).any()
        }
        return found | dict(self.whole)


@dataclass(frozen=True, eq=False)
class Task:
    """Targets to be given faces, with what is read off them and off the sources' photos.

    ``eyes_seen`` says where the target's gaze can be read; None without a gaze network.
    """

    people: People
    targets: Reading
    sources: Reading
    eyes_seen: NDArray[np.bool_] | None

    @staticmethod
    def of(people: People, sources: People, read: Instruments) -> Task:
        """Read the real pictures, or take what is remembered of them."""
        targets = read(people.pictures, remembered=True)
        eyes_seen = read.readable(people.pictures, targets)
        return Task(people, targets, read(sources.pictures, remembered=True), eyes_seen)


@dataclass(frozen=True, eq=False)
class Stage:
    """The pairs of different people, those of one person, and what other real faces look like."""

    pairs: Pairs
    different: Task
    same: Task | None
    real: Floats

    @staticmethod
    def of(pairs: Pairs, real: People, read: Instruments) -> Stage:
        """Everything that does not depend on the swapper."""
        twice = len(pairs.twice.rows) > 1
        return Stage(
            pairs,
            Task.of(pairs.targets, pairs.sources, read),
            Task.of(pairs.twice, pairs.again, read) if twice else None,
            read(real.pictures, remembered=True, only_eyes=True).features,
        )

    def verification(self) -> dict[str, float]:
        """AUC of two photos of one person against photos of two people, by judge."""
        found: dict[str, float] = {}
        for name, one, other in self._photos():
            alike, equal = one @ other.T, np.eye(len(one), dtype=bool)
            found[name] = auc(alike[equal], alike[~equal])
        return found

    def same_person(self) -> dict[str, float]:
        """Mean cosine of two photos of one person, by judge: as alike as a swap can be."""
        return {
            name: float(metrics.cosines(one, other).mean()) for name, one, other in self._photos()
        }

    def _photos(self) -> list[tuple[str, Floats, Floats]]:
        """Judge, and its embeddings of both photos of the people who have two."""
        if self.same is None:
            return []
        others = self.same.sources.embeddings
        return [(name, one, others[name]) for name, one in self.same.targets.embeddings.items()]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """``rows`` by name, the ``swap`` row by group, and the pictures for the sheet."""

    rows: Mapping[str, Row]
    scores: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    same_person: Mapping[str, float]
    verification: Mapping[str, float]
    swaps: Shown
    identities: Sequence[PreparedIdentity]


def evaluate(chain: Chain, stage: Stage, read: Instruments, *, extras: int) -> Evaluation:
    """Every figure of a swapper and of its baselines.

    ``extras``: on how many pictures reconstruction and coloured light are tried.
    """
    task, sources = stage.different, stage.pairs.sources.pictures
    people, anchors = task.people, five(task.targets.points)
    identities = chain.identities(sources)
    made = chain(people.pictures, identities, anchors)
    seen = read(made.pictures)
    laid = pasted(people.pictures, sources, anchors)
    rows = {
        "swap": row_of(task, made, seen, stage.real),
        "no swap": row_of(task, untouched(people.pictures, anchors), task.targets, stage.real),
        "paste": row_of(task, laid, read(laid.pictures, remembered=True), stage.real),
    }
    rows["random identity"] = _unrelated(rows["swap"], task, seen)
    if stage.same is not None:
        photos = chain.identities(stage.pairs.again.pictures)
        own = chain(stage.same.people.pictures, photos, five(stage.same.targets.points))
        rows["self swap"] = row_of(stage.same, own, read(own.pictures), stage.real)
    added = _reconstruction(chain, task, extras) | _under_lights(chain, task, identities, extras)
    swap = rows["swap"]
    rows["swap"] = Row(swap.pictures, dict(swap.whole) | added)
    return Evaluation(
        rows,
        {name: score(row, rows, stage, read) for name, row in rows.items()},
        grouped(swap, stage.pairs),
        stage.same_person(),
        stage.verification(),
        made,
        identities,
    )


def score(row: Row, rows: Mapping[str, Row], stage: Stage, read: Instruments) -> dict[str, float]:
    """The headline: harmonic mean of ``likeness``, ``kept`` and ``realism``, each in [0, 1].

    The two ways to cheat are the zeros: no swap of likeness, and paste of what is kept. Likeness is
    by the first judge that is not in the loss, else by the loss's own.
    """
    judge = next((j for j in read.judges if not j.in_loss), read.judges[0]).name
    means, none, paste = row.means(), rows["no swap"].means(), rows["paste"].means()
    floor, ceiling = none[f"{judge} to source"], stage.same_person().get(judge, 1.0)
    likeness = (means[f"{judge} to source"] - floor) / max(ceiling - floor, 1e-6)
    parts = [1 - means[name] / max(paste[name], 1e-6) for name in KEPT if name in paste]
    found = {
        "likeness": _unit(likeness),
        "kept": float(np.mean([_unit(part) for part in parts])),
        "realism": _unit(2 * (1 - means["told apart"])),
    }
    return {"score": metrics.harmonic(list(found.values()))} | found


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _errors(
    made: Reading, wanted: Reading, eyes_seen: NDArray[np.bool_] | None
) -> dict[str, Floats]:
    found = {
        "pose": pose_error(made.poses, wanted.poses),
        "expression": expression_error(made.expressions, wanted.expressions),
    }
    if made.gaze is not None and wanted.gaze is not None:
        found["gaze"] = gaze_error(made.gaze, wanted.gaze)
        if eyes_seen is not None:
            found["gaze"] = np.where(eyes_seen, found["gaze"], np.nan)
    return found


def row_of(task: Task, shown: Shown, seen: Reading, real: Floats) -> Row:
    """Figures of pictures made of the task's targets with its sources' faces."""
    found = _all_likeness(seen, task.sources, task.targets)
    found |= _errors(seen, task.targets, task.eyes_seen)
    inside = metrics.face_area(task.targets.points, SIDE)
    around = metrics.seen(task.people.filler, SIDE) & ~inside
    before = task.people.pictures
    found["background"] = metrics.changes(shown.pictures, before, around)
    found["seam"] = metrics.seam(shown.pictures, before, shown.masks)
    mean, spread = metrics.kid(seen.features, real, _rng())
    apart = metrics.told_apart(seen.features, real, _rng())
    return Row(
        found, {"told apart": apart, "kid_openseeface": mean, "kid_openseeface spread": spread}
    )


def _all_likeness(seen: Reading, sources: Reading, targets: Reading) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for name, swaps in seen.embeddings.items():
        found |= _likeness(name, swaps, sources.embeddings[name], targets.embeddings[name])
    return found


def _likeness(name: str, swaps: Floats, sources: Floats, targets: Floats) -> dict[str, Floats]:
    to_source = metrics.cosines(swaps, sources)
    return {
        f"{name} to source": to_source,
        f"{name} to target": metrics.cosines(swaps, targets),
        f"{name} gain": to_source - metrics.cosines(targets, sources),
        f"{name} top-1": metrics.hits(swaps, sources),
    }


def _unrelated(swap: Row, task: Task, seen: Reading) -> Row:
    """The swaps judged against somebody else's source: target n was given an unrelated face."""
    others = task.sources.pick(np.roll(np.arange(len(task.people.rows)), 1))
    return Row(dict(swap.pictures) | _all_likeness(seen, others, task.targets), swap.whole)


def _reconstruction(chain: Chain, task: Task, count: int) -> dict[str, float]:
    """Targets given their own face of the same photo: nothing should change."""
    people = task.people.pick(np.arange(min(count, len(task.people.rows))))
    points = task.targets.points[: len(people.rows)]
    made = chain(people.pictures, chain.identities(people.pictures), five(points)).pictures
    inside = metrics.face_area(points, SIDE) & metrics.seen(people.filler, SIDE)
    return {"reconstruction": float(metrics.changes(made, people.pictures, inside).mean())}


def _under_lights(
    chain: Chain, task: Task, identities: Sequence[PreparedIdentity], count: int
) -> dict[str, float]:
    """Whether a swap's skin follows coloured light: CIE76 from the plain swap under that light."""
    targets = task.people.pictures[: max(count // 2, 1)]
    points = task.targets.points[: len(targets)]
    plain = chain(targets, identities[: len(targets)], five(points)).pictures
    apart = []
    for light in metrics.LIGHTS.values():
        under = chain(metrics.lit(targets, light), identities[: len(targets)], five(points))
        wanted = metrics.skin_tones(metrics.lit(plain, light), points)
        apart.append(np.linalg.norm(metrics.skin_tones(under.pictures, points) - wanted, axis=1))
    found = np.concatenate(apart)
    return {
        "light": float(found.mean()),
        "light flips": float((found > metrics.FLIPPED).mean()),
    }


def grouped(row: Row, pairs: Pairs) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Figure -> label (``source race`` ...) -> group -> mean and faces.

    Likeness is grouped by the source's label and by the target's, all else by the target's.
    """
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name, values in row.pictures.items():
        sides = {"target": pairs.targets}
        if name.endswith(("to source", "gain", "top-1")):
            sides["source"] = pairs.sources
        found[name] = {
            f"{side} {label}": metrics.by_group(values, [getattr(r, label) for r in people.rows])
            for side, people in sides.items()
            for label in LABELS
        }
    return found


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)
