"""Webcam-like scenes with known faces.

Aligned faces are pasted with soft rounded masks on pictures without a face, turned, hidden in part,
darkened, blurred and compressed. Frames of clips carry the reference detector's mean label of
several views, so that crops and turns of them have a steady truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.detector_hard import KINDS, change
from training.detector_material import (
    FACE_PX,
    SIDE,
    Material,
    Picture,
    Scene,
    mirror_face,
    move_box,
)
from training.detector_teacher import Floats
from training.recognizer_covers import Covers

EMPTY = 0.3  # share of the scenes without a face
COVERED = 0.25  # share of the faces that are changed, where there are covers


class Composer:
    """Draws scenes from material with one generator: the same seed gives the same scenes.

    With ``covers`` a part of the faces wear masks or glasses, have a hand before them or are dark.
    """

    def __init__(self, material: Material, seed: int, covers: Covers | None = None) -> None:
        self._m = material
        self._covers = covers
        self._rng = np.random.default_rng(seed)

    def scene(self) -> Scene:
        """One scene: about a third clip frames, three tenths without a face, the rest composed."""
        kind = self._rng.random()
        if kind < 0.3:
            return self.clip_scene()
        return self.composed_scene(empty=kind > 1 - EMPTY)

    def clip_scene(self) -> Scene:
        """A random crop, turn or shrink of a clip frame, with the faces seen in the whole frame."""
        rng = self._rng
        index = int(rng.integers(len(self._m.frames)))
        frame = self._m.frames[index]
        height, width = frame.shape[:2]
        scale = SIDE / max(height, width) * float(np.exp(rng.uniform(-0.9, 0.8)))
        if rng.random() < 0.3:
            scale = SIDE / max(height, width)
        angle = rng.normal(0, 12) if rng.random() < 0.5 else 0.0
        centre = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.25, 0.7))
        warp = cv2.getRotationMatrix2D(centre, angle, scale)
        warp[:, 2] += SIDE / 2 - np.array(centre)
        if scale * max(height, width) <= SIDE * 1.01:
            warp[0, 2] = -warp[0, :2] @ (0, 0) if angle == 0 else warp[0, 2]
            warp[1, 2] = 0 if angle == 0 else warp[1, 2]
        fill = (0, 0, 0) if rng.random() < 0.5 else tuple(map(float, rng.uniform(0, 255, 3)))
        picture = cv2.warpAffine(frame, warp, (SIDE, SIDE), flags=cv2.INTER_AREA, borderValue=fill)
        boxes = [move_box(box, warp) for box in self._m.frame_boxes[index]]
        points = [five @ warp[:, :2].T + warp[:, 2] for five in self._m.frame_points[index]]
        hidden = np.zeros(len(boxes), np.float32)
        if rng.random() < 0.2:
            cover = self._hide(picture, rng.uniform(60, 260, 2), rng.uniform(20, 80))
            for n, (x, y, w, h) in enumerate(boxes):
                part = cover[max(int(y), 0) : int(y + h), max(int(x), 0) : int(x + w)]
                hidden[n] = float((part > 127).mean()) if part.size else 0.0
        if rng.random() < 0.7:
            picture = self._degrade(picture, strength=0.5)
        return Scene(
            picture,
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(points, np.float32).reshape(-1, 5, 2),
            hidden,
            certain=False,
        )

    def composed_scene(self, *, empty: bool = False) -> Scene:
        """Up to four pasted faces (none if ``empty``) on a picture without a face."""
        rng = self._rng
        picture = self._background()
        places: list[tuple[float, float, float]] = []
        boxes, points, hidden = [], [], []
        count = 0 if empty else int(rng.choice([1, 2, 3, 4], p=[0.45, 0.25, 0.18, 0.12]))
        for _ in range(count):
            place = self._place(places)
            if place is None:
                continue
            places.append(place)
            box, five, face_mask = self._paste(picture, place)
            cover = np.zeros((SIDE, SIDE), np.uint8)
            if rng.random() < 0.3:
                centre = np.array(place[:2]) + rng.normal(0, place[2] * 0.35, 2)
                cover = self._hide(picture, centre, place[2] * rng.uniform(0.15, 0.45))
            boxes.append(box)
            points.append(five)
            area = max(int(face_mask.sum()), 1)
            hidden.append(float((cover[face_mask] > 127).sum() / area))
        for _ in range(int(rng.integers(0, 3)) if empty or rng.random() < 0.3 else 0):
            at = rng.uniform(0, SIDE, 2)
            if all(np.hypot(*(at - p[:2])) > p[2] * 1.2 for p in map(np.array, places)):
                self._hide(picture, at, rng.uniform(10, 70))
        return Scene(
            self._degrade(picture, strength=1.0),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(points, np.float32).reshape(-1, 5, 2),
            np.array(hidden, np.float32),
            certain=True,
        )

    def _place(
        self, taken: Sequence[tuple[float, float, float]]
    ) -> tuple[float, float, float] | None:
        rng = self._rng
        for _ in range(8):
            size = float(np.exp(rng.uniform(np.log(18), np.log(290))))
            margin = min(size * 0.4, SIDE / 2)
            x, y = rng.uniform(margin, SIDE - margin, 2)
            if all(np.hypot(x - a, y - b) > (size + s) * 0.55 for a, b, s in taken):
                return float(x), float(y), size
        return None

    def _paste(
        self, picture: Picture, place: tuple[float, float, float]
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        rng, m = self._rng, self._m
        n = int(rng.integers(len(m.faces)))
        x, y, size = place
        face, box, five = m.faces[n], m.boxes[n], m.points[n]
        if self._covers is not None and rng.random() < COVERED:
            face = change(face, str(rng.choice(KINDS)), self._covers, rng)
        if rng.random() < 0.5:
            face = face[:, ::-1]
            box, five = mirror_face(box, five, FACE_PX)
        centre = box[:2] + box[2:] / 2
        angle = rng.normal(0, 9) if rng.random() < 0.7 else rng.uniform(-45, 45)
        scale = size / float(box[3])
        warp = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, scale)
        warp[:, 2] += np.array([x, y]) - (warp[:, :2] @ centre + warp[:, 2])
        stretch = np.array([[rng.uniform(0.9, 1.1), 0], [0, 1.0]])
        origin = np.array([x, y])
        warp = np.concatenate(
            [stretch @ warp[:, :2], (stretch @ (warp[:, 2] - origin) + origin)[:, None]], 1
        )
        if rng.random() < 0.5:
            self._body(picture, place)
        shrunk = face
        while scale < 0.55:  # area-like shrinking before the warp
            shrunk = cv2.resize(shrunk, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            scale *= 2
        factor = FACE_PX / shrunk.shape[0]
        inner = warp @ np.array(
            [[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]]
        )
        alpha_face = self._face_mask(box, float(m.filler[n]))
        alpha = cv2.warpAffine(alpha_face, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        layer = cv2.warpAffine(
            shrunk, inner, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if rng.random() < 0.5:
            gain = rng.uniform(0.6, 1.2) * rng.uniform(0.9, 1.1, 3)
            layer = cv2.convertScaleAbs(layer * gain)
        a = alpha[..., None].astype(np.float32) / 255
        picture[:] = (layer * a + picture * (1 - a)).astype(np.uint8)
        moved = five @ warp[:, :2].T + warp[:, 2]
        placed = move_box(box, warp)
        w, h = placed[2:]
        ellipse = np.zeros((SIDE, SIDE), np.uint8)
        cv2.ellipse(
            ellipse,
            (int(x), int(y)),
            (max(int(w / 2), 1), max(int(h / 2), 1)),
            0,
            0,
            360,
            1,
            -1,
        )
        return (
            placed,
            moved.astype(np.float32),
            ellipse > 0,
        )

    def _face_mask(self, box: Floats, filler: float) -> Picture:
        """A soft superellipse round the face's box, without the padding; FACE_PX square."""
        rng = self._rng
        x, y, w, h = box
        power = rng.choice([2.0, 2.5, 4.0])
        rx, ry = w * rng.uniform(0.52, 0.8), h * rng.uniform(0.54, 0.8)
        cx, cy = x + w / 2, y + h / 2 - h * rng.uniform(-0.03, 0.1)
        r, c = np.mgrid[:FACE_PX, :FACE_PX].astype(np.float32)
        radius = (np.abs((c - cx) / rx) ** power + np.abs((r - cy) / ry) ** power) ** (1 / power)
        soft = rng.uniform(0.03, 0.25)
        alpha = np.clip((1 + soft / 2 - radius) / soft, 0, 1)
        top = filler * FACE_PX
        fade = rng.uniform(2, 16)
        for edge in (r - top - 1 if top else r, FACE_PX - 1 - r, c, FACE_PX - 1 - c):
            alpha *= np.clip(edge / fade, 0, 1)
        return (alpha * 255).astype(np.uint8)

    def _body(self, picture: Picture, place: tuple[float, float, float]) -> None:
        rng = self._rng
        x, y, size = place
        color = tuple(map(float, rng.uniform(10, 220, 3)))
        shoulders = (int(x), int(y + size * rng.uniform(1.3, 1.6)))
        axes = (int(size * rng.uniform(0.8, 1.3)), int(size * rng.uniform(0.6, 0.9)))
        cv2.ellipse(picture, shoulders, axes, 0, 0, 360, color, -1, cv2.LINE_AA)
        hair = tuple(map(float, rng.uniform(5, 120, 3) * rng.uniform(0.3, 1)))
        if rng.random() < 0.6:
            crown = (int(x), int(y - size * 0.1))
            axes = (int(size * rng.uniform(0.45, 0.65)), int(size * rng.uniform(0.6, 0.8)))
            cv2.ellipse(picture, crown, axes, 0, 0, 360, hair, -1, cv2.LINE_AA)

    def _hide(self, picture: Picture, centre: NDArray[np.floating], size: float) -> Picture:
        """Put a hand or a shape over the picture; returns its opacity, SIDE x SIDE."""
        rng = self._rng
        cover = np.zeros((SIDE, SIDE), np.uint8)
        if rng.random() < 0.5 and self._m.hands:
            hand = self._m.hands[rng.integers(len(self._m.hands))]
            wall = np.median(hand[:6].reshape(-1, 3), 0)
            far = np.abs(hand.astype(np.float32) - wall).max(2)
            alpha = np.clip((cv2.GaussianBlur(far, (5, 5), 0) - 18) * 12, 0, 255).astype(np.uint8)
            scale = size * 2.2 / 100
            warp = cv2.getRotationMatrix2D((50, 50), rng.uniform(0, 360), scale)
            warp[:, 2] += centre - 50
            cover = cv2.warpAffine(alpha, warp, (SIDE, SIDE))
            layer = cv2.warpAffine(hand, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        else:
            count = int(rng.integers(3, 9))
            turn = np.sort(rng.uniform(0, 2 * np.pi, count))
            radius = size * rng.uniform(0.5, 1.2, count)
            shape = centre + np.stack([np.cos(turn) * radius, np.sin(turn) * radius], 1)
            cv2.fillPoly(cover, [shape.astype(np.int32)], 255, cv2.LINE_AA)
            layer = np.full_like(picture, rng.uniform(0, 255, 3).astype(np.uint8))
            if rng.random() < 0.5:
                layer = self._texture()
        if rng.random() < 0.5:
            cover = cv2.GaussianBlur(cover, (5, 5), 0)
        a = cover[..., None].astype(np.float32) / 255
        picture[:] = (layer * a + picture * (1 - a)).astype(np.uint8)
        return cover

    def _texture(self) -> Picture:
        """Coloured noise of one random grain, or a gradient, or stripes."""
        rng = self._rng
        kind = rng.random()
        low, high = np.sort(rng.uniform(0, 255, (2, 3)), axis=0)
        if kind < 0.5:
            cells = int(rng.choice([2, 4, 8, 16, 40, 100]))
            noise = rng.random((cells, cells, 3 if rng.random() < 0.5 else 1), np.float32)
            mode = cv2.INTER_NEAREST if rng.random() < 0.3 else cv2.INTER_CUBIC
            field = cv2.resize(noise, (SIDE, SIDE), interpolation=mode).reshape(SIDE, SIDE, -1)
        else:
            turn = rng.uniform(0, 2 * np.pi)
            r, c = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
            ramp = c * np.cos(turn) + r * np.sin(turn)
            if kind < 0.75:
                ramp = 0.5 + 0.5 * np.sin(ramp * rng.uniform(4, 90) + rng.uniform(0, 6))
            field = ramp[..., None]
        return np.clip(low + (high - low) * field, 0, 255).astype(np.uint8)

    def _background(self) -> Picture:
        """A picture with no face: texture, clutter, hands, or shuffled scraps of pictures."""
        rng, m = self._rng, self._m
        kind = rng.random()
        if kind < 0.45:
            picture = self._texture()
        elif kind < 0.75:  # one scrap from outside the face, stretched
            picture = cv2.resize(self._scrap(), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            if rng.random() < 0.5:
                reach = int(rng.integers(1, 8)) * 2 + 1
                picture = cv2.GaussianBlur(picture, (reach, reach), 0)
        else:  # scraps side by side
            cells = int(rng.integers(2, 7))
            step = -(-SIDE // cells)
            picture = np.zeros((step * cells, step * cells, 3), np.uint8)
            for r in range(cells):
                for c in range(cells):
                    scrap = cv2.resize(self._scrap(), (step, step))
                    picture[r * step : r * step + step, c * step : c * step + step] = scrap
            picture = np.ascontiguousarray(picture[:SIDE, :SIDE])
        for _ in range(int(rng.integers(0, 7))):
            color = tuple(map(float, rng.uniform(0, 255, 3)))
            a, b = (tuple(map(int, rng.uniform(-20, SIDE + 20, 2))) for _ in range(2))
            shape = rng.integers(3)
            if shape == 0:
                cv2.rectangle(picture, a, b, color, -1 if rng.random() < 0.6 else 3)
            elif shape == 1:
                cv2.line(picture, a, b, color, int(rng.integers(1, 12)), cv2.LINE_AA)
            else:
                axes = tuple(map(int, rng.uniform(4, 90, 2)))
                cv2.ellipse(picture, a, axes, rng.uniform(0, 180), 0, 360, color, -1, cv2.LINE_AA)
        if m.hands and rng.random() < 0.15:
            self._hide(picture, rng.uniform(0, SIDE, 2), rng.uniform(20, 100))
        return np.ascontiguousarray(picture, np.uint8)

    def _scrap(self) -> Picture:
        """A small piece of a clip frame's rim, or of a cheek or forehead: never a whole face."""
        rng, m = self._rng, self._m
        if rng.random() < 0.65:
            frame = m.frames[rng.integers(len(m.frames))]
            height, width = frame.shape[:2]
            w, h = int(width * rng.uniform(0.12, 0.27)), int(height * rng.uniform(0.2, 0.9))
            x = int(rng.uniform(0, width * 0.28 - w)) if rng.random() < 0.5 else None
            x = int(rng.uniform(width * 0.72, width - w + 1)) if x is None else max(x, 0)
            y = int(rng.uniform(0, height - h))
            return frame[y : y + h, min(x, width - w) : min(x, width - w) + w]
        n = int(rng.integers(len(m.faces)))
        size = int(rng.uniform(16, 44))
        top = int(m.filler[n] * FACE_PX) + 1
        x = int(rng.uniform(0, FACE_PX - size))
        y = int(rng.uniform(min(top, FACE_PX - size - 1), FACE_PX - size))
        return m.faces[n][y : y + size, x : x + size]

    def _degrade(self, picture: Picture, strength: float) -> Picture:
        """Light, colour cast, blur, noise and JPEG, each with some chance."""
        rng = self._rng
        x = picture
        if rng.random() < 0.6:
            gain = rng.uniform(1 - 0.55 * strength, 1 + 0.3 * strength)
            cast = 1 + rng.uniform(-0.25, 0.25, 3) * strength * (rng.random() < 0.4)
            table = np.arange(256)[:, None] / 255.0
            gamma = np.exp(rng.uniform(-0.5, 0.6) * strength)
            lut = np.clip(table**gamma * gain * cast * 255, 0, 255).astype(np.uint8)
            x = cv2.LUT(x, lut[None])
        if rng.random() < 0.12 * strength:  # truly dark
            x = cv2.convertScaleAbs(x, alpha=rng.uniform(0.1, 0.4), beta=rng.uniform(0, 8))
        if rng.random() < 0.3 * strength:
            x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.2))
        elif rng.random() < 0.15 * strength:
            length = int(rng.integers(3, 10))
            kernel = np.zeros((length, length), np.float32)
            if rng.random() < 0.5:
                kernel[length // 2] = 1 / length
            else:
                kernel[:, length // 2] = 1 / length
            x = cv2.filter2D(x, -1, kernel)
        if rng.random() < 0.4 * strength:
            noise = rng.standard_normal((SIDE, SIDE, 3), np.float32) * rng.uniform(1, 14)
            x = np.clip(x + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            quality = int(rng.integers(25, 95))
            good, code = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if good:
                x = cv2.imdecode(code, cv2.IMREAD_COLOR)
        if rng.random() < 0.05:
            x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        return np.ascontiguousarray(x, np.uint8)
