"""Faces behind things, with the truth of what of the face is still seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training import occluder_shapes as shapes
from training.landmarks import MIRROR
from training.occluder_labels import SIDE
from training.occluder_material import Material, Rgba

KINDS = {
    "hand": 0.32,
    "fingers": 0.16,
    "glasses": 0.14,
    "shape": 0.12,
    "held": 0.11,
    "strands": 0.08,
    "template": 0.07,
}
HELD = ("cup", "phone", "spoon", "food")
UNSEEN = "microphone"  # drawn for evaluation only
USUAL, HIDDEN = 100, 50  # weight of a pixel, and what is added where the face is hidden
FILLER_MARGIN = 5  # rows: the padding moves with the face's turn
SIDE_LIT = 0.35  # share of faces under light from a side, or with a shadow of something unseen
PLAIN = 0.13  # share of scenes with nothing before the face


@dataclass(frozen=True, eq=False)
class Scene:
    """Picture SIDE x SIDE x 3 RGB, truth 4 x SIDE x SIDE (PLANES), weight SIDE x SIDE (its say).

    ``clean`` is the truth of the face before anything was laid over it.
    """

    picture: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    weight: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    kind: str


class Composer:
    """Draws scenes from material with one generator: the same seed gives the same scenes."""

    def __init__(
        self,
        material: Material,
        seed: int,
        shares: NDArray[np.floating] | None = None,
        plain: float = PLAIN,
        kinds: Mapping[str, float] = KINDS,
    ) -> None:
        """``kinds``: how often each is drawn, to one another.

        :raises ValueError: on a kind that is not one of KINDS.
        """
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"nothing is called {sorted(unknown)}, kinds are {sorted(KINDS)}")
        self._m, self._plain = material, plain
        self._kinds, chances = list(kinds), np.array(list(kinds.values()))
        self._chances = chances / chances.sum()
        self._rng = np.random.default_rng(seed)
        self._edges = None if shares is None else np.cumsum(shares / shares.sum())

    def scene(self, kind: str | None = None, *, face: int | None = None) -> Scene:
        """One scene; ``kind`` is one of KINDS, ``plain``, UNSEEN or drawn, as the face is."""
        rng, m = self._rng, self._m
        if kind is None:
            kind = "plain" if rng.random() < self._plain else self._kind()
        n = self._draw() if face is None else face
        picture, truth, points = self._placed(n)
        clean = truth[0].copy()
        if rng.random() < SIDE_LIT:
            picture = side_lit(picture, rng)
        again = rng.random() < 0.22 and kind != "plain"
        for one in (kind, *([self._kind()] * again)):
            if one != "plain":
                self._cover(picture, truth, points, one)
        weight = cv2.addWeighted(clean, HIDDEN / 255, truth[0], -HIDDEN / 255, USUAL)
        if m.rows[n].filler_top > 0:
            weight[: int(np.ceil(m.rows[n].filler_top * SIDE)) + FILLER_MARGIN] = 0
        return Scene(self._degraded(picture), truth, weight, clean, kind)

    def _kind(self) -> str:
        return str(self._rng.choice(self._kinds, p=self._chances))

    def _draw(self) -> int:
        if self._edges is None:
            return int(self._rng.integers(len(self._m.rows)))
        return int(np.searchsorted(self._edges, self._rng.random()))

    def _placed(self, n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.floating]]:
        """The face a little turned, grown, shifted and mirrored, as a loose alignment leaves it."""
        rng, m = self._rng, self._m
        warp = cv2.getRotationMatrix2D(
            (64, 72), rng.normal(0, 4), float(np.exp(rng.normal(0, 0.05)))
        )
        warp[:, 2] += rng.normal(0, 2.0, 2)
        if rng.random() < 0.5:
            warp[0] *= -1
            warp[0, 2] += SIDE - 1
        size = (SIDE, SIDE)
        picture = cv2.warpAffine(m.faces[n], warp, size, borderMode=cv2.BORDER_REPLICATE)
        planes = np.ascontiguousarray(m.planes[n].transpose(1, 2, 0))
        truth = cv2.warpAffine(planes, warp, size).transpose(2, 0, 1)
        points = m.points[n] @ warp[:, :2].T + warp[:, 2]
        if warp[0, 0] < 0:  # the person's sides change places: rows that are used by side
            points = points[MIRROR]
        return np.ascontiguousarray(picture), np.ascontiguousarray(truth), points

    def _cover(
        self,
        picture: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        points: NDArray[np.floating],
        kind: str,
    ) -> None:
        """Lay one occluder over picture and truth, in place."""
        rng = self._rng
        hides: NDArray[np.uint8] | None = None
        if kind == "glasses":
            layer, alpha, hides = shapes.glasses(rng, points)
        elif kind == "hand":
            layer, alpha = self._hand(self._skin(picture, truth))
        elif kind == "fingers":
            layer, alpha = shapes.fingers(rng, self._skin(picture, truth))
        elif kind == "strands":
            layer, alpha = shapes.strands(rng, self._hair(picture, truth), points)
        elif kind == "template":
            layer, alpha = self._template(points)
        elif kind == "shape":
            layer, alpha = shapes.shape(rng, self._scraps())
        else:
            thing = kind if kind == UNSEEN else str(rng.choice(HELD))
            layer, alpha = shapes.held(rng, thing, self._scraps())
        alpha, hides = self._softened(alpha, hides)
        if rng.random() < 0.5:
            self._shadow(picture, alpha)
        share = alpha[..., None].astype(np.float32) / 255
        picture[:] = layer * share + picture * (1 - share) + 0.5
        left = 255 - (alpha if hides is None else hides)
        for plane in truth:
            cv2.multiply(plane, left, plane, 1 / 255)

    def _softened(
        self, alpha: NDArray[np.uint8], hides: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Edges out of focus or moving; the truth moves with them."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.55:
            kernel = cv2.getGaussianKernel(7, rng.uniform(0.3, 1.6)).astype(np.float32)
            kernel = kernel @ kernel.T
        elif kind < 0.75:
            length, turn = rng.uniform(3, 13), rng.uniform(0, np.pi)
            kernel = np.zeros((15, 15), np.float32)
            reach = np.array([np.cos(turn), np.sin(turn)]) * length / 2
            a, b = (tuple(round(float(v) * 16) for v in 7 + s * reach) for s in (-1, 1))
            cv2.line(kernel, a, b, 1.0, 1, cv2.LINE_AA, 4)
            kernel /= kernel.sum()
        else:
            return alpha, hides
        soft = cv2.filter2D(alpha, -1, kernel)
        return soft, None if hides is None else cv2.filter2D(hides, -1, kernel)

    def _shadow(self, picture: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
        rng = self._rng
        shift = np.array([[1, 0, rng.normal(0, 5)], [0, 1, rng.normal(2, 5)]])
        dark = cv2.warpAffine(alpha, shift, (SIDE, SIDE))
        reach = int(rng.integers(2, 8)) * 2 + 1
        dark = cv2.blur(dark, (reach, reach)).astype(np.float32) / 255 * rng.uniform(0.1, 0.55)
        picture[:] = picture * (1 - dark[..., None])

    def _hand(self, skin: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A cut-out hand whose wrist goes on as an arm, out of the picture."""
        rng = self._rng
        hand = self._m.hands[int(rng.integers(len(self._m.hands)))]
        if rng.random() < 0.7:  # the colour of this person's skin, roughly
            solid = hand[..., 3] > 200
            own = hand[..., :3][solid].mean(0)
            wanted = np.clip(skin * rng.uniform(0.8, 1.2), 5, 250)
            gain = np.clip(wanted / np.maximum(own, 1), 0.2, 2.5) * rng.uniform(0.94, 1.06, 3)
        else:
            gain = rng.uniform(0.3, 1.2) * rng.uniform(0.85, 1.15, 3)
        long = cv2.copyMakeBorder(hand, 0, 110, 0, 0, cv2.BORDER_REPLICATE)
        bright = np.clip(long[..., :3] * gain.astype(np.float32), 0, 255).astype(np.uint8)
        if rng.random() < 0.5:  # a sleeve
            cut = hand.shape[0] + int(rng.integers(-8, 40))
            bright[cut:] = np.clip(rng.uniform(0, 255, 3) + rng.normal(0, 6, (1, 100, 1)), 0, 255)
        long = np.dstack([bright, long[..., 3]])
        tip, away = shapes._pointing(rng)
        scale = float(np.exp(rng.normal(0.22, 0.3)))
        turn = _turned(away) @ np.diag(
            [scale * rng.uniform(0.7, 1.15) * rng.choice([-1, 1]), scale]
        )
        anchor = np.array([50.0, rng.uniform(10, 65)])  # of the hand, laid on the tip
        warp = np.concatenate([turn, (tip - turn @ anchor)[:, None]], 1)
        laid = cv2.warpAffine(long, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        return laid[..., :3], laid[..., 3]

    def _template(
        self, points: NDArray[np.floating]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A face mask over nose, mouth and chin."""
        rng = self._rng
        mask: Rgba = self._m.templates[int(rng.integers(len(self._m.templates)))]
        height, width = mask.shape[:2]
        down = points[8] - points[27]
        source = np.array(
            [[0, height * 0.2], [width, height * 0.2], [width / 2, height]], np.float32
        )
        wanted = np.stack([points[2], points[14], points[8] + down * 0.05])
        wanted += rng.normal(0, 2.5, (3, 2))
        if rng.random() < 0.1:  # worn under the nose
            wanted[:2] += down * 0.18
        warp = cv2.getAffineTransform(source, wanted.astype(np.float32))
        laid = cv2.warpAffine(mask, warp, (SIDE, SIDE), flags=cv2.INTER_AREA)
        tinted = laid[..., :3]
        if rng.random() < 0.5:
            tinted = np.clip(tinted * rng.uniform(0.2, 1.1, 3), 0, 255).astype(np.uint8)
        return tinted, laid[..., 3]

    def _skin(self, picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.floating]:
        seen = cv2.mean(picture, (truth[0] > 200).astype(np.uint8))[:3]
        return np.array(seen) if sum(seen) > 0 else self._rng.uniform(40, 220, 3)

    def _hair(self, picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.floating]:
        """The colour just above the forehead, else a hair colour."""
        rng = self._rng
        above = truth[0].argmax(0)
        column = int(rng.integers(40, 88))
        row = int(above[column]) - int(rng.integers(4, 12))
        if row > 2 and rng.random() < 0.5:
            return picture[row - 2 : row + 1, column - 1 : column + 2].reshape(-1, 3).mean(0)
        base = np.array(
            [[25, 20, 18], [70, 48, 32], [150, 115, 70], [120, 55, 25], [165, 160, 155]]
        )
        return np.clip(base[int(rng.integers(5))] * rng.uniform(0.5, 1.4), 0, 255)

    def _scraps(self) -> list[NDArray[np.uint8]]:
        return [self._m.faces[int(self._rng.integers(len(self._m.faces)))]]

    def _degraded(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Light, cast, blur, small cameras, noise and JPEG, each with some chance."""
        rng, x = self._rng, picture
        if rng.random() < 0.7:
            cast = 1 + rng.uniform(-0.2, 0.2, 3) * (rng.random() < 0.5)
            ramp = np.arange(256)[:, None] / 255
            gamma = np.exp(rng.uniform(-0.5, 0.6))
            lut = np.clip(ramp**gamma * rng.uniform(0.45, 1.3) * cast * 255, 0, 255)
            x = cv2.LUT(x, lut.astype(np.uint8)[None])
        if rng.random() < 0.3:
            side = int(rng.uniform(48, 118))
            small = cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
            x = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        elif rng.random() < 0.2:
            x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
        if rng.random() < 0.3:
            noise = np.empty(x.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(1 << 30)))
            cv2.randn(noise, 0, rng.uniform(2, 14))
            x = cv2.add(x, noise, dtype=cv2.CV_8U)
        if rng.random() < 0.4:
            good, code = cv2.imencode(
                ".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
            )
            x = cv2.imdecode(code, cv2.IMREAD_COLOR) if good else x
        if rng.random() < 0.04:
            x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return np.ascontiguousarray(x, np.uint8)


def side_lit(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture lit from one side, and with one soft bright or dark patch: nothing hides it."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / (SIDE / 2) - 1
    gain = rng.normal(0, 0.35) * (x * np.cos(angle) + y * np.sin(angle))
    if rng.random() < 0.6:
        far = np.hypot(x - rng.normal(0, 0.5), y - rng.normal(0, 0.5)) / rng.uniform(0.15, 0.5)
        gain = gain + rng.normal(0, 0.45) / (1 + far ** rng.uniform(2, 10))
    lit = picture * np.exp(gain)[..., None].astype(np.float32)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _turned(away: NDArray[np.floating]) -> NDArray[np.floating]:
    """The turn that lays a picture's downward axis along ``away``."""
    return np.array([[away[1], away[0]], [-away[0], away[1]]])
