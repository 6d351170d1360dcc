"""The harness on drawn faces: it must reward a swap and see through copying and pasting."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.helpers.drawn_faces import (
    DrawnLandmarks,
    DrawnSwapper,
    PatternJudge,
    people,
)
from training.harness import Evaluation, Stage, evaluate
from training.heldout import Pairs
from training.instruments import Instruments
from training.report import ORDER, document, sheet, table
from training.swapping import Chain

pytestmark = pytest.mark.training

PAIRS = 30


@pytest.fixture(scope="module")
def read() -> Instruments:
    judges = [PatternJudge("teacher", in_loss=True), PatternJudge()]
    return Instruments(judges, DrawnLandmarks(), None)


@pytest.fixture(scope="module")
def stage(read: Instruments) -> Stage:
    pairs = Pairs.of(people(64, 2, seed=1), PAIRS)
    return Stage.of(pairs, people(40, 1, seed=2), read)


@pytest.fixture(scope="module")
def judged(stage: Stage, read: Instruments) -> dict[str, Evaluation]:
    return {
        how: evaluate(Chain(DrawnSwapper(how), raw=True), stage, read, extras=8)
        for how in ("swaps", "copies", "pastes")
    }


def test_only_a_swap_scores(judged: dict[str, Evaluation]) -> None:
    scores = {how: found.scores["swap"] for how, found in judged.items()}
    assert scores["swaps"]["score"] > 0.6
    assert scores["copies"]["score"] < 0.1
    assert scores["pastes"]["score"] < 0.1
    assert scores["copies"]["likeness"] < 0.1 < 0.9 < scores["copies"]["kept"]
    assert scores["pastes"]["kept"] < 0.1 < 0.9 < scores["pastes"]["likeness"]


@pytest.mark.parametrize("how", ["swaps", "copies", "pastes"])
@pytest.mark.parametrize("baseline", ["no swap", "paste"])
def test_the_baselines_score_nothing(
    judged: dict[str, Evaluation], how: str, baseline: str
) -> None:
    assert judged[how].scores[baseline]["score"] == 0.0


def test_a_swap_is_recognised_and_a_stranger_is_not(judged: dict[str, Evaluation]) -> None:
    rows = judged["swaps"].rows
    assert rows["swap"].means()["patches top-1"] > 0.9
    assert rows["no swap"].means()["patches gain"] == pytest.approx(0, abs=1e-9)
    assert rows["swap"].means()["patches gain"] > 0.7
    assert rows["random identity"].means()["patches gain"] < 0.2
    assert rows["self swap"].means()["patches to target"] > 0.9


def test_what_is_kept_is_measured_against_the_target(judged: dict[str, Evaluation]) -> None:
    swap, paste = (judged["swaps"].rows[name].means() for name in ("swap", "paste"))
    assert swap["pose"] < 1 < 5 < paste["pose"]
    assert swap["expression"] < 0.1 * paste["expression"]
    assert judged["copies"].rows["swap"].means()["reconstruction"] == 0
    assert judged["pastes"].rows["swap"].means()["light"] > 10  # the source's light stays


def test_groups_and_report(judged: dict[str, Evaluation], stage: Stage, read: Instruments) -> None:
    found = judged["swaps"]
    groups = found.groups["patches gain"]["target gender"]
    assert sum(group["faces"] for group in groups.values()) == PAIRS
    about = {"swapper": "drawn", "output": "raw", "embeddings": "drawn"}
    report = json.loads(json.dumps(document(found, stage.pairs, read.judges, about)))
    assert set(report["rows"]) == set(ORDER)
    assert report["judges"]["patches"]["auc"] > 0.99
    text = table(report)
    assert all(name in text.splitlines()[1] for name in ORDER)
    assert "teacher gain (in the loss)" in text
    assert "patches gain (in the loss)" not in text


def test_the_sheet_shows_targets_sources_and_swaps(
    judged: dict[str, Evaluation], stage: Stage
) -> None:
    chain = Chain(DrawnSwapper("copies"), raw=True)
    picture = sheet(chain, stage.pairs, stage.different.targets, judged["copies"])
    assert picture.dtype == np.uint8
    assert picture.shape == ((9 + 3) * 128, 8 * 128, 3)
    rows = picture[128:256].reshape(128, 8, 128, 3)
    assert np.array_equal(rows[:, 0], rows[:, 3])  # a copy of the target


def test_likeness_needs_a_judge_outside_the_loss_where_there_is_one(stage: Stage) -> None:
    blind = PatternJudge("blind")
    only_loss = Instruments([PatternJudge("patches", in_loss=True)], DrawnLandmarks(), None)
    found = evaluate(Chain(DrawnSwapper("swaps"), raw=True), stage, only_loss, extras=4)
    assert found.scores["swap"]["likeness"] > 0.8  # by the only judge there is
    assert blind.read == 0


def test_the_application_s_mask_and_light_are_applied(stage: Stage) -> None:
    task = stage.different
    chain = Chain(DrawnSwapper("pastes"))
    one = slice(0, 1)
    points = np.repeat(chain.swapper.template[None], 1, axis=0)
    identities = chain.identities(stage.pairs.sources.pictures[one])
    shown = chain(task.people.pictures[one], identities, points)
    outside = shown.masks[0] == 0
    assert outside.any()
    assert (shown.masks[0] == 255).any()
    before = task.people.pictures[0]
    assert np.array_equal(shown.pictures[0][outside], before[outside])
    assert not np.array_equal(shown.pictures[0], before)


def test_pairs_are_of_two_people_and_the_same_each_time() -> None:
    crowd = people(30, 2, seed=5)
    for count in (10, 25):
        pairs, again = Pairs.of(crowd, count), Pairs.of(crowd, count)
        assert [r.file for r in pairs.targets.rows] == [r.file for r in again.targets.rows]
        both = zip(pairs.targets.rows, pairs.sources.rows, strict=True)
        assert all(a.identity != b.identity for a, b in both)
        same = zip(pairs.twice.rows, pairs.again.rows, strict=True)
        assert all(a.identity == b.identity and a.file != b.file for a, b in same)
    apart = Pairs.of(crowd, 10)
    assert not {r.identity for r in apart.targets.rows} & {r.identity for r in apart.sources.rows}


def test_one_person_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="two people"):
        Pairs.of(people(1, 2, seed=3), 4)


def test_fewer_people_than_asked_for_give_fewer_pairs() -> None:
    pairs = Pairs.of(people(3, 1, seed=3), 400)
    assert len(pairs.targets.rows) == 2
    assert not pairs.twice.rows
