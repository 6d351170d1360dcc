"""Judge a recogniser against its teacher, on people the recogniser was not trained on.

python -m training.recognizer_evaluate --data DIR --teacher FILE --model FILE [--occluders DIR]
    [--reference YUNET.onnx] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data import FaceRow, load_pictures, read_index
from training.detector_teacher import ReferenceDetector
from training.onnx_session import opened
from training.recognizer_augment import center_crops, to_network
from training.recognizer_covers import Covers, load_covers
from training.recognizer_hard import hard_sets, judge_hard
from training.recognizer_metrics import Floats, by_group, cosines, unit, verification
from training.recognizer_teacher import Teacher

Crops = NDArray[np.uint8]
CHUNK = 64


class Student:
    """RGB in [0, 1], n x 3 x 112 x 112, to unit embeddings n x 128, by an ONNX file."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        self._session = opened(file, threads)

    def __call__(self, pictures: NDArray[np.float32]) -> Floats:
        found: Floats = self._session.run(["embedding"], {"input": pictures})[0]
        return found


def embed(network: Student | Teacher, crops: Crops) -> Floats:
    """Unit embeddings of n x 112 x 112 x 3 RGB crops."""
    parts = []
    for start in range(0, len(crops), CHUNK):
        answer = network(to_network(crops[start : start + CHUNK]))
        parts.append(answer if isinstance(answer, np.ndarray) else answer.embedding.numpy())
    return unit(np.concatenate(parts))


def with_mirror(network: Student | Teacher, crops: Crops, plain: Floats) -> Floats:
    """Mean of the embeddings of the picture and of its mirror image, unit length."""
    return unit(plain + embed(network, crops[:, :, ::-1]))


def nearness(student: Floats, teacher: Floats) -> dict[str, float]:
    values = cosines(student, teacher)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "p5": float(np.percentile(values, 5)),
    }


def rows_with_pairs(rows: list[FaceRow]) -> list[FaceRow]:
    """The photos of people who have two or more."""
    photos = Counter(row.identity for row in rows)
    return [row for row in rows if photos[row.identity] > 1]


@dataclass(frozen=True)
class Extra:
    """What else to measure: the AUC over trained-on people, and harder pictures."""

    everyone: bool = False
    covers: Covers | None = None
    detector: ReferenceDetector | None = None


def evaluate(data: Path, teacher: Teacher, student: Student, extra: Extra) -> dict[str, Any]:
    """All figures as one JSON-like dictionary."""
    index = read_index(data)
    rows = [row for row in index if row.held_out]
    squares = load_pictures(data, rows, 128)
    crops = center_crops(squares)
    own, wanted = embed(student, crops), embed(teacher, crops)
    own_both = with_mirror(student, crops, own)
    wanted_both = with_mirror(teacher, crops, wanted)
    names = [row.identity for row in rows]
    values = cosines(own, wanted)
    strangers = cosines(own, np.roll(wanted, 1, axis=0))
    report: dict[str, Any] = {
        "faces": len(rows),
        "cosine": nearness(own, wanted),
        "cosine_with_mirror": nearness(own_both, wanted_both),
        "cosine_to_a_stranger": float(strangers.mean()),
        "student": asdict(verification(own, names)),
        "teacher": asdict(verification(wanted, names)),
        "student_with_mirror": asdict(verification(own_both, names)),
        "teacher_with_mirror": asdict(verification(wanted_both, names)),
        "groups": {
            kind: by_group(values, [getattr(row, kind) for row in rows])
            for kind in ("gender", "race", "age", "set")
        },
    }
    report["hard"] = {
        hard.name: judge_hard(hard, partial(embed, student), partial(embed, teacher), wanted, names)
        for hard in hard_sets(squares, extra.covers, extra.detector)
    }
    if extra.everyone:
        paired = rows_with_pairs(index)
        crops = center_crops(load_pictures(data, paired, 128))
        people = [row.identity for row in paired]
        report["student_all_identities"] = asdict(verification(embed(student, crops), people))
        report["teacher_all_identities"] = asdict(verification(embed(teacher, crops), people))
    return report


def as_text(report: dict[str, Any]) -> str:
    lines = [f"held-out faces {report['faces']}"]
    for name in ("cosine", "cosine_with_mirror"):
        c = report[name]
        lines.append(f"{name:24} mean {c['mean']:.4f} median {c['median']:.4f} p5 {c['p5']:.4f}")
    lines.append(f"{'cosine_to_a_stranger':24} mean {report['cosine_to_a_stranger']:.4f}")
    for name, entry in report.items():
        if name.startswith(("student", "teacher")):
            pairs = f"{entry['same_pairs']} same, {entry['other_pairs']} other pairs"
            lines.append(f"{name:24} AUC {entry['auc']:.4f} ({pairs})")
    for name, entry in report["hard"].items():
        aucs = (entry["student_auc"], entry["teacher_auc"])
        lines.append(
            f"{name:8} ({entry['faces']} faces) cosine {entry['cosine']:.4f} p5 {entry['p5']:.4f},"
            f" to clean: student {entry['student_to_clean']:.4f}"
            f" teacher {entry['teacher_to_clean']:.4f}, AUC student/teacher "
            + "/".join("-" if value is None else f"{value:.4f}" for value in aucs)
        )
    for kind, groups in report["groups"].items():
        for label, entry in groups.items():
            lines.append(f"{kind:7} {label:18} {entry['mean']:.4f} ({entry['faces']} faces)")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet .onnx")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--everyone", action="store_true", help="also AUC over all people")
    parser.add_argument("--occluders", type=Path, help="masks and hands, for these sets")
    parser.add_argument("--reference", type=Path, help="YuNet .onnx, for the profiles")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    teacher = Teacher(args.teacher, args.threads)
    extra = Extra(
        args.everyone,
        load_covers(args.occluders, held_out=True) if args.occluders else None,
        ReferenceDetector(args.reference) if args.reference else None,
    )
    report = evaluate(args.data, teacher, Student(args.model, args.threads), extra)
    print(json.dumps(report, indent=2) if args.json else as_text(report))


if __name__ == "__main__":
    main()
