"""Normalisers and averaged weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from zprl_core.policy.ema import Ema
from zprl_core.policy.normalizer import Normalizer

FINITE = st.floats(-1e4, 1e4, width=32)
TABLES = arrays(np.float32, st.tuples(st.integers(2, 8), st.just(3)), elements=FINITE)


@settings(max_examples=100, deadline=None)
@given(TABLES, st.booleans())
def test_round_trip(table: np.ndarray, by_range: bool) -> None:
    x, normalizer = torch.from_numpy(table), Normalizer(3)
    (normalizer.fit_range if by_range else normalizer.fit_moments)(x)
    y = normalizer(x)
    assert torch.isfinite(y).all()
    size = x.abs().amax() + 1.0
    torch.testing.assert_close(normalizer.inverse(y) / size, x / size, atol=1e-5, rtol=0)


@settings(max_examples=50, deadline=None)
@given(TABLES)
def test_range_is_the_unit_interval(table: np.ndarray) -> None:
    x, normalizer = torch.from_numpy(table), Normalizer(3)
    normalizer.fit_range(x)
    varies = (x.amax(dim=0) - x.amin(dim=0)) > 1.0
    y = normalizer(x)[:, varies]
    torch.testing.assert_close(y.amax(dim=0), torch.ones(int(varies.sum())), atol=1e-2, rtol=0)
    torch.testing.assert_close(y.amin(dim=0), -torch.ones(int(varies.sum())), atol=1e-2, rtol=0)


def test_by_hand() -> None:
    x = torch.tensor([[0.0, 5.0], [4.0, 5.0]])
    normalizer = Normalizer(2)
    normalizer.fit_range(x)
    torch.testing.assert_close(normalizer(x), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    normalizer.fit_moments(x)
    torch.testing.assert_close(normalizer(torch.tensor([[6.0, 6.0]])), torch.tensor([[2.0, 1.0]]))


def test_state_travels_with_the_module() -> None:
    first, second = Normalizer(3), Normalizer(3)
    first.fit_moments(torch.randn(20, 3))
    second.load_state_dict(first.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(first(x), second(x))


def test_ema_by_hand() -> None:
    """Power 1: decays 0, 1/2, 2/3. Weights 0, then 6, 12, 3: 6, 9, 2/3 * 9 + 1/3 * 3 = 7."""
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.zero_()
    ema = Ema(module, power=1.0, max_decay=0.9)
    for value, expected in [(6.0, 6.0), (12.0, 9.0), (3.0, 7.0)]:
        with torch.no_grad():
            module.weight.fill_(value)
        ema.update(module)
        assert ema.averaged.weight.item() == pytest.approx(expected)
    assert not ema.averaged.weight.requires_grad
