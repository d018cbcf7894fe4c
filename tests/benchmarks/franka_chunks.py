"""The policy node, the bridge and the real libfranka on a simulated controller that enforces its limits.

    python -m tests.benchmarks.franka_chunks --out runs/franka --chunks 24

Makes demonstrations around the rig's home, trains a tiny base policy, and runs `zprl evaluate --realtime` on
the Flip Egg cell at `franka-sim`. Prints how many chunks were executed, what the nodes measured, and every
reflex. Half of the chunks are planned through c, half through z. Exit code 1 where there was a reflex or a
void episode.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.session_table import print_session
from tests.hardware import franka_cell
from tests.hardware.franka import Controller, controller
from zprl_core.config import load_task
from zprl_core.records import EpisodeRecord

EPISODES = 2  # one through c, one through z


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for everything, new")
    parser.add_argument("--chunks", type=int, default=24, help="chunks in all, even (default 24)")
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    task, base = prepare(args.out, args.chunks // EPISODES)
    with controller("franka-sim") as strict:
        run = evaluate(args.out, strict, task, base)
        return report(run, strict.log())


def prepare(folder: Path, chunks: int) -> tuple[Path, Path]:
    """Task file and base policy, for episodes of so many chunks."""
    task = franka_cell.write_task(folder, chunks)
    data = franka_cell.write_demonstrations(folder / "data", load_task(task))
    base = folder / "base.ckpt"
    zprl("pretrain", "--task", str(task), "--data", str(data), "--out", str(base))
    return task, base


def evaluate(folder: Path, strict: Controller, task: Path, base: Path) -> Path:
    """The session's folder."""
    rig = franka_cell.write_rig(folder, strict.address, franka_cell.write_pictures(folder / "pictures"))
    words = ["--rig", str(rig), "--task", str(task), "--policy", str(base), "--out", str(folder / "run")]
    zprl("evaluate", *words, "--episodes", "1", "--realtime")
    return folder / "run"


def report(run: Path, controllers_log: str) -> int:
    """Print what was measured."""
    task = load_task(run / "config" / "task.yaml")
    episodes = print_session(run, 1e3 * task.observation.lead_steps * task.tick_s)
    reflexes, void = find_reflexes(run, controllers_log), [each for each in episodes if each.void]
    print(f"{'chunks executed':42} {executed(episodes):9}\n{'reflexes':42} {len(reflexes):9}")
    print(*reflexes, *holds(run), sep="\n")
    return int(bool(reflexes or void))


def executed(episodes: Sequence[EpisodeRecord]) -> int:
    """Chunks of the episodes that are not void."""
    return sum(episode.chunks for episode in episodes if not episode.void)


def find_reflexes(run: Path, controllers_log: str) -> list[str]:
    """Lines of the bridge and of the controller that tell of one."""
    lines = (run / "logs" / "arm_bridge.log").read_text().splitlines() + controllers_log.splitlines()
    return [line for line in lines if "reflex" in line.lower() or "violation" in line.lower()]


def holds(run: Path) -> list[str]:
    """Lines of the bridge that say why the arm held."""
    lines = (run / "logs" / "arm_bridge.log").read_text().splitlines()
    return [line for line in lines if "holds:" in line]


def zprl(*words: str) -> None:
    """Run a command."""
    command = [sys.executable, "-m", "zprl_core.cli", *words]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    sys.exit(main())
