"""Whether a trial's last policy succeeds more often as it explores or as it is measured, on the same layouts.

    python -m tests.benchmarks.exploring --root experiments figure_3 --only "square_state zprl"

Rates of training episodes do not tell: those that run at a point of the curve are dropped, the long ones more
often than the short ones, and most long ones are failures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from zprl_core import checkpoint
from zprl_core.arithmetic import fast_matmul, use_threads
from zprl_core.experiments.bases import base_of
from zprl_core.experiments.cells import FINETUNING, Trial, trials
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.policy import Mode
from zprl_core.experiments.runner import folder_of
from zprl_core.experiments.steering_trial import SteeringTrial
from zprl_core.experiments.trial import KIND, STATE
from zprl_core.stats import Proportion

MODES: tuple[Mode, ...] = ("steer", "explore")


def successes(trial: Trial, root: Path) -> dict[Mode, Proportion]:
    """Of the layouts of evaluation, by mode."""
    learned = checkpoint.load(folder_of(trial, root) / STATE, KIND).state["learned"]
    found, model = dict[Mode, Proportion](), base_of(trial, root, "cpu")
    with VectorEnvironment(trial.task, trial.environments, 0) as copies, tempfile.TemporaryDirectory() as own:
        run = SteeringTrial(trial.task, trial.cell, model, copies, trial.seed, Path(own))
        run.restore(learned)
        for mode in MODES:
            finished = run.measure(mode).finished
            found[mode] = Proportion(sum(each.success for each in finished), len(finished))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the experiment")
    parser.add_argument("--root", type=Path, required=True, help="of experiments")
    parser.add_argument("--only", default="", help="cells whose name has this")
    options = parser.parse_args()
    use_threads(1)
    fast_matmul()
    for trial in trials(options.name, "cpu"):
        known = (folder_of(trial, options.root) / STATE).exists() and trial.cell.method not in FINETUNING
        if known and options.only in trial.cell.name:
            for mode, rate in successes(trial, options.root).items():
                low, high = rate.wilson()
                told = f"{rate.rate:.2f} [{low:.2f}, {high:.2f}] of {rate.trials}"
                print(f"{trial.cell.name}, seed {trial.seed}, {mode}: {told}", flush=True)


if __name__ == "__main__":
    main()
