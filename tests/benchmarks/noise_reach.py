"""How far the flow's noise reaches, and how much of what is commanded Metaworld cuts.

    python -m tests.benchmarks.noise_reach --root experiments

Of every base policy of seed 0 of figure_3 that is in the root: the standard deviation over w of the
normalised chunk, root mean square over its numbers and over the states of the first demonstration, with the
paper's two steps and with four equal ones, for w of N(0, I) and uniform in a box of +-2.5; beside it a
residual of 0.2, uniform. Of every way that is kept of a trial on Metaworld: the share of the commanded steps
that are longer than 1 cm on an axis.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.data.reading import open_dataset
from zprl_core.experiments.cells import trials
from zprl_core.experiments.points import TRAILS
from zprl_core.experiments.runner import folder_of
from zprl_core.policy.flow import integrate

SCHEDULES = {"two steps": (1.0, 0.01, 0.0), "four equal steps": (1.0, 0.75, 0.5, 0.25, 0.0)}
BOX, STATES, DRAWS = 2.5, 64, 256
CUT_M = 0.01  # Metaworld's action_scale: an axis of the hand's target moves at most so far in a step


@torch.inference_mode()
def spread(base: Path, demonstrations: Path) -> dict[str, float]:
    """Of the normalised chunk, by schedule and distribution of w."""
    policy = load_base(base)[0].policy
    proprio = torch.from_numpy(next(iter(open_dataset(demonstrations))).proprio[:STATES].copy())
    c = policy.encode({}, proprio[:, None])
    generator = torch.Generator().manual_seed(0)
    shape = (DRAWS, policy.chunk, policy.action_dim)
    noise = {
        "normal": torch.randn(shape, generator=generator),
        f"box {BOX:g}": BOX * (2.0 * torch.rand(shape, generator=generator) - 1.0),
    }
    found = {}
    for steps, schedule in SCHEDULES.items():
        for kind, w in noise.items():
            squares = []
            for each in c:
                film = policy.flow.condition(each.expand(DRAWS, -1))
                chunks = integrate(lambda a, k, film=film: policy.flow(a, k, film), w, schedule)
                squares.append(chunks.var(dim=0).mean())
            found[f"{steps}, {kind}"] = float(torch.stack(squares).mean().sqrt())
    return found


def cut(trail: Path) -> float:
    """The share of a way's steps that are longer than Metaworld's hand goes."""
    steps = np.abs(np.diff(np.load(trail)["steered"][:, :3], axis=0)).max(axis=1)
    return float((steps > CUT_M).mean()) if len(steps) else 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="of experiments")
    root = parser.parse_args().root
    use_threads(1)
    known = trials("figure_3", "cpu")
    bases = {trial.base: trial for trial in known if trial.seed == 0 and not trial.task.observation.cameras}
    for base, trial in bases.items():
        path, demonstrations = (
            root / "bases" / base / "base.ckpt",
            root / "demonstrations" / trial.demonstrations,
        )
        if path.exists() and demonstrations.exists():
            told = ", ".join(f"{name} {value:.4f}" for name, value in spread(path, demonstrations).items())
            print(f"{trial.task.name}: {told}, residual of 0.2 {0.2 / 3**0.5:.3f}")
    shares = []
    for trial in known:
        if trial.task.benchmark is not None and trial.task.benchmark.suite == "metaworld":
            ways = sorted((folder_of(trial, root) / TRAILS).glob("[0-9]*.npz"))
            shares += [cut(way) for way in ways]
    if shares:
        print(
            f"commanded steps longer than 1 cm: {min(shares):.0%} to {max(shares):.0%} of {len(shares)} ways"
        )


if __name__ == "__main__":
    main()
