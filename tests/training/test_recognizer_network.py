"""The recogniser's shapes, teacher forcing, schedule and export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from training.following import follow  # noqa: E402
from training.recognizer_export import export, folded, halved, to_onnx  # noqa: E402
from training.recognizer_model import Prelu, Recognizer  # noqa: E402
from training.recognizer_teacher import Features, Teacher  # noqa: E402
from training.recognizer_train import (  # noqa: E402
    FORCED_UNTIL,
    LATE_HINTS,
    Optimizers,
    Recipe,
    Spread,
    Store,
    forced_share,
    hint_weight,
    hint_weights,
    learning_rate,
    oftener,
    restore,
    save,
)

pytestmark = [
    pytest.mark.training,
    # PyTorch's own exporter warns about its own tree helpers.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def recognizer() -> Recognizer:
    torch.manual_seed(3)
    model = Recognizer()
    with torch.no_grad():  # batch norms with statistics of their own, as after training
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.uniform_(-0.2, 0.2)
                part.running_var.uniform_(0.7, 1.4)
                part.weight.uniform_(0.8, 1.2)
    return model.eval()


def faces(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 112, 112, generator=torch.Generator().manual_seed(count))


def maps(count: int) -> Features:
    shapes = ((64, 28, 28), (128, 14, 14), (128, 7, 7), (128,))
    return Features(*(torch.randn(count, *shape) for shape in shapes))


def test_stage_borders_have_the_teacher_shapes(recognizer: Recognizer) -> None:
    found = recognizer(faces(2))
    assert [tuple(part.shape) for part in found] == [tuple(part.shape) for part in maps(2)]


def test_parameters_fit_five_megabytes_of_float16() -> None:
    assert 2 * sum(p.numel() for p in Recognizer().parameters()) < 5e6


def test_forced_stages_read_the_teacher_and_others_their_own(recognizer: Recognizer) -> None:
    pictures, teacher = faces(2), maps(2)
    mixed = recognizer(pictures, teacher, torch.tensor([True, False]))
    torch.testing.assert_close(mixed.embedding[1:], recognizer(pictures).embedding[1:])
    torch.testing.assert_close(mixed.embedding[:1], recognizer.head(teacher.at_7[:1]))
    torch.testing.assert_close(mixed.at_14[:1], recognizer.to_14(teacher.at_28[:1]))


def test_misfit_is_nought_for_a_copy_and_about_two_for_a_stranger() -> None:
    spread = Spread.of([maps(64), maps(64)])
    truth = maps(64)
    assert all(float(m) == 0 for m in spread.misfit(truth, truth))
    assert all(1.8 < float(m) < 2.2 for m in spread.misfit(maps(64), truth))


def test_schedule_ends_forcing_and_lowers_the_rate() -> None:
    assert forced_share(0) == 1
    assert forced_share(FORCED_UNTIL) == 0
    assert forced_share(1) == 0
    assert hint_weight(0) == pytest.approx(1)
    assert 0 < hint_weight(1) < 0.2
    peak = Recipe(minutes=1).rate
    rates = [learning_rate(done, peak) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(peak)
    assert rates[-1] < peak / 100
    assert rates[0] < peak / 10


def test_hints_of_the_maps_fade_when_going_on_from_weights() -> None:
    assert hint_weights(0.0, late=True) == LATE_HINTS
    assert hint_weights(1.0, late=True) == (0, 0, 0, LATE_HINTS[3])
    assert hint_weights(0.5, late=False) == (hint_weight(0.5),) * 4


def test_chosen_faces_are_there_oftener() -> None:
    squares = np.arange(4, dtype=np.uint8)[:, None]
    found = oftener(squares, np.array([False, True, False, True]), 3)
    assert sorted(found[:, 0].tolist()) == [0, 1, 1, 1, 2, 3, 3, 3]


def test_checkpoint_of_a_run_loads_without_pickled_objects(tmp_path: Path) -> None:
    model, recipe = Recognizer(), Recipe(minutes=1)
    optimizers = Optimizers.of(model, recipe)
    model(faces(2)).embedding.square().sum().backward()
    optimizers.step(0.5)
    save(tmp_path, model, model, optimizers, 1)
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    again = Recognizer()
    anew = Optimizers.of(again, recipe)
    assert restore(saved, again, Recognizer(), anew) == 1
    moments = [list(state) for state in anew.muon.state.values()]
    assert moments == [["motion", "length"]] * len(anew.muon.param_groups[0]["params"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("stage", ["to_14", "to_7"])
def test_checkpoint_without_the_added_blocks_embeds_the_same(
    recognizer: Recognizer, stage: str
) -> None:
    old = {k: v for k, v in recognizer.state_dict().items() if not k.startswith(Recognizer.ADDED)}
    shut = Recognizer()
    saved = {"model": old, "ema": old, "optimizers": {}, "step": 9}
    optimizers = Optimizers.of(shut, Recipe(minutes=1))
    assert restore(saved, shut, Recognizer(), optimizers) == 9
    shut.eval()
    given = maps(2).at_28 if stage == "to_14" else maps(2).at_14
    whole = getattr(recognizer, stage)
    former = [
        part for n, part in enumerate(whole) if not f"{stage}.{n}".startswith(Recognizer.ADDED)
    ]
    with torch.no_grad():
        wanted = torch.nn.Sequential(*former)(given)
        torch.testing.assert_close(getattr(shut, stage)(given), wanted)
        assert not torch.allclose(whole(given), wanted, atol=0.01)


def test_added_blocks_start_shut_and_open_when_trained() -> None:
    torch.manual_seed(2)
    model = Recognizer()
    blocks = [model.get_submodule(name) for name in Recognizer.ADDED]
    given = torch.randn(4, 128, 7, 7)
    for block in blocks:
        assert torch.equal(block(given), given)
    optimizers = Optimizers.of(model, Recipe(minutes=1))
    before = [[p.clone() for p in block.parameters()] for block in blocks]
    for _ in range(3):
        model(faces(4)).embedding.square().sum().backward()
        optimizers.step(0.5)
    for block, old in zip(blocks, before, strict=True):
        assert all(not torch.equal(p, q) for p, q in zip(block.parameters(), old, strict=True))
        assert all(bool(torch.isfinite(p).all()) for p in block.parameters())
        assert not torch.equal(block(given), given)


def test_checkpoint_of_another_network_gets_a_sentence() -> None:
    model = Recognizer()
    other = {**model.state_dict(), "to_3.weight": torch.zeros(1)}
    saved = {"model": other, "ema": other, "optimizers": {}, "step": 9}
    with pytest.raises(ValueError, match=r"to_3\.weight"):
        restore(saved, model, Recognizer(), Optimizers.of(model, Recipe(minutes=1)))


def test_every_weight_has_one_optimizer() -> None:
    model = Recognizer()
    both = Optimizers.of(model, Recipe(minutes=1))
    held = [p for o in (both.muon, both.adam) for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))
    assert {p.dim() for p in both.muon.param_groups[0]["params"]} == {4}


def test_the_store_gives_back_what_the_teacher_said_of_each_picture() -> None:
    store, rng = Store(2), np.random.default_rng(0)
    for n in range(3):  # the first batch is dropped
        crops = np.full((4, 112, 112, 3), n, np.uint8)
        store.add(crops, Features(*(torch.full_like(part, float(n)) for part in maps(4))))
    assert len(store) == 2
    crops, truth = store.draw(32, rng)
    levels = crops[:, 0, 0, 0]
    assert set(levels.tolist()) == {1, 2}
    for part in truth:
        assert part.dtype == torch.float32
        np.testing.assert_array_equal(part.flatten(1)[:, 0].numpy(), levels)


@pytest.mark.parametrize("compiling", [False, True])
def test_the_quick_prelu_is_a_prelu(compiling: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    torch.manual_seed(1)
    quick, plain = Prelu(5), torch.nn.PReLU(5)
    values = torch.linspace(-0.2, 0.6, 5)
    for part in (quick, plain):
        part.load_state_dict({"weight": values})
    given = torch.randn(3, 5, 4, 4)
    grads = []
    for part in (quick, plain):
        x = given.clone().requires_grad_()
        y = part(x)
        torch.testing.assert_close(y, plain(given))
        (y * given.cos()).sum().backward()
        grads.append((x.grad, part.weight.grad))
    torch.testing.assert_close(grads[0], grads[1])


def test_average_follows_weights_and_statistics(recognizer: Recognizer) -> None:
    slow = Recognizer()
    for _ in range(60):
        follow(slow, recognizer, 0.5)
    wanted = recognizer.state_dict()
    for name, value in slow.state_dict().items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-5)


def test_folding_leaves_the_embedding(recognizer: Recognizer) -> None:
    small = folded(recognizer)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in small.modules())
    with torch.no_grad():
        torch.testing.assert_close(
            small(faces(2)).embedding, recognizer(faces(2)).embedding, rtol=1e-3, atol=1e-3
        )


def test_exported_file_agrees_for_any_batch_and_keeps_its_contract(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    file = tmp_path / "recognizer.onnx"
    assert export(recognizer, file) > 0.9995
    assert file.stat().st_size < 5e6
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        (found,) = session.run(["embedding"], {"input": faces(count).numpy()})
        assert found.shape == (count, 128)
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        with torch.no_grad():
            wanted = torch.nn.functional.normalize(recognizer(faces(count)).embedding).numpy()
        assert (found * wanted).sum(axis=1).min() > 0.9995
    notes = [n for n in onnx.load(file).graph.node if n.metadata_props or n.doc_string]
    assert not notes


def test_weights_beyond_float16_are_refused(recognizer: Recognizer) -> None:
    with torch.no_grad():
        recognizer.head[3].weight[0, 0] = 1e6
    with pytest.raises(ValueError, match="float16"):
        halved(to_onnx(recognizer))


def test_export_refuses_a_network_that_changes_in_half_precision(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.recognizer_export.LEAST_COSINE", 1.1)
    with pytest.raises(RuntimeError, match="agree"):
        export(recognizer, tmp_path / "recognizer.onnx")
    assert not list(tmp_path.iterdir())


def test_teacher_of_another_shape_gets_a_sentence(recognizer: Recognizer, tmp_path: Path) -> None:
    file = tmp_path / "other.onnx"
    export(recognizer, file)
    with pytest.raises(ValueError, match="not the MobileFaceNet"):
        Teacher(file)
