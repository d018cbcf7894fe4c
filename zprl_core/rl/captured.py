# SPDX-License-Identifier: Apache-2.0
"""`SAC.update` on an NVIDIA GPU, as one CUDA graph, after it has agreed with the CPU's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields

import torch
from torch import Tensor

from zprl_core.cuda_graph import Graph
from zprl_core.inference.backend import BackendError, Notice
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

CHECKED = 3
"""Updates that are made on both, one after the other: each depends on the weights that the last one left."""
TOLERANCE = 1e-2
"""Largest relative difference of what they report."""
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
            made = CapturedUpdate(sac, batch, drawn)
        except BackendError as problem:
            notice(f"learner on cuda: {problem}; the CPU is used")
        else:
            notice(f"learner on cuda: differs from the CPU by {made.error:.2g} over {CHECKED} updates")
            return made
    _place(sac, "cpu")
    return sac.update


class CapturedUpdate:
    """See the module's docstring.

    Raises:
        BackendError: no GPU, too little memory, or other numbers than the CPU's.
    """

    def __init__(self, sac: SAC, batch: Batch, drawn: UpdateNoise) -> None:
        if not torch.cuda.is_available():
            raise BackendError("torch finds no CUDA GPU here")
        _place(sac, "cpu")
        reference = copy.deepcopy(sac)
        expected = [reference.update(batch, drawn) for _ in range(CHECKED)]
        self._sac, self._names = sac, tuple(expected[0])
        try:
            _place(sac, "cuda")
            before = remember(sac)
            self._graph = Graph(self._update, _flat(batch, drawn))
            restore(sac, before)
            found = [self(batch, drawn) for _ in range(CHECKED)]
            restore(sac, before)
        except RuntimeError as error:
            raise BackendError(f"{torch.cuda.get_device_name()}: {error}") from error
        self.error = max(
            _relative(a[name], b[name]) for a, b in zip(expected, found, strict=True) for name in a
        )
        if not self.error <= TOLERANCE:
            raise BackendError(
                f"differs from the CPU by {self.error:.2g} over {CHECKED} updates, allowed {TOLERANCE:g}"
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


def _relative(expected: Tensor, found: Tensor) -> float:
    a, b = expected.item(), found.item()
    return abs(a - b) / max(abs(a), 1e-3)
