"""How torch computes here: threads, and the faster float32 matrix products where they are accurate."""

from __future__ import annotations

import torch
from torch import nn

TOLERANCE = 1e-5
"""Largest relative error of a float32 product that is still called float32."""


def fast_matmul(tolerance: float = TOLERANCE) -> float:
    """Choose torch's "medium" for float32 products of the CPU if its error stays below the tolerance.

    On CPUs without AMX it is a faster float32 kernel; with AMX it may become bfloat16, and is refused. On a
    GPU it would mean TF32: there products stay float32's.

    Returns:
        The relative error that was measured with "medium".
    """
    before = torch.get_float32_matmul_precision()
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 256, 256, generator=generator).unbind()
    exact = a.double() @ b.double()
    torch.set_float32_matmul_precision("medium")
    error = ((a @ b - exact).norm() / exact.norm()).item()
    if not error < tolerance:
        torch.set_float32_matmul_precision(before)
    _keep_float32_on_gpus()
    return error


def _keep_float32_on_gpus() -> None:
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        torch.backends.cuda.matmul.fp32_precision = "ieee"
    else:  # torch before 2.9
        torch.backends.cuda.matmul.allow_tf32 = False


def channels_last(module: nn.Module) -> None:
    """Lay out the module's image convolutions as (out, h, w, in), the fastest on CPUs."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def reduced_precision(precision: str, device: torch.device) -> torch.autocast:
    """Context of a loss: products in bfloat16 for "bf16" (weights and sums stay float32), else nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def use_threads(count: int) -> None:
    """Threads of torch's own operators; a small network on a busy machine is fastest with one."""
    torch.set_num_threads(max(1, count))


SMALL = 10_000_000
"""Parameters. All of the paper's networks have more, those sized for two CPU cores less."""


def threads_to_train(parameters: int) -> int:
    """How many a network of so many parameters is trained with: all that there are, or one for a small one.

    On two idle cores a second thread makes steps of 2 million parameters 1.2 times as fast. Where another
    process wants one of the cores, one thread waits for the other in every operator, and a step takes ten
    times as long.
    """
    return 1 if parameters < SMALL else torch.get_num_threads()
