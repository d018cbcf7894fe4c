# SPDX-License-Identifier: Apache-2.0
"""Where imitation is computed: on which device, and shared by how many processes (`torchrun`).

Every process draws the whole batch from the run's seed and computes its share of it. Gradients are averaged,
so that the weights are those of one process, up to the order of sums.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from zprl_core.errors import ConfigError

LAUNCHER = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets beside WORLD_SIZE."""


class Replicas:
    """The processes of a training, and this one's place among them.

    Args:
        device: of this one. rank: its number. count: of all.
    """

    def __init__(self, device: str = "cpu", rank: int = 0, count: int = 1) -> None:
        self.device, self.rank, self.count = torch.device(device), rank, count

    def share(self, batch: int) -> slice:
        """This one's rows of a batch.

        Raises:
            ConfigError: the batch cannot be shared evenly.
        """
        if batch % self.count:
            raise ConfigError(
                f"a batch of {batch} samples cannot be shared evenly by {self.count} processes: change "
                "pretrain.batch_size, or torchrun's --nproc-per-node"
            )
        return slice(self.rank, None, self.count)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average the gradients over all processes, in one message."""
        gradients = [each.grad for each in parameters if each.grad is not None]
        if self.count == 1 or not gradients:
            return
        flat = torch.cat([each.flatten() for each in gradients])
        distributed.all_reduce(flat)
        for gradient, mean in zip(
            gradients, (flat / self.count).split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Of a scalar over all processes."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.count

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (B, n) of all processes, (count * B, n)."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)


def leads() -> bool:
    """Whether this process writes and tells: the first of those that `torchrun` started, or the only one."""
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1  # a RANK without it is left from something else
    return alone or os.environ.get("RANK", "0") == "0"


def chosen_device(wanted: str, local_rank: int = 0) -> str:
    """What "auto" means here: a GPU where there is one.

    Raises:
        ConfigError: "cuda" is wanted, and there is none, or fewer than processes.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"--device {wanted}: process {local_rank} of this machine finds {torch.cuda.device_count()} CUDA "
            "GPUs; use --device cpu, or fewer processes"
        )
    return f"cuda:{local_rank}"


@contextmanager
def replicas(wanted: str) -> Iterator[Replicas]:
    """The processes that `torchrun` started, or this one alone. All of them leave it together.

    Raises:
        ConfigError: see `chosen_device`.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Replicas(chosen_device(wanted))
        return
    if missing := [name for name in LAUNCHER if name not in os.environ]:
        raise ConfigError(
            f"WORLD_SIZE is {count}, but {', '.join(missing)} is not set: start it with torchrun, or unset "
            "WORLD_SIZE"
        )
    device = chosen_device(wanted, int(os.environ["LOCAL_RANK"]))
    if device != "cpu":
        torch.cuda.set_device(device)
    distributed.init_process_group("gloo" if device == "cpu" else "nccl")
    yield Replicas(device, distributed.get_rank(), count)
    distributed.destroy_process_group()  # all together: where one fails, torchrun ends the others
