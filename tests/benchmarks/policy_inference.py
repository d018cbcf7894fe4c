"""What an observation and a chunk cost: every backend beside what a user would otherwise run.

    python tests/benchmarks/policy_inference.py [--threads 1] [--out FILE.json] [TASK ...]

The peer is the public design: ResNet-18 with GroupNorm and the conditional U-Net of Diffusion Policy (Chi et
al. 2023), built from their description with torch's own layers (tests/learning/diffusion_policy_unet.py),
eager, with torch's default settings, on the same sizes and with the same two steps of the flow. All take
turns in one process; figures are medians of CPU time and of wall time. The floor is the multiply-adds of all
convolutions and linear layers at the rate of one large product on this machine.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.learning.diffusion_policy_unet import DiffusionPolicyUNet
from zprl_core.arithmetic import channels_last, fast_matmul, use_threads
from zprl_core.base import new_model
from zprl_core.config import ComputeConfig, TaskConfig, load_task
from zprl_core.data.observation import Observation, noise
from zprl_core.inference.backend import Backend, BackendError, candidates
from zprl_core.policy.base_policy import BasePolicy
from zprl_core.policy.encoder import centre_crop
from zprl_core.policy.flow import integrate
from zprl_core.policy.unet import ChunkConv

ROUNDS = 15
SIZE, PRODUCTS = 1024, 8


class Peer(nn.Module):
    """The public design."""

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

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """The chunk."""
        return integrate(lambda a, k: self.unet(a, k * 100.0, condition), w, self.like.sampling)


@dataclass(frozen=True)
class Row:
    """One implementation on one task. Times in ms; error: of normalised actions, None of the peer."""

    task: str
    name: str
    encode_ms: float
    act_ms: float
    wall_ms: float
    error: float | None
    ratio: float


def rate() -> float:
    """Multiply-adds a second of one large float32 product, the best of several."""
    a, b = torch.randn(2, SIZE, SIZE).unbind()
    best = min(_cpu(lambda: a @ b) for _ in range(PRODUCTS))
    return SIZE**3 / best


def _cpu(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def multiply_adds(policy: BasePolicy, observation: Observation) -> int:
    """Of an observation and a chunk."""
    count = 0

    def conv(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Conv2d)
        count += out.numel() * layer.weight[0].numel()

    def linear(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Linear)
        count += out.numel() * layer.in_features

    def chunk(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, ChunkConv)
        count += out.numel() * len(layer.taps(given[0].shape[1]))

    kinds = {nn.Conv2d: conv, ChunkConv: chunk}
    hooks = [
        m.register_forward_hook(kinds.get(type(m), linear))
        for m in policy.modules()
        if isinstance(m, (nn.Conv2d, nn.Linear, ChunkConv))
    ]
    policy.act(policy.encode(*observation.batch()), torch.zeros(1, policy.chunk, policy.action_dim))
    for hook in hooks:
        hook.remove()
    return count


@torch.inference_mode()
def measure(name: str) -> tuple[list[Row], dict[str, float]]:
    """All implementations of a task's policy in turns, and its floor."""
    task = load_task(name)
    policy = new_model(task, 0).eval().requires_grad_(False).policy
    peer = Peer(task, policy).eval().requires_grad_(False)
    channels_last(policy)
    (observation,) = noise(task, 1)
    images, proprio = observation.batch()
    w = torch.randn(1, policy.chunk, policy.action_dim, generator=torch.Generator().manual_seed(0))
    backends: dict[str, Backend] = {"peer fp32": peer, "reference fp32": policy}
    for precision in ("fp32", "bf16"):
        compute = ComputeConfig(backends=("torch", "openvino"), precision=precision)
        for told, _, make in candidates(policy, compute, observation):
            if told.endswith(precision):
                try:
                    backends[told] = make()
                except BackendError as error:
                    print(f"{name}, {told}: {error}")
    expected = policy.actions(policy.act(policy.encode(images, proprio), w))
    taken: dict[str, list[tuple[float, float, float]]] = {each: [] for each in backends}
    for turn in range(-2, ROUNDS):
        for each, backend in backends.items():
            torch.set_float32_matmul_precision("highest" if backend is peer else "medium")
            wall, start = time.perf_counter(), time.process_time()
            c = backend.encode(images, proprio)
            middle = time.process_time()
            backend.act(c, w)
            if turn >= 0:
                taken[each].append((middle - start, time.process_time() - middle, time.perf_counter() - wall))
    medians = {
        each: [statistics.median(part) * 1e3 for part in zip(*rows, strict=True)]
        for each, rows in taken.items()
    }
    peer_ms = sum(medians["peer fp32"][:2])
    rows = []
    for each, (encode_ms, act_ms, wall_ms) in medians.items():
        found = policy.actions(backends[each].act(backends[each].encode(images, proprio), w))
        error = None if backends[each] is peer else (found - expected).abs().max().item()
        rows.append(Row(name, each, encode_ms, act_ms, wall_ms, error, peer_ms / (encode_ms + act_ms)))
    torch.set_float32_matmul_precision("medium")
    work, speed = multiply_adds(policy, observation), rate()
    return rows, {"multiply_adds": work, "rate": speed, "floor_ms": work / speed * 1e3}


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=["place_orange", "insert_bills"], metavar="TASK")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    use_threads(args.threads)
    print(f"fast_matmul error {fast_matmul():.1e}; {args.threads} threads; torch {torch.__version__}")
    kept = []
    for name in args.tasks:
        rows, floor = measure(name)
        kept.append({"rows": [asdict(row) for row in rows], **floor})
        print(
            f"{name}: {floor['multiply_adds'] / 1e9:.2f} G multiply-adds, {floor['rate'] / 1e9:.0f} G/s: "
            f"at least {floor['floor_ms']:.1f} ms"
        )
        for row in rows:
            error = "" if row.error is None else f", error {row.error:.1e}"
            print(
                f"  {row.name:15} encode {row.encode_ms:6.1f} act {row.act_ms:6.1f} ms of CPU time, "
                f"wall {row.wall_ms:6.1f} ms, {row.ratio:.2f} x{error}"
            )
    if args.out:
        machine = {"platform": platform.platform(), "processor": platform.processor()}
        args.out.write_text(
            json.dumps({"machine": machine, "threads": args.threads, "tasks": kept}, indent=1)
        )


if __name__ == "__main__":
    main()
