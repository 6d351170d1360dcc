"""What of a clean aligned face is face, and where eyes, brows and mouth are: the occluder's truth.

The outline is the jaw of 66 landmarks, moved to the edge that the picture has nearby, closed by an
arch over the forehead. Inside it, what lies
above the cheeks' upper edge must also look like the skin of the middle of the face (GrabCut,
Rother et al. 2004), so that hair, caps and background are not face; below, everything inside is
face, beards included. The neck, the ears and what lies beyond the jaw are not face.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 128
PLANES = ("face", "eyes", "brows", "mouth")
Picture = NDArray[np.uint8]
Planes = NDArray[np.uint8]  # 4 x SIDE x SIDE, 255 = yes, in the order of PLANES
Points = NDArray[np.floating]  # 66 x 2 (x, y) in pixels of the square: OpenSeeFace's order

JAW = slice(0, 17)
BROWS = (slice(17, 22), slice(22, 27))
EYES = (slice(36, 42), slice(42, 48))
LIPS = [58, *range(48, 53), 62, *range(53, 58)]  # the outer contour from corner to corner
FOREHEAD = 0.62  # height of the arch over the eyes, in eye-to-chin distances
ROUNDS = 3  # of GrabCut
EYE_PLACES = ((46.3, 59.7), (81.5, 59.5))  # of the template the squares are aligned to
MOST_FILLER = 0.36  # padding beyond this reaches the brows
LEAST_FOREHEAD = 0.33  # share of it that a label keeps, where what it leaves out is like skin,
LIKE_SKIN = 24.0  # in CIE Lab with lightness halved: bare foreheads to 19, fringes from 30
REACH, STEP = 2.5, 0.5  # px: how far the jaw is moved across itself at most, and in what steps
PLACES = 49  # along the jaw
EDGE, MOST = 20.0, 1.5  # difference of colours over 2 px that draws the jaw by 1, and the most
BEND, HOME = 0.1, 0.1  # cost of a step's turn between neighbours, of a pixel's way, squared
ROOM = 5  # rows below the padding that are blurred into it


def outline(points: Points, line: Points | None = None) -> NDArray[np.float32]:
    """The face's outline as a polygon: jaw (``line``, where it is known better than by the
    landmarks), then the arch from temple to temple."""
    eyes = (points[EYES[0]].mean(0) + points[EYES[1]].mean(0)) / 2
    down = points[8] - eyes
    height = max(float(np.hypot(*down)), 1.0)
    down = down / height
    jaw = points[JAW] if line is None else line
    middle, half = (jaw[0] + jaw[-1]) / 2, (jaw[-1] - jaw[0]) / 2
    brows = -float(((points[17:27] - eyes) @ down).min())
    rise = max(FOREHEAD * height, brows + 0.38 * height) + float((middle - eyes) @ down)
    turn = np.linspace(0, np.pi, 15)[1:-1, None]
    arch = middle + half * np.cos(turn) - down * rise * np.sin(turn) ** 0.9
    return np.concatenate([jaw, arch]).astype(np.float32)


def edge_of_jaw(picture: Picture, jaw: Points) -> Points:
    """The jaw's landmarks (17 x 2) as a line PLACES x 2, each place moved across it to an edge of
    the picture, neighbours alike: the best of all such lines (Amini et al. 1990)."""
    walked = np.concatenate([[0.0], np.hypot(*np.diff(jaw, axis=0).T).cumsum()])
    places = np.linspace(0, walked[-1], PLACES)
    line = np.stack([np.interp(places, walked, jaw[:, axis]) for axis in (0, 1)], axis=1)
    along = np.gradient(line, axis=0)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    across = along[:, ::-1] * (1, -1)
    lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB).astype(np.float32)
    lab = cv2.GaussianBlur(lab * np.float32((0.7, 1, 1)), (0, 0), 0.7)

    def colours(way: float) -> NDArray[np.float32]:
        places = (line + across * way).astype(np.float32)[None]
        return cv2.remap(lab, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]

    ways = np.arange(-REACH, REACH + STEP / 2, STEP)
    edges = [np.linalg.norm(colours(way + 1) - colours(way - 1), axis=1) for way in ways]
    cost = HOME * ways**2 - np.minimum(np.stack(edges, axis=1) / EDGE, MOST)
    bend = BEND * ((ways[:, None] - ways) / STEP) ** 2
    best, came = cost[0], []
    for here in cost[1:]:
        through = best[:, None] + bend
        came.append(through.argmin(0))
        best = through.min(0) + here
    chosen = [int(best.argmin())]
    for before in reversed(came):
        chosen.append(int(before[chosen[-1]]))
    moved = np.convolve(np.pad(ways[chosen[::-1]], 2, mode="edge"), np.full(5, 0.2), "valid")
    return np.asarray(line + across * moved[:, None])


def planes_of(picture: Picture, points: Points, filler: float) -> Planes:
    """The truth for a clean RGB square; ``filler`` is the share of its height that is padding."""
    line = edge_of_jaw(picture, points[JAW])
    hull = _filled(outline(points, line))
    sure = cv2.erode(hull & _below_brows(points, line), np.ones((5, 5), np.uint8))
    state = np.full((SIDE, SIDE), cv2.GC_BGD, np.uint8)
    state[hull > 0] = cv2.GC_PR_FGD
    state[sure > 0] = cv2.GC_FGD
    top = int(np.ceil(filler * SIDE))
    seen = np.ascontiguousarray(state[top:])
    colours = cv2.cvtColor(np.ascontiguousarray(picture[top:]), cv2.COLOR_RGB2LAB)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(colours, seen, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    face = np.zeros((SIDE, SIDE), np.uint8)
    face[top:] = ((seen == cv2.GC_FGD) | (seen == cv2.GC_PR_FGD)) * np.uint8(255)
    face = cv2.morphologyEx(face, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    face = cv2.GaussianBlur(face, (3, 3), 0)
    eyes, brows = np.zeros_like(face), np.zeros_like(face)
    for part in EYES:
        eyes |= _filled(_grown(points[part], 1.15))
    width = max(2, round(float(np.hypot(*(points[39] - points[36]))) * 0.22))
    for part in BROWS:
        line = np.rint(points[part] * 16).astype(np.int32)
        cv2.polylines(brows, [line], False, 255, width, cv2.LINE_AA, 4)
    mouth = _filled(_grown(points[LIPS], 1.04))
    return np.stack([face, eyes, brows, mouth])


def usable(picture: Picture, points: Points, planes: Planes, filler: float) -> bool:
    """Whether landmarks and labels can be trusted: no profile, points where the crop has them, no
    bare forehead left out."""
    eyes = [points[part].mean(0) for part in EYES]
    apart = float(np.hypot(*(eyes[1] - eyes[0])))
    if not 26 < apart < 44 or filler > MOST_FILLER:
        return False
    if max(np.hypot(*(eye - place)) for eye, place in zip(eyes, EYE_PLACES, strict=True)) > 9:
        return False
    nose, across = points[30], (eyes[1] - eyes[0]) / apart
    yaw = abs(float((nose - (eyes[0] + eyes[1]) / 2) @ across)) / apart
    area = float((planes[0] > 127).mean())
    return (
        yaw < 0.42
        and 0.18 < area < 0.62
        and not forehead_left_out(picture, points, planes[0], filler)
    )


def forehead_left_out(
    picture: Picture, points: Points, face: NDArray[np.uint8], filler: float
) -> bool:
    """Whether ``face`` ends at the brows though there is skin above them.

    GrabCut takes a forehead for background where neck, ears or the wall have its colour; a fringe
    is of another one.
    """
    seen = np.zeros((SIDE, SIDE), bool)
    seen[int(np.ceil(filler * SIDE)) + (ROOM if filler else 0) :] = True
    line = edge_of_jaw(picture, points[JAW])
    hull, lower = _filled(outline(points, line)) > 0, _below_brows(points, line) > 0
    forehead = hull & ~lower & seen
    left_out = forehead & (face <= 127)
    if forehead.sum() < 150 or (forehead & ~left_out).sum() >= LEAST_FOREHEAD * forehead.sum():
        return False
    inner = cv2.erode((hull & lower).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB).astype(float)
    apart = np.median(lab[left_out], axis=0) - np.median(lab[inner & seen], axis=0)
    return float(np.linalg.norm(apart * (0.5, 1, 1))) < LIKE_SKIN


def _filled(polygon: Points) -> NDArray[np.uint8]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def _grown(polygon: Points, factor: float) -> Points:
    middle = polygon.mean(0)
    return (polygon - middle) * factor + middle


def _below_brows(points: Points, line: Points) -> NDArray[np.uint8]:
    """255 from the brows' upper edge down, between the outer ends of the brows above the eyes."""
    lower = np.concatenate([points[17:27], line[:0:-1]])
    return _filled(lower)
