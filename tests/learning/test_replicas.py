"""Imitation that several processes share (`torchrun`, gloo on the CPU), and devices that are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.learning.tiny import change, tiny_task, write_dataset
from zprl_core.base import load_base
from zprl_core.errors import ConfigError
from zprl_core.training.replicas import Replicas, chosen_device, leads, replicas

SHARED = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


def pretrained(folder: Path, name: str, *launcher: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of `zprl pretrain`, launched so."""
    out = folder / f"{name}.ckpt"
    words = ["pretrain", "--task", str(folder / "task.yaml"), "--data", str(folder / "data")]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "zprl_core.cli", *words, "--out", str(out), "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"checkpoint: {out}") == 1, "one process tells, and writes"
    return load_base(out)[0].state_dict()


def difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max((a[name] - b[name]).abs().max().item() for name in a)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    task = change(tiny_task(), "bottleneck", joint=True, steps=1)
    task = change(task, "pretrain", gradient_clip=0.01)  # or Adam would not see a sum in place of a mean
    (tmp_path / "data").mkdir()
    write_dataset(tmp_path / "data", [14, 11, 12])
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task.to_dict()))
    alone = pretrained(tmp_path, "alone")
    shared = pretrained(tmp_path, "shared", *SHARED, "2")
    other = pretrained(tmp_path, "other", seed=1)
    assert difference(alone, shared) < 1e-3 < 0.1 * difference(alone, other)


def test_a_rank_that_is_left_over_silences_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "1")
    assert leads()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not leads()
    with pytest.raises(ConfigError, match="WORLD_SIZE is 2, but LOCAL_RANK"), replicas("cpu"):
        pass


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    assert list(range(8))[Replicas(rank=1, count=2).share(8)] == [1, 3, 5, 7]
    with pytest.raises(ConfigError, match=r"a batch of 8 samples cannot be shared evenly by 3 processes"):
        Replicas(count=3).share(8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there() -> None:
    assert chosen_device("auto") == chosen_device("cpu", 3) == "cpu"
    with pytest.raises(ConfigError, match=r"--device cuda: process 0 of this machine finds 0 CUDA GPUs"):
        chosen_device("cuda")
