"""Updates on a GPU: what can be known of them without one."""

from __future__ import annotations

import pytest
import torch

from zprl_core.arithmetic import use_threads
from zprl_core.config import load_task
from zprl_core.rl.captured import remember, restore, updater
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

DRAWN = UpdateNoise(torch.randn(8, 2), torch.randn(8, 2), torch.tensor([0, 1]))
BATCH = Batch(
    c=torch.randn(8, 3),
    z=torch.randn(8, 2),
    z_tilde=torch.randn(8, 2),
    reward=torch.rand(8),
    terminal=torch.zeros(8),
    c_next=torch.randn(8, 3),
    z_next=torch.randn(8, 2),
)


def make() -> SAC:
    use_threads(1)
    torch.manual_seed(0)
    return SAC(3, 2, lambda z, dz: z + 0.3 * dz, load_task("box_close_state").rl)


def losses(sac: SAC, count: int) -> list[dict[str, float]]:
    return [{k: v.item() for k, v in sac.update(BATCH, DRAWN).items()} for _ in range(count)]


@pytest.mark.parametrize("updates_before", [0, 2])
def test_what_a_capture_changed_is_put_back_in_place(updates_before: int) -> None:
    """Whether the optimisers had a state before it or not: the next updates are those of an SAC that was left
    alone, from the same memory.
    """
    sac, alone = make(), make()
    losses(sac, updates_before)
    losses(alone, updates_before)
    before = remember(sac)
    addresses = {each.data_ptr() for each in sac.parameters()}
    losses(sac, 3)
    restore(sac, before)
    assert {each.data_ptr() for each in sac.parameters()} == addresses
    assert losses(sac, 3) == losses(alone, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_without_a_gpu_the_cpu_is_used_and_says_so() -> None:
    sac, lines = make(), list[str]()
    update = updater(sac, "cuda", BATCH, DRAWN, lines.append)
    assert lines == ["learner on cuda: torch finds no CUDA GPU here; the CPU is used"]
    assert update(BATCH, DRAWN)["critic_loss"].item() == losses(make(), 1)[0]["critic_loss"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_agrees_and_goes_on_from_where_the_cpu_was() -> None:
    sac, alone, lines = make(), make(), list[str]()
    losses(sac, 2)
    losses(alone, 2)
    update = updater(sac, "cuda", BATCH, DRAWN, lines.append)
    assert "differs from the CPU by" in lines[0], lines
    found = [update(BATCH, DRAWN)["critic_loss"].item() for _ in range(3)]
    assert found == pytest.approx([each["critic_loss"] for each in losses(alone, 3)], rel=1e-2)
