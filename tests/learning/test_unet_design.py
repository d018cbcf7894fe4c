"""Our U-Net against Diffusion Policy's: the same function by other means, and where it is another one."""

from __future__ import annotations

import pytest
import torch

from tests.learning.unet_by_torch import ours_by_torch, parameters
from zprl_core.arithmetic import use_threads
from zprl_core.bench.peers import DiffusionPolicyUNet
from zprl_core.policy.unet import ChunkUNet

PAPER = {"simulation": (128, 256, 512), "real world": (256, 384, 512)}
STEP, KERNEL, GROUPS = 128, 5, 8


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    use_threads(1)


@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 16, 24])
@pytest.mark.parametrize("widths", [(16,), (16, 24), (16, 24, 32)])
def test_ours_is_what_torch_s_convolutions_make_of_its_weights(chunk: int, widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = ChunkUNet(5, 7, widths, 16, KERNEL, GROUPS).eval()
    a, k, c = torch.randn(3, chunk, 5), torch.tensor([1.0, 0.37, 0.01]), torch.randn(3, 7)
    with torch.no_grad():
        got = net(a, k, net.condition(c))
        torch.testing.assert_close(got, ours_by_torch(net, a, k, c), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PAPER)
def test_where_its_weights_are_other_ones(name: str) -> None:
    """Counts of both designs, and the differences, one by one: they add up."""
    widths, action, c_dim = PAPER[name], 10, 521
    theirs = DiffusionPolicyUNet(action, c_dim, widths, STEP, KERNEL, GROUPS)
    ours = ChunkUNet(action, c_dim, widths, STEP, KERNEL, GROUPS)
    films = [2 * width for width in (*widths, widths[-1], *reversed(widths[:-1])) for _ in range(2)]
    condition = STEP + c_dim
    separate = sum(condition * film + film for film in films)  # a layer a block on (step, c)
    at_once = c_dim * 2 * STEP + 2 * STEP + (2 * STEP + 1) * sum(films) + STEP * sum(films)
    ups = list(zip(widths[1:], widths[:-1], strict=True))  # deep, skip
    first = sum((KERNEL + 1) * skip * (2 * deep - (deep + skip)) for deep, skip in ups)
    transposed = sum(4 * skip * skip + skip for _, skip in ups)
    pointwise = sum(deep * 2 * deep + 2 * deep for deep, _ in ups)
    difference = (separate - at_once) + first + (transposed - pointwise)
    assert parameters(theirs) - parameters(ours) == difference


def test_the_design_of_diffusion_policy_takes_the_chunks_of_the_paper() -> None:
    net = DiffusionPolicyUNet(7, 20, (16, 24, 32), 16, KERNEL, GROUPS)
    out = net(torch.randn(2, 16, 7), torch.tensor([3.0, 99.0]), torch.randn(2, 20))
    assert out.shape == (2, 16, 7) and torch.isfinite(out).all()
