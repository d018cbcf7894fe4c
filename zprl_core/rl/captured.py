# SPDX-License-Identifier: Apache-2.0
"""`SAC.update` on an NVIDIA GPU, as one CUDA graph, after it has agreed with the CPU's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields

import torch
from torch import Tensor, nn

from zprl_core.cuda_graph import Graph
from zprl_core.inference.backend import BackendError, Notice
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

CHECKED = 3
"""Updates that are made on both, one after the other: each depends on the weights that the last one left."""
TOLERANCE = 0.05
"""Largest difference of what they did to a part's weights, over what the CPU's did to them."""
PARTS = ("actor", "critics", "target_critics")
Update = Callable[[Batch, UpdateNoise], dict[str, Tensor]]
BATCH = tuple(field.name for field in fields(Batch))


def updater(sac: SAC, device: str, batch: Batch, drawn: UpdateNoise, notice: Notice) -> Update:
    """How this SAC is to be updated; its weights are as they were.

    Args:
        sac: may be moved to the device.
        device: "cpu" or "cuda".
        batch, drawn: for the comparison, of the sizes of all that follow.
        notice: told in one line where the GPU is asked for and not used, or used.
    """
    if device == "cuda":
        try:
            if not torch.cuda.is_available():
                raise BackendError("torch finds no CUDA GPU here")
            made = CapturedUpdate(sac, batch, drawn)
        except BackendError as problem:
            notice(f"learner on cuda: {problem}; the CPU is used")
        else:
            notice(f"learner on cuda: differs from the CPU by {made.error:.2g} of {CHECKED} updates")
            return made
    _place(sac, "cpu")
    return sac.update


class CapturedUpdate:
    """See the module's docstring.

    Args:
        sac: is moved to the device. batch, drawn: for the comparison.
        device: as torch names it. capture: of a function on it, for arguments like these.

    Raises:
        BackendError: too little memory, or other weights than the CPU's; the SAC is as it was.
    """

    def __init__(
        self,
        sac: SAC,
        batch: Batch,
        drawn: UpdateNoise,
        device: str = "cuda",
        capture: Callable[[Callable[..., Tensor], list[Tensor]], Callable[..., Tensor]] = Graph,
    ) -> None:
        _place(sac, "cpu")
        was, reference = copy.deepcopy(sac), copy.deepcopy(sac)
        self._sac = sac
        told = [reference.update(batch, drawn) for _ in range(CHECKED)]
        self._names = tuple(told[0])
        try:
            _place(sac, device)
            before = remember(sac)
            self._graph = capture(self._update, _flat(batch, drawn))
            restore(sac, before)
            for _ in range(CHECKED):
                self(batch, drawn)
            self.error = difference(was, reference, sac)
            restore(sac, before)
        except RuntimeError as error:
            take_over(sac, was)
            raise BackendError(str(error)) from error
        if not self.error <= TOLERANCE:
            take_over(sac, was)
            raise BackendError(
                f"its weights differ from the CPU's by {self.error:.2g} of what {CHECKED} updates did to "
                f"them, allowed {TOLERANCE:g}"
            )

    def __call__(self, batch: Batch, drawn: UpdateNoise) -> dict[str, Tensor]:
        """See `SAC.update`."""
        return dict(zip(self._names, self._graph(*_flat(batch, drawn)).unbind(), strict=True))

    def _update(self, *given: Tensor) -> Tensor:
        batch, drawn = given[: len(BATCH)], given[len(BATCH) :]
        found = self._sac.update(Batch(*batch), UpdateNoise(*drawn))
        return torch.stack([found[name] for name in self._names])


def _flat(batch: Batch, drawn: UpdateNoise) -> list[Tensor]:
    return [*(getattr(batch, name) for name in BATCH), drawn.next, drawn.now, drawn.pair]


def _place(sac: SAC, device: str) -> None:
    """Move weights and what the optimisers know; a graph needs optimisers that may be captured."""
    sac.to(device)
    for optimizer in sac.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = device == "cuda"
        for state in optimizer.state.values():
            state.update({key: value.to(device) for key, value in state.items()})


def tensors_of(sac: SAC) -> Iterator[Tensor]:
    """All that an update changes."""
    yield from (each.detach() for each in sac.state_dict(keep_vars=True).values())
    for optimizer in sac.optimizers.values():
        for state in optimizer.state.values():
            yield from state.values()


def remember(sac: SAC) -> dict[int, Tensor]:
    """Copies of what an update changes, by address."""
    return {each.data_ptr(): each.clone() for each in tensors_of(sac)}


@torch.no_grad()
def restore(sac: SAC, before: dict[int, Tensor]) -> None:
    """In place, for the graph has their addresses; what an optimiser made meanwhile begins at zero."""
    for each in tensors_of(sac):
        kept = before.get(each.data_ptr())
        each.zero_() if kept is None else each.copy_(kept)


def difference(was: SAC, expected: SAC, found: SAC) -> float:
    """Largest over the parts of |found - expected| / |expected - was|; not a number where one is not."""
    apart = []
    for part in PARTS:
        old, a, b = (_weights(getattr(sac, part)) for sac in (was, expected, found))
        apart.append((b - a).norm() / (a - old).norm())
    old, a, b = (sac.log_alpha.detach().cpu() for sac in (was, expected, found))
    apart.append((b - a).abs() / (a - old).abs())
    return torch.stack(apart).max().item()


def _weights(module: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten().cpu() for each in module.parameters()])


def take_over(sac: SAC, other: SAC) -> None:
    """Weights and optimisers' states of another one, without a look at its own: its device may be lost."""
    for mine, theirs in zip(sac.parameters(), other.parameters(), strict=True):
        mine.data, mine.grad = theirs.data, None
    for name, optimizer in sac.optimizers.items():
        source = other.optimizers[name]
        optimizer.state.clear()
        for group, kept in zip(optimizer.param_groups, source.param_groups, strict=True):
            group["capturable"] = kept["capturable"]
            for mine, same in zip(group["params"], kept["params"], strict=True):
                if same in source.state:
                    optimizer.state[mine] = source.state[same]
