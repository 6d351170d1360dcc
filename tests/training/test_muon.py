"""Muon: steps of the asked length along all directions at once; the weight keeps its length."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.muon import ROUNDS, A, B, C, Muon, orthogonal  # noqa: E402

pytestmark = pytest.mark.training


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_singular_values_are_brought_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    matrix[0] *= 20
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert float(values.min()) > 0.4
    assert float(values.max()) < 1.4


@pytest.mark.parametrize("shape", [(6, 50), (50, 6)])
def test_steps_on_the_square_are_steps_on_the_matrix(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    wanted = matrix.double() / matrix.double().norm()
    for _ in range(ROUNDS):
        square = wanted @ wanted.T
        wanted = A * wanted + (B * square + C * square @ square) @ wanted
    torch.testing.assert_close(orthogonal(matrix).double(), wanted, rtol=1e-4, atol=1e-5)


def test_a_step_turns_by_the_rate_and_keeps_the_length() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(12, 5, 3, 3).to(memory_format=torch.channels_last))
    before = weight.detach().clone()
    optimizer = Muon([weight], lr=0.05)
    (weight * torch.randn_like(weight)).sum().backward()
    optimizer.step()
    after = weight.detach()
    assert float(after.norm()) == pytest.approx(float(before.norm()), rel=1e-5)
    moved = float((after - before).norm() / before.norm())
    assert 0.03 < moved < 0.06


def test_it_finds_a_direction() -> None:
    torch.manual_seed(0)
    goal = torch.randn(6, 10)
    weight = torch.nn.Parameter(torch.randn(6, 10))
    optimizer = Muon([weight], lr=0.05)

    def apart() -> torch.Tensor:
        return 1 - torch.cosine_similarity(weight.flatten(), goal.flatten(), dim=0)

    first = float(apart().detach())
    for n in range(200):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - n / 200)
        optimizer.zero_grad()
        apart().backward()
        optimizer.step()
    assert float(apart().detach()) < 0.1 * first


@pytest.mark.parametrize(("value", "gradient"), [(1.0, 0.0), (0.0, 1.0)])
def test_without_gradient_or_length_nothing_moves(value: float, gradient: float) -> None:
    weight = torch.nn.Parameter(torch.full((3, 3), value))
    optimizer = Muon([weight], lr=0.1)
    weight.grad = torch.full((3, 3), gradient)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((3, 3), value))


def test_weights_without_a_gradient_stay_and_closures_are_refused() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = Muon([weight], lr=0.1)
    optimizer.step()
    assert bool((weight == 1).all())
    with pytest.raises(ValueError, match="closure"):
        optimizer.step(lambda: 0.0)
