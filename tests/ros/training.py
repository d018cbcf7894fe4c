"""A task and a base policy that are small enough to train on in seconds, for tests of the whole graph."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from zprl_core.base import new_model, save_base
from zprl_core.config import load_task
from zprl_sim.executor import encode
from zprl_sim.rig import SimRig

TINY: dict[str, Any] = {
    "extends": "place_orange_demo",
    "name": "tiny",
    "horizon_steps": 48,
    "observation": {
        "cameras": [{"name": "third_view", "height": 36, "width": 48, "crop_height": 32, "crop_width": 44}]
    },
    "policy": {"resnet_width": 8, "unet_widths": [16, 32], "image_embedding": 16},
    "bottleneck": {"hidden": 32, "latent_dim": 4},
    "rl": {
        "warmup_chunks": 4,
        "batch_size": 8,
        "hidden": 32,
        "checkpoint_every_episodes": 2,
        "keep_every_chunks": 6,
        "guard": {"rms_ratio": 0.15, "chunks": 4, "back_off": True},
    },
}


def tiny_task(folder: Path) -> Path:
    """The task's file."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def tiny_base(folder: Path, task_file: Path) -> Path:
    """An untrained base policy within 2 mm of the arm's home, so that the safety gate lets it pass."""
    task = load_task(str(task_file))
    model = new_model(task, 0)
    rig = SimRig()
    state = rig.reset(0)
    home = torch.from_numpy(encode(rig.setpoint)).float()
    reach = torch.tensor([0.001, 0.001, 0.001, 0.002, 0.002, 0.002, 0.0005])
    q = torch.from_numpy(state.proprioception).float()
    model.policy.fit_normalizers(torch.stack([home - reach, home + reach]), torch.stack([q - 0.1, q + 0.1]))
    path = folder / "base.ckpt"
    save_base(path, model, task, {})
    return path


def zprl(*arguments: str, timeout_s: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run a zprl command to its end."""
    command = [sys.executable, "-m", "zprl_core.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment()
    )


STARTED: list[subprocess.Popen[str]] = []


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a zprl command as a process group of its own."""
    command = [sys.executable, "-m", "zprl_core.cli", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def end_all() -> None:
    """End what a test that failed has left running; its nodes end with it."""
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.communicate()
    STARTED.clear()


def environment() -> dict[str, str]:
    """Of every process: one thread each, as two cores are shared by all."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def node_pid(run: Path, module: str) -> int:
    """Process id of a node of the session in this folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = _command_line(entry).split("\0")
            if module in words and any(str(run) in word for word in words):
                return int(entry.name)
    raise LookupError(f"no process of {module} for {run}")


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def kill_after(
    run: Path, module: str, episodes: int, process: subprocess.Popen[str], timeout_s: float = 90.0
) -> None:
    """Kill -9 a node once this many episodes are recorded."""
    deadline = time.monotonic() + timeout_s
    while len(lines(run / "episodes.jsonl")) < episodes:
        assert process.poll() is None, "the session ended before its node could be killed"
        assert time.monotonic() < deadline, f"{run}: {episodes} episodes did not come"
        time.sleep(0.01)
    os.kill(node_pid(run, module), signal.SIGKILL)


def lines(path: Path) -> list[str]:
    """Whole lines of a file that may not exist yet."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def summary(run: Path) -> dict[str, Any]:
    """The run's result."""
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found
