# SPDX-License-Identifier: Apache-2.0
"""An observation and its chunk: every backend beside the public design of Diffusion Policy.

The peer is ResNet-18 with GroupNorm and the conditional U-Net (Chi et al. 2023), eager, with torch's default
settings, on the same sizes and with the same two steps of the flow.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zprl_core.arithmetic import channels_last
from zprl_core.base import new_model
from zprl_core.bench.peers import DiffusionPolicyUNet
from zprl_core.bench.rows import Row, TimesAsFast
from zprl_core.bench.turns import in_turns, rate
from zprl_core.config import ComputeConfig, TaskConfig, load_task
from zprl_core.config.compute import BackendName
from zprl_core.data.observation import Observation, noise
from zprl_core.inference.backend import FAILURES, Backend, Notice, candidates, encode, first_line
from zprl_core.policy.base_policy import BasePolicy
from zprl_core.policy.encoder import centre_crop
from zprl_core.policy.flow import integrate
from zprl_core.policy.unet import ChunkConv

TASKS = {"place_orange": "Place Orange, 1 camera", "insert_bills": "Insert Bills, 3 cameras of 2 frames"}
BACKENDS: tuple[BackendName, ...] = ("torch", "openvino", "cuda")
WANTED = {"fp32": TimesAsFast(3.5), "bf16": TimesAsFast(6.0)}
PEER = "Diffusion Policy, eager fp32"
ON_GPU = f"{PEER}, on the GPU"
"""What the backends of a GPU are compared with; nothing is promised of them, as there was none."""


class PublicDesign(nn.Module):
    """The peer."""

    def __init__(self, task: TaskConfig, like: BasePolicy) -> None:
        super().__init__()
        policy, action = task.policy, task.action
        self.encoder, self.like = copy.deepcopy(like.encoder), like
        self.unet = DiffusionPolicyUNet(
            action.dim,
            like.c_dim,
            tuple(policy.unet_widths),
            policy.step_embedding,
            policy.kernel_size,
            policy.groups,
        )

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c."""
        parts = []
        for name, backbone in zip(self.encoder.cameras, self.encoder.backbones, strict=True):
            cropped = centre_crop(images[name], *self.encoder.crops[name]).flatten(0, 1)
            parts.append(backbone(cropped.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0))
        seen = [torch.stack(parts, dim=1).view(1, -1)] if parts else []
        return torch.cat([*seen, self.like.proprioception(proprio).flatten(1)], dim=1)

    def act(self, images: Mapping[str, Tensor], proprio: Tensor, w: Tensor) -> Tensor:
        """The chunk."""
        condition = self.encode(images, proprio)
        return integrate(lambda a, k: self.unet(a, k * 100.0, condition), w, self.like.sampling)


@torch.inference_mode()
def rows(
    name: str, rounds: int, notice: Notice, backends: tuple[BackendName, ...] = BACKENDS
) -> Iterator[Row]:
    """A task's policy, of random weights and on noise, by these backends; `notice` is told which cannot be
    had here, and why.
    """
    task = load_task(name)
    policy = new_model(task, 0).eval().requires_grad_(False).policy
    peer = PublicDesign(task, policy).eval().requires_grad_(False)
    channels_last(policy)
    (observation,) = noise(task, 1)
    images, proprio = observation.batch()
    w = torch.randn(1, policy.chunk, policy.action_dim, generator=torch.Generator().manual_seed(0))
    made: dict[str, Backend | None] = {"reference fp32": policy} | dict(
        _made(policy, observation, backends, notice)
    )

    def run(backend: Backend, precision: str) -> Tensor:
        torch.set_float32_matmul_precision(precision)
        return backend.act(encode(backend, policy, images, proprio), w)

    def theirs() -> Tensor:
        torch.set_float32_matmul_precision("highest")
        return peer.act(images, proprio, w)

    ours = torch.get_float32_matmul_precision()  # what `fast_matmul` found to be accurate here
    expected = policy.actions(run(policy, "highest"))
    calls: dict[str, Callable[[], object]] = {PEER: theirs}
    if any(backend and each.startswith("cuda") for each, backend in made.items()):
        calls[ON_GPU] = _on_gpu(peer, images, proprio, w)
    calls |= {each: partial(run, backend, ours) for each, backend in made.items() if backend}
    taken = in_turns(calls, rounds)
    torch.set_float32_matmul_precision(ours)
    products = multiply_adds(policy, observation)
    limits_ms = {"fp32": products / rate() * 1e3}
    if any(backend and name.endswith("bf16") for name, backend in made.items()):
        limits_ms["bf16"] = products / rate(torch.bfloat16) * 1e3
    for each, backend in made.items():
        precision, on_gpu = each.rsplit(" ", 1)[1], each.startswith("cuda")
        error = (
            None if backend is None else (policy.actions(run(backend, ours)) - expected).abs().max().item()
        )
        yield Row(
            f"policy, {TASKS.get(name, name)}",
            each,
            taken.get(each, math.nan),
            ON_GPU if on_gpu else PEER,
            taken.get(ON_GPU, math.nan) if on_gpu else taken[PEER],
            None if on_gpu or each.startswith("reference") else WANTED.get(precision),
            None if on_gpu else limits_ms.get(precision),
            error,
        )


def _on_gpu(
    peer: PublicDesign, images: Mapping[str, Tensor], proprio: Tensor, w: Tensor
) -> Callable[[], Tensor]:
    """The peer there; as ours, it is given tensors of the CPU's memory, and the chunk goes back there."""
    there = copy.deepcopy(peer).cuda()

    def run() -> Tensor:
        torch.set_float32_matmul_precision("highest")
        return there.act({name: each.cuda() for name, each in images.items()}, proprio.cuda(), w.cuda()).cpu()

    return run


def _made(
    policy: BasePolicy, observation: Observation, backends: tuple[BackendName, ...], notice: Notice
) -> Iterator[tuple[str, Backend | None]]:
    """Backends by name; None: cannot be had here."""
    on_gpus: tuple[BackendName, ...] = tuple(each for each in backends if each == "cuda")
    for precision, some in {"fp32": backends, "bf16": backends, "fp16": on_gpus}.items():
        compute = ComputeConfig(backends=some, precision=precision)  # type: ignore[arg-type]
        for name, _, make in candidates(policy, compute, observation):
            if name.endswith(precision):
                try:
                    yield name, make()
                except FAILURES as problem:
                    notice(f"policy: {name}: {first_line(problem)}")
                    yield name, None


def multiply_adds(policy: BasePolicy, observation: Observation) -> int:
    """Of an observation and a chunk: convolutions and linear layers."""
    count = 0

    def add(layer: nn.Module, given: tuple[Any, ...], out: Tensor) -> None:
        nonlocal count
        if isinstance(layer, nn.Conv2d):
            each = layer.weight[0].numel()
        elif isinstance(layer, ChunkConv):
            each = len(layer.taps(given[0].shape[1]))
        else:
            assert isinstance(layer, nn.Linear)
            each = layer.in_features
        count += out.numel() * each

    kinds = (nn.Conv2d, nn.Linear, ChunkConv)
    hooks = [m.register_forward_hook(add) for m in policy.modules() if isinstance(m, kinds)]
    policy.act(policy.encode(*observation.batch()), torch.zeros(1, policy.chunk, policy.action_dim))
    for hook in hooks:
        hook.remove()
    return count
