"""Actor weights as bytes: float32, little endian, parameters in the module's order."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from zprl_core.errors import DataError


def to_bytes(module: nn.Module) -> bytes:
    """All parameters, end to end."""
    flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    return flat.cpu().numpy().astype("<f4", copy=False).tobytes()


@torch.no_grad()
def from_bytes(module: nn.Module, data: bytes) -> None:
    """Set all parameters.

    Raises:
        DataError: another number of bytes than the module has, or numbers that are not finite.
    """
    parameters = list(module.parameters())
    wanted = 4 * sum(p.numel() for p in parameters)
    if len(data) != wanted:
        raise DataError(f"actor weights are {len(data)} bytes, this actor has {wanted}")
    flat = torch.from_numpy(np.frombuffer(data, dtype="<f4").astype(np.float32))
    if not torch.isfinite(flat).all():
        raise DataError("actor weights are not finite")
    start = 0
    for parameter in parameters:
        parameter.copy_(flat[start : start + parameter.numel()].view_as(parameter))
        start += parameter.numel()
