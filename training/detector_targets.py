"""The dense targets a detector learns from: the reference's answer, set right by the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.detector_material import (
    SIDE,
    Scene,
)
from training.detector_teacher import (
    Dense,
    Floats,
    anchors,
    decode_boxes,
    overlap,
)


def dense_targets(scene: Scene, dense: Dense) -> NDArray[np.float32]:
    """Target of every anchor, N x 17: score, score weight, regression weight, box 4, points 10.

    The teacher's dense answer, set right where the truth is known: false faces to zero, missed
    faces to an own assignment by size, points to the true ones, weak faces raised to 0.85. Faces
    that are nearly covered or under 14 px and unseen by the teacher carry no weight.
    """
    grid = anchors(SIDE, SIDE)
    score = dense.score.astype(np.float32).copy()
    weight = np.ones_like(score)
    box, points = dense.box.copy(), dense.points.copy()
    live = np.flatnonzero(score > 0.2)
    boxes = decode_boxes(box[live], grid[live])
    table = overlap(boxes, scene.boxes) if len(scene.boxes) else np.zeros((len(live), 0))
    best = table.max(1, initial=0.0)
    owner = table.argmax(1) if table.shape[1] else np.zeros(len(live), int)
    if scene.certain:
        score[live[best < 0.3]] = 0.0
    for n, truth in enumerate(scene.boxes):
        mine = live[(owner == n) & (best >= 0.45)]
        if len(mine) and score[mine].max() >= 0.5:
            score[mine] *= max(1.0, 0.85 / float(score[mine].max()))
            local = scene.points[n][None] / grid[mine, 2][:, None, None]
            points[mine] = (local - grid[mine, None, :2]).reshape(len(mine), 10)
            continue
        _assign(scene, n, truth, grid, score, weight, box, points)
    regression = np.where(score > 0.3, score, 0.0).astype(np.float32)
    return np.concatenate(
        [score[:, None], weight[:, None], regression[:, None], box, points], 1, dtype=np.float32
    )


def _assign(
    scene: Scene,
    n: int,
    truth: Floats,
    grid: Floats,
    score: Floats,
    weight: Floats,
    box: Floats,
    points: Floats,
) -> None:
    size = float(np.sqrt(truth[2] * truth[3]))
    centre = truth[:2] + truth[2:] / 2
    middle = (grid[:, :2] + 0.5) * grid[:, 2:]
    inside = (np.abs(middle - centre) < truth[2:] * 0.5).all(1)
    reach = truth[2:] * 0.25
    shown = (centre > reach).all() and (centre < SIDE - reach).all()
    if size < 14 or scene.hidden[n] > 0.5 or not shown:
        weight[inside] = 0.0
        return
    stride = 8 if size < 40 else 16 if size < 110 else 32
    away = np.abs(middle - centre).max(1) / stride
    level = grid[:, 2] == stride
    weight[inside] = 0.0
    near = np.flatnonzero(level & (away < 1.0))
    value = np.clip(1.15 - 0.6 * away[near], 0, 0.85)
    score[near], weight[near] = value, 1.0
    s = grid[near, 2:]
    box[near, :2] = centre / s - grid[near, :2]
    box[near, 2:] = np.log(np.maximum(truth[2:], 1) / s)
    points[near] = (scene.points[n][None] / s[:, None] - grid[near, None, :2]).reshape(-1, 10)
