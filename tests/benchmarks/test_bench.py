"""`zprl bench`, and what it counts."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import torch

from zprl_core.bench import policy, updates
from zprl_core.bench.table import data
from zprl_core.bench.turns import Row, in_turns
from zprl_core.config import load_task
from zprl_core.data.observation import noise
from zprl_core.policy.base_policy import BasePolicy
from zprl_core.rl.sac import SAC


def test_updates_beside_a_peer_that_may_be_missing(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "bench.json"
    words = ["bench", "--quick", "--only", "updates", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", *words], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads(out.read_text())
    assert kept["machine"]["peers"].keys() == {"openvino", "stable-baselines3"}
    assert [row["path"] for row in kept["rows"]][::2] == [f"SAC update, {n} critics" for n in (2, 5, 10)]
    here = importlib.util.find_spec("stable_baselines3") is not None
    for row in kept["rows"]:
        assert row["ours_ms"] > 0.0 and (row["ratio"] is not None) == here
    assert ("not here" in done.stdout) != here
    assert "G float32 multiply-adds a second" in done.stdout


def test_what_cannot_be_had_is_null_in_the_file() -> None:
    row = Row("policy", "cuda fp32", math.nan, "peer", 10.0)
    (kept,) = data({}, [row])["rows"]
    assert (kept["ours_ms"], kept["ratio"], kept["peer_ms"]) == (None, None, 10.0)
    assert Row("policy", "torch fp32", 5.0, "peer", 10.0).ratio == 2.0


def test_turns_are_taken() -> None:
    order: list[str] = []
    in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 4, "two rounds to warm up"


def test_multiply_adds_of_an_update() -> None:
    """4 layers of 256 on c (3) and z (2), one number out; the actor gives two numbers a dimension."""
    rl = load_task("box_close_state").rl
    sac = SAC(3, 2, lambda z, dz: z + dz, rl)
    critic = 5 * 256 + 3 * 256 * 256 + 256
    actor = 5 * 256 + 3 * 256 * 256 + 256 * 4
    assert updates.multiply_adds(sac) == 256 * (6 * 2 * critic + 4 * actor)


@torch.inference_mode()
def test_multiply_adds_of_a_policy_without_cameras() -> None:
    """Counted layer by layer, by hand: U-Net 32-64 of kernel 3 on a chunk of 4 waypoints of 4 numbers."""
    task = load_task("box_close_state")
    frozen = BasePolicy(task)
    embedding = task.policy.step_embedding

    def block(inputs: int, outputs: int, length: int) -> int:
        shortcut = inputs * outputs if inputs != outputs else 0
        return length * (3 * inputs * outputs + 3 * outputs * outputs + shortcut)

    def level(inputs: int, outputs: int, length: int) -> int:
        return block(inputs, outputs, length) + block(outputs, outputs, length)

    films = 2 * (2 * 32 + 2 * 64 + 2 * 64 + 2 * 32)
    step = embedding * 4 * embedding * 2 + embedding * films
    levels = level(4, 32, 4) + 2 * (3 * 32 * 32) + level(32, 64, 2) + level(64, 64, 2)
    levels += 2 * (64 * 128) + level(64 + 32, 32, 4) + 4 * (3 * 32 * 32 + 32 * 4)
    condition = 14 * 2 * embedding + 2 * embedding * films
    assert policy.multiply_adds(frozen, noise(task, 1)[0]) == condition + 2 * (step + levels)
