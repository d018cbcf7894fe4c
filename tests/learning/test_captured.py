"""Updates on a GPU: what can be known of them without one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from zprl_core.arithmetic import use_threads
from zprl_core.config import load_task
from zprl_core.inference.backend import BackendError
from zprl_core.rl.captured import TOLERANCE, CapturedUpdate, difference, remember, restore, take_over, updater
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

RANDOM = torch.Generator().manual_seed(0)
DRAWN = UpdateNoise(
    torch.randn(8, 2, generator=RANDOM), torch.randn(8, 2, generator=RANDOM), torch.tensor([0, 1])
)
BATCH = Batch(
    c=torch.randn(8, 3, generator=RANDOM),
    z=torch.randn(8, 2, generator=RANDOM),
    z_tilde=torch.randn(8, 2, generator=RANDOM),
    reward=torch.rand(8, generator=RANDOM),
    terminal=torch.zeros(8),
    c_next=torch.randn(8, 3, generator=RANDOM),
    z_next=torch.randn(8, 2, generator=RANDOM),
)


def make() -> SAC:
    use_threads(1)
    torch.manual_seed(0)
    return SAC(3, 2, 0.3, load_task("box_close_state").rl)


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


@pytest.mark.parametrize("updates_before", [0, 2])
def test_after_a_capture_that_failed_the_learner_is_as_it_was(updates_before: int) -> None:
    sac, alone = make(), make()
    losses(sac, updates_before)
    losses(alone, updates_before)
    was = copy.deepcopy(sac)
    losses(sac, 3)
    take_over(sac, was)
    assert losses(sac, 3) == losses(alone, 3)


def skipped(what: str) -> tuple[SAC, SAC, SAC]:
    """An SAC, the same after three updates, and after three of which a part was undone."""
    was, expected, found = make(), make(), make()
    losses(expected, 3)
    losses(found, 3)
    undone = getattr(found, what)
    with torch.no_grad():
        if what == "log_alpha":
            undone.copy_(was.log_alpha)
        else:
            undone.load_state_dict(getattr(was, what).state_dict())
    return was, expected, found


@pytest.mark.parametrize("what", ["actor", "critics", "target_critics", "log_alpha"])
def test_a_part_that_was_not_updated_is_noticed(what: str) -> None:
    assert difference(*skipped(what)) == pytest.approx(1.0)


def test_the_same_updates_agree_and_weights_that_are_not_finite_do_not() -> None:
    was, expected, found = make(), make(), make()
    losses(expected, 3)
    losses(found, 3)
    assert difference(was, expected, found) == 0.0
    with torch.no_grad():
        next(found.actor.parameters()).fill_(torch.nan)
    assert not difference(was, expected, found) <= TOLERANCE


def eager(function: Callable[..., torch.Tensor], example: list[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """In place of a graph: what a capture calls before it, and then the function itself, on the CPU."""
    for _ in range(3):
        function(*example)
    return function


def wrong(function: Callable[..., torch.Tensor], example: list[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """One whose updates go elsewhere."""
    return eager(lambda *given: function(-given[0], *given[1:]), example)


def full(function: Callable[..., torch.Tensor], example: list[torch.Tensor]) -> Callable[..., torch.Tensor]:
    eager(function, example)
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")


@pytest.mark.parametrize("updates_before", [0, 2])
def test_what_agrees_is_used_from_where_the_learner_was(updates_before: int) -> None:
    sac, alone = make(), make()
    losses(sac, updates_before)
    losses(alone, updates_before)
    update = CapturedUpdate(sac, BATCH, DRAWN, "cpu", eager)
    assert update.error == 0.0
    found = [{k: v.item() for k, v in update(BATCH, DRAWN).items()} for _ in range(3)]
    expected = losses(alone, 3)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("capture", "problem"), [(wrong, "weights differ from the CPU's"), (full, "out of m")]
)
def test_what_disagrees_or_has_no_room_is_refused_and_nothing_is_changed(
    capture: Callable[..., Callable[..., torch.Tensor]], problem: str
) -> None:
    sac, alone = make(), make()
    losses(sac, 2)
    losses(alone, 2)
    with pytest.raises(BackendError, match=problem):
        CapturedUpdate(sac, BATCH, DRAWN, "cpu", capture)
    assert all(each.grad is None for each in sac.parameters()), "gradients may lie on a device that is lost"
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
