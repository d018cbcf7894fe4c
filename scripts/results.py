"""Gathers finished demos of several seeds into a table, a figure and the data behind them.

    python -m scripts.results --demo runs/demo --seeds 0 1 2 --out docs/results/place_orange_demo

Reads OUT/seed<N>/zprl of `scripts/demo.py` and, where it is there, OUT/seed<N>/constant_dz.json of
`scripts.constant_dz`. Every rate comes with its episodes and its Wilson 95 % interval; a difference with
Newcombe's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zprl_core.config import load_task
from zprl_core.measurement import proportion
from zprl_core.plan import TRAIN
from zprl_core.plots import learning_curve
from zprl_core.policy_modes import BASES
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.run_folder import RunFolder
from zprl_core.stats import Proportion, apart, difference, pooled


@dataclass(frozen=True)
class Seed:
    """One demo: its records and summary, and the constant perturbation's result where it was searched."""

    seed: int
    records: Sequence[EpisodeRecord]
    summary: dict[str, Any]
    constant: Proportion | None
    pretrain_s: float

    def rate(self, block: str) -> Proportion:
        """Successes of a block."""
        return proportion(self.records, block)

    @property
    def base(self) -> Proportion:
        """The better of the two base paths."""
        return max((self.rate(path) for path in BASES), key=lambda p: p.rate)


def read(demo: Path, seed: int) -> Seed:
    """Read one seed's folder.

    Raises:
        FileNotFoundError: not a finished demo.
    """
    folder = demo / f"seed{seed}"
    summary = json.loads((folder / "zprl" / "summary.json").read_text())
    constant, path = None, folder / "constant_dz.json"
    if path.exists():
        found = json.loads(path.read_text())
        constant = Proportion(round(found["constant"] * found["episodes"]), found["episodes"])
    pretrain_s = json.loads((folder / "base.ckpt.json").read_text())["wall_s"]
    return Seed(seed, list(read_records(folder / "zprl" / "episodes.jsonl")), summary, constant, pretrain_s)


def text(p: Proportion | None) -> str:
    """A rate with its interval and episodes."""
    return "-" if p is None else p.told("-")


def row(
    name: str, paths: Sequence[Proportion], base: Proportion, final: Proportion, rest: Sequence[str]
) -> str:
    """One line of the table; the gain is that over `base`."""
    low, high = difference(final, base)
    gain = f"{final.rate - base.rate:+.2f} [{low:+.2f}, {high:+.2f}]{'' if apart(base, final) else ' *'}"
    return " | ".join(["", name, *map(text, paths), text(final), gain, *rest, ""]).strip()


def table(seeds: Sequence[Seed]) -> str:
    """Markdown: a row per seed and the pooled one."""
    lines = [
        "| seed | base through c | base through z | after ZPRL | gain over the better base path "
        "| best constant dz | pretraining s | run s |",
        "|" + "---|" * 8,
    ]
    for s in seeds:
        rest = [text(s.constant), f"{s.pretrain_s:.0f}", f"{s.summary['wall_s']:.0f}"]
        paths = [s.rate(path) for path in BASES]
        lines.append(row(str(s.seed), paths, s.base, s.rate("final"), rest))
    *paths, final = (pooled(s.rate(block) for s in seeds) for block in (*BASES, "final"))
    base = pooled(s.base for s in seeds)
    constants = [s.constant for s in seeds if s.constant]
    lines.append(row("pooled", paths, base, final, [text(pooled(constants)) if constants else "-", "", ""]))
    return "\n".join(lines)


def machine() -> str:
    """This machine in a line."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def constant_command(demo: Path, s: Seed) -> str:
    """The search that had as many episodes as the training run."""
    lambda_ = load_task(str(RunFolder(demo / f"seed{s.seed}" / "zprl").task_file)).rl.lambda_
    episodes = sum(record.block == TRAIN and not record.void for record in s.records)
    return (
        f"python -m scripts.constant_dz --base runs/demo/seed{s.seed}/base.ckpt --lambda {lambda_} "
        f"--seed {s.seed} --episodes {episodes} --out runs/demo/seed{s.seed}/constant_dz.json"
    )


def write(demo: Path, seeds: Sequence[Seed], out: Path) -> None:
    """The table, the figure, and each seed's summary and episodes."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = " ".join(str(s.seed) for s in seeds)
    commands = [f'make demo ARGS="--seed {s.seed}"' for s in seeds]
    commands += [constant_command(demo, s) for s in seeds]
    commands.append(f"python -m scripts.results --demo runs/demo --seeds {numbers} --out {out}")
    (out / "table.md").write_text(
        f"{table(seeds)}\n\n`*`: the two intervals overlap. Machine: {machine()}.\n\n```\n"
        + "\n".join(commands)
        + "\n```\n"
    )
    runs = {f"seed {s.seed}": s.records for s in seeds}
    learning_curve(runs, out / "learning_curve.png", "place_orange_demo")
    for s in seeds:
        for name in ("summary.json", "episodes.jsonl", "versions.json"):
            shutil.copyfile(demo / f"seed{s.seed}" / "zprl" / name, out / f"seed{s.seed}_{name}")
        if s.constant:
            shutil.copyfile(
                demo / f"seed{s.seed}" / "constant_dz.json", out / f"seed{s.seed}_constant_dz.json"
            )


def main() -> None:
    """Gather and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"), help="folder of the demos")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    seeds = [read(args.demo, seed) for seed in args.seeds]
    write(args.demo, seeds, args.out)
    print(table(seeds))


if __name__ == "__main__":
    main()
