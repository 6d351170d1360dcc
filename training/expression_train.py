"""Teach a small network to read pose, expression and gaze, so that a loss can ask for them.

python -m training.expression_train --data DIR --teacher FILE --landmarks FILE --mesh FILE
    --iris FILE --output FILE [--steps N]

Nothing else in the loss keeps a swap from taking over its source's smile: most people have one
photo, so that the photo which tells who is wanted tells the mouth to be painted as well, and the
recognisers like a mouth that is the source's. MediaPipe's face mesh and irises (``mesh.py``) say
what each photo shows; this network learns to say it from a crop, roughly cut and in any light, and
the generator's swap must then be read as its target is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training import disturb
from training.expression_model import LIDS, NAMES, ExpressionReader, mirrored
from training.faces import SQUARE_PX, Faces, load
from training.memory import digest_of, digest_of_faces, save
from training.mesh import Mesh
from training.teacher import Teacher

BATCH = 96
RATE = 2e-3
STRENGTH = 0.7  # see disturb.crops
BLINKS = 0.15  # share of the pictures whose eyes are drawn closed
# Eyes that are drawn closed are said to be so far open, in eye widths; the mesh itself hardly knows
# closed eyes: of these it says .18, half closed .23, open .28 (150 photos).
SHUT = 0.09
FAR = 3.0  # spreads: beyond it the mesh is more likely wrong


def labels(
    folder: Path, pictures: NDArray[np.uint8], mesh: Path, iris: Path, cache: Path
) -> NDArray[np.float32]:
    """``NAMES`` of every picture and its mirror image, averaged, n x 22; kept in ``cache``."""
    name = f"mesh_{digest_of_faces(folder)}_{digest_of(mesh)}_{digest_of(iris)}.npy"
    if not (cache / name).exists():
        network = Mesh(mesh, iris)
        parts = np.array_split(np.arange(len(pictures)), max(1, len(pictures) // 500))
        squares = (pictures[part] for part in parts)
        found = [(network(x) + mirrored(network(x[:, :, ::-1]))) / 2 for x in squares]
        save(cache / name, np.concatenate(found))
    return np.asarray(np.load(cache / name))


def batch(
    faces: Faces, wanted: NDArray[np.float32], chosen: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.float32]]:
    """Squares of these faces, some mirrored, some with closed eyes, and what they show."""
    turned = rng.random(len(chosen)) < 0.5
    shut = (rng.random(len(chosen)) < BLINKS) * rng.random(len(chosen))
    known = faces.eyes[chosen].any((1, 2, 3))
    shown = wanted[chosen]
    fall = (shut * known)[:, None]
    shown[:, LIDS] += fall * np.minimum(SHUT - shown[:, LIDS], 0)
    shown = np.where(turned[:, None], mirrored(shown), shown)
    return faces.batch(chosen, SQUARE_PX, turned, shut), shown


def train(
    network: ExpressionReader, faces: Faces, wanted: NDArray[np.float32], steps: int, seed: int = 1
) -> None:
    """Learn from ``steps`` batches of ``faces`` what they show, n x 22, and keep the scale in
    which the network says it."""
    mean, spread = wanted.mean(0), wanted.std(0)
    network.mean.copy_(torch.from_numpy(mean))
    network.spread.copy_(torch.from_numpy(spread))
    rng, torch_rng = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    read: nn.Module = torch.compile(network) if steps > 50 else network
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50, 1.5 * (1 - step / steps))
        chosen = rng.choice(len(faces.rows), BATCH, replace=len(faces.rows) < BATCH)
        squares, shown = batch(faces, wanted, chosen, rng)
        scaled = torch.from_numpy(((shown - mean) / spread).clip(-FAR, FAR))
        crops = disturb.crops(squares, STRENGTH, torch_rng, mirror=False)
        crops = disturb.relit(disturb.hidden(crops, torch_rng, 0.15), torch_rng)
        with torch.autocast("cpu", torch.bfloat16):
            found = read(crops)
        loss = F.smooth_l1_loss(found, scaled)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % 50 == 0:
            print(f"{step + 1} {float(loss.detach()):.4f}", flush=True)


@torch.no_grad()
def explained(network: ExpressionReader, faces: Faces, wanted: NDArray[np.float32]) -> Tensor:
    """Share of each measure's variance that is read off these faces, 22."""
    crops = disturb.crops(
        faces.batch(np.arange(len(faces.rows)), SQUARE_PX), 0.0, torch.Generator()
    )
    found = torch.cat([network(part) for part in crops.split(64)])
    scaled = (torch.from_numpy(wanted) - network.mean) / network.spread
    return 1 - (found - scaled).var(0) / scaled.var(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet state dict")
    parser.add_argument("--landmarks", type=Path, help="OpenSeeFace's 66 points, to close eyes")
    parser.add_argument("--mesh", type=Path, required=True, help="face_landmark.tflite")
    parser.add_argument("--iris", type=Path, required=True, help="iris_landmark.tflite")
    parser.add_argument("--output", type=Path, required=True, help="a state dict")
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    cache = given.cache / given.data.name
    faces = load(given.data, Teacher(given.teacher), cache, landmarks=given.landmarks)
    shown = labels(given.data, faces.pictures, given.mesh, given.iris, cache)
    held = np.array([row.held_out for row in faces.rows])
    network = ExpressionReader().to(memory_format=torch.channels_last)
    train(network, faces.pick(np.flatnonzero(~held)), shown[~held], given.steps)
    for name, share in zip(
        NAMES, explained(network, faces.pick(np.flatnonzero(held)), shown[held]), strict=True
    ):
        print(f"{name}: {float(share):.2f} of the variance explained on people held out")
    torch.save(network.state_dict(), given.output)


if __name__ == "__main__":
    main()
