"""Eq. (1) and (2) against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from zprl_core.policy.flow import flow_matching_loss, integrate, interpolate, training_k


def test_training_schedule_is_the_papers() -> None:
    k = training_k(torch.arange(100))
    assert k[0] == 1.0
    assert k[1].item() == pytest.approx(0.99)
    assert k[99].item() == pytest.approx(0.01)
    assert len(k.unique()) == 100


def test_interpolation_by_hand() -> None:
    a, w = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[10.0], [0.0]]])
    # (1 - 0.25) * 2 + 0.25 * 10 = 4, (1 - 0.25) * 4 + 0 = 3
    torch.testing.assert_close(interpolate(a, w, torch.tensor([0.25])), torch.tensor([[[4.0], [3.0]]]))


def test_loss_by_hand() -> None:
    """With v = 2 a^k + k: a = 1, w = 3, k = 0.5: a^k = 2, v = 4.5, target 2, error 2.5^2 = 6.25.

    Second step of the chunk: a = 0, w = 1: a^k = 0.5, v = 1.5, target 1, error 0.25. Mean 3.25.
    """
    a, w = torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[3.0], [1.0]]])
    loss = flow_matching_loss(lambda x, k: 2.0 * x + k[:, None, None], a, w, torch.tensor([0.5]))
    torch.testing.assert_close(loss, torch.tensor([3.25]))


def test_true_velocity_has_no_loss() -> None:
    a, w = torch.randn(5, 4, 3), torch.randn(5, 4, 3)
    loss = flow_matching_loss(lambda _x, _k: w - a, a, w, torch.rand(5))
    torch.testing.assert_close(loss, torch.zeros(5))


def test_two_steps_by_hand() -> None:
    """v = a^k + k, w = 1: v(1, 1) = 2, a^0.01 = 1 - 0.99 * 2 = -0.98; v = -0.97, a^0 = -0.98 + 0.0097."""
    seen = []

    def velocity(a: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        seen.append(k[0].item())
        return a + k[:, None, None]

    action = integrate(velocity, torch.ones(1, 1, 1))
    assert seen == pytest.approx([1.0, 0.01])
    assert action.item() == pytest.approx(-0.9703, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_any_schedule_integrates_a_constant_field_exactly(steps: int) -> None:
    a, w = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    schedule = [1.0 - i / steps for i in range(steps)] + [0.0]
    torch.testing.assert_close(integrate(lambda _x, _k: w - a, w, schedule), a)
