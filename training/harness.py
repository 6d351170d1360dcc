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
from training.judges import Floats
from training.landmarks import expression_error, five, pose_error
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
        return {name: float(np.nanmean(v)) for name, v in self.pictures.items()} | dict(self.whole)


@dataclass(frozen=True, eq=False)
class Stage:
    """The pairs with everything read off their real pictures."""

    pairs: Pairs
    targets: Reading
    sources: Reading
    twice: Reading
    again: Reading
    real: Reading
    eyes_seen: NDArray[np.bool_] | None
    eyes_seen_twice: NDArray[np.bool_] | None

    @staticmethod
    def of(pairs: Pairs, real: People, read: Instruments) -> Stage:
        """Read all real pictures, or take what is remembered of them."""
        targets = read(pairs.targets.pictures, remembered=True)
        twice = read(pairs.twice.pictures, remembered=True)
        return Stage(
            pairs,
            targets,
            read(pairs.sources.pictures, remembered=True),
            twice,
            read(pairs.again.pictures, remembered=True),
            read(real.pictures, remembered=True, only_eyes=True),
            read.readable(pairs.targets.pictures, targets),
            read.readable(pairs.twice.pictures, twice),
        )

    @property
    def same_person(self) -> dict[str, float]:
        """Mean cosine of two photos of one person, by judge: as alike as a swap can be."""
        return {
            name: float(metrics.cosines(found, self.again.embeddings[name]).mean())
            for name, found in self.twice.embeddings.items()
            if len(found)
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """``rows`` by name, the ``swap`` row by group, and the pictures for the sheet."""

    rows: Mapping[str, Row]
    scores: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    same_person: Mapping[str, float]
    swaps: Shown
    identities: Sequence[PreparedIdentity]


def evaluate(chain: Chain, stage: Stage, read: Instruments, *, extras: int) -> Evaluation:
    """Every figure of a swapper and of its baselines.

    ``extras``: on how many pictures reconstruction and coloured light are tried.
    """
    pairs, targets = stage.pairs, stage.targets
    anchors = five(targets.points)
    identities = chain.identities(pairs.sources.pictures)
    made = chain(pairs.targets.pictures, identities, anchors)
    seen = read(made.pictures)
    rest = untouched(pairs.targets.pictures, anchors)
    laid = pasted(pairs.targets.pictures, pairs.sources.pictures, anchors)
    rows = {
        "swap": pair_row(stage, made, seen),
        "no swap": pair_row(stage, rest, targets),
        "paste": pair_row(stage, laid, read(laid.pictures, remembered=True)),
    }
    rows["random identity"] = _unrelated(rows["swap"], stage, seen)
    if len(pairs.twice.rows):
        rows["self swap"] = _self_swap(chain, stage, read)
    added = _reconstruction(chain, stage, extras) | _under_lights(chain, stage, identities, extras)
    swap = rows["swap"]
    rows["swap"] = Row(swap.pictures, dict(swap.whole) | added)
    scores = {name: score(row, rows, stage, read) for name, row in rows.items()}
    return Evaluation(rows, scores, grouped(swap, pairs), stage.same_person, made, identities)


def score(row: Row, rows: Mapping[str, Row], stage: Stage, read: Instruments) -> dict[str, float]:
    """The headline: harmonic mean of ``likeness``, ``kept`` and ``realism``, each in [0, 1].

    The two ways to cheat are the zeros: no swap of likeness, and paste of what is kept. Likeness is
    by the first judge that is not in the loss, else by the loss's own.
    """
    judge = next((j for j in read.judges if not j.in_loss), read.judges[0]).name
    means, none, paste = row.means(), rows["no swap"].means(), rows["paste"].means()
    floor, ceiling = none[f"{judge} to source"], stage.same_person.get(judge, 1.0)
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


def pair_row(stage: Stage, shown: Shown, seen: Reading) -> Row:
    """Figures of pictures made of the targets with the sources' faces."""
    return _row(
        stage.pairs.targets,
        stage.targets,
        stage.sources,
        shown,
        seen,
        stage.real,
        stage.eyes_seen,
    )


def _row(
    people: People,
    targets: Reading,
    sources: Reading,
    shown: Shown,
    seen: Reading,
    real: Reading,
    eyes_seen: NDArray[np.bool_] | None,
) -> Row:
    found = _all_likeness(seen, sources, targets)
    found |= _errors(seen, targets, eyes_seen) | _surroundings(shown, people, targets)
    mean, spread = metrics.kid(seen.features, real.features, _rng())
    apart = metrics.told_apart(seen.features, real.features, _rng())
    whole = {"told apart": apart, "kid_openseeface": mean, "kid_openseeface spread": spread}
    return Row(found, whole)


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


def _surroundings(shown: Shown, people: People, reading: Reading) -> dict[str, Floats]:
    inside = metrics.face_area(reading.points, SIDE)
    where = metrics.seen(people.filler, SIDE) & ~inside
    return {
        "background": metrics.changes(shown.pictures, people.pictures, where),
        "seam": metrics.seam(shown.pictures, people.pictures, shown.masks),
    }


def _unrelated(swap: Row, stage: Stage, seen: Reading) -> Row:
    """The swaps judged against somebody else's source: target n was given an unrelated face."""
    others = np.roll(np.arange(len(stage.pairs.sources.rows)), 1)
    found = _all_likeness(seen, stage.sources.pick(others), stage.targets)
    return Row(dict(swap.pictures) | found, swap.whole)


def _self_swap(chain: Chain, stage: Stage, read: Instruments) -> Row:
    """People given their own face, taken from another photo of theirs."""
    identities = chain.identities(stage.pairs.again.pictures)
    people, targets = stage.pairs.twice, stage.twice
    shown = chain(people.pictures, identities, five(targets.points))
    seen = read(shown.pictures)
    return _row(people, targets, stage.again, shown, seen, stage.real, stage.eyes_seen_twice)


def _reconstruction(chain: Chain, stage: Stage, count: int) -> dict[str, float]:
    """Targets given their own face of the same photo: nothing should change."""
    people = stage.pairs.targets.pick(np.arange(min(count, len(stage.pairs.targets.rows))))
    points = stage.targets.points[: len(people.rows)]
    made = chain(people.pictures, chain.identities(people.pictures), five(points)).pictures
    inside = metrics.face_area(points, SIDE) & metrics.seen(people.filler, SIDE)
    return {"reconstruction": float(metrics.changes(made, people.pictures, inside).mean())}


def _under_lights(
    chain: Chain, stage: Stage, identities: Sequence[PreparedIdentity], count: int
) -> dict[str, float]:
    """Whether a swap's skin follows coloured light: CIE76 from the plain swap under that light."""
    targets = stage.pairs.targets.pictures[: max(count // 2, 1)]
    points = stage.targets.points[: len(targets)]
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
