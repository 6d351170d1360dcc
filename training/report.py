"""An evaluation as one table, one JSON document and one contact sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.harness import Evaluation
from training.heldout import Pairs
from training.instruments import Reading
from training.judges import Recogniser
from training.landmarks import five
from training.metrics import evenness
from training.sheet import in_turn
from training.swapping import SIDE, Chain

ORDER = ("swap", "self swap", "no swap", "paste", "random identity")
COLUMNS, TARGETS, STRIP = 6, 8, 8
# What a group table shows; the other figures are in the JSON.
GROUPED = ("gain", "top-1", "pose", "expression", "gaze", "background", "seam")


def document(
    found: Evaluation, pairs: Pairs, judges: tuple[Recogniser, ...], about: dict[str, Any]
) -> dict[str, Any]:
    """Everything, ready for ``json.dumps``."""
    return {
        **about,
        "pairs": len(pairs.targets.rows),
        "self_pairs": len(pairs.twice.rows),
        "judges": {
            judge.name: {
                "in_loss": judge.in_loss,
                "same_person": found.same_person.get(judge.name),
                "auc": found.verification.get(judge.name),
            }
            for judge in judges
        },
        "rows": {
            name: {"scores": dict(found.scores[name]), "figures": row.means()}
            for name, row in found.rows.items()
        },
        "groups": {
            figure: {
                label: {"groups": groups, "evenness": evenness(groups)}
                for label, groups in labels.items()
            }
            for figure, labels in found.groups.items()
        },
    }


def table(report: dict[str, Any]) -> str:
    """The document as text: figures down, swap and baselines across, then the groups."""
    rows = report["rows"]
    names = [name for name in ORDER if name in rows]
    lines = [
        f"{report['swapper']} on {report['pairs']} held-out pairs and {report['self_pairs']} self"
        f" pairs, {report['output']}; source embeddings by {report['embeddings']}",
        _line("", names),
    ]
    for part in ("score", "likeness", "kept", "realism"):
        lines.append(_line(part, [_figure(rows[n]["scores"].get(part)) for n in names]))
    figures = dict.fromkeys(key for n in names for key in rows[n]["figures"])
    for key in figures:
        lines.append(
            _line(_said(key, report), [_figure(rows[n]["figures"].get(key)) for n in names])
        )
    for name, judge in report["judges"].items():
        if judge["auc"] is not None:
            alike = judge["same_person"]
            lines.append(f"{name}: photos of one person {alike:.3f}, AUC {judge['auc']:.4f}")
    if report.get("clips"):
        lines += ["", _line("clips", ["swap", "target", "ratio"])]
        for key, entry in report["clips"]["figures"].items():
            values = [entry.get("swap"), entry.get("target"), entry.get("ratio")]
            lines.append(_line(key, [_figure(value) for value in values]))
    lines += ["", "by group: least over greatest group mean, and the group means"]
    for figure, labels in report["groups"].items():
        if figure.endswith(GROUPED):
            lines += [_groups(figure, label, entry) for label, entry in labels.items()]
    return "\n".join(line for line in lines if line is not None)


def _groups(figure: str, label: str, entry: dict[str, Any]) -> str:
    even = "  - " if entry["evenness"] is None else f"{entry['evenness']:.2f}"
    means = ", ".join(
        f"{name} {g['mean']:.3g} ({g['faces']})" for name, g in entry["groups"].items()
    )
    return f"{figure:20} {label:14} {even}  {means}"


def _said(key: str, report: dict[str, Any]) -> str:
    judge = next((name for name in report["judges"] if key.startswith(f"{name} ")), None)
    flattered = judge is not None and report["judges"][judge]["in_loss"]
    return f"{key} (in the loss)" if flattered else key


def _line(head: str, cells: list[str]) -> str:
    return f"{head:34}" + "".join(f"{cell:>17}" for cell in cells)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def sheet(chain: Chain, pairs: Pairs, read: Reading, found: Evaluation) -> NDArray[np.uint8]:
    """Six sources on eight targets; below, pairs from the best likeness to the worst.

    The strips show target, source and swap. RGB.
    """
    shown = _spread(pairs, TARGETS)
    columns = [np.concatenate([_blank(), *pairs.targets.pictures[shown]])]
    for n in _spread(pairs, COLUMNS):
        same = [found.identities[n]] * len(shown)
        made = chain(pairs.targets.pictures[shown], same, five(read.points[shown]))
        columns.append(np.concatenate([pairs.sources.pictures[n], *made.pictures]))
    grid = np.concatenate(columns, axis=1)
    judge = [name for name in found.rows["swap"].pictures if name.endswith("gain")][-1]
    order = np.argsort(-found.rows["swap"].pictures[judge])
    ranked = order[np.linspace(0, len(order) - 1, min(STRIP, len(order))).round().astype(int)]
    strips = [
        np.concatenate(list(pictures[ranked]), axis=1)
        for pictures in (pairs.targets.pictures, pairs.sources.pictures, found.swaps.pictures)
    ]
    below = np.concatenate(strips)
    width = max(grid.shape[1], below.shape[1])
    return np.concatenate([_widened(grid, width), _widened(below, width)])


def _spread(pairs: Pairs, count: int) -> NDArray[np.int64]:
    """Places of pairs whose targets come from as many sets as there are, in turn."""
    by_set: dict[str, list[int]] = {}
    for n, row in enumerate(pairs.targets.rows):
        by_set.setdefault(row.set, []).append(n)
    lists = [by_set[name] for name in sorted(by_set, key=lambda name: -len(by_set[name]))]
    return np.array(in_turn(lists, count))


def _blank() -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), 255, np.uint8)


def _widened(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    room = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, room), (0, 0)), constant_values=255)
