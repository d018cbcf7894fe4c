# SPDX-License-Identifier: Apache-2.0
"""What is the steering of these runs doing? States, effects for each checkpoint of a run, and the figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core import record_log
from zprl_core.base import BaseModel, load_base
from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import DataError
from zprl_core.perturbation import GUIDELINE, SAMPLES
from zprl_core.replay.policies import find_policy
from zprl_core.rl.learner import learned_transitions, load_actor
from zprl_core.run_folder import RunFolder
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.effect import DISPLACEMENT, Effect, Steered, effect, steer
from zprl_core.steering.maps import COLOURS, MARKERS, Cloud, draw_map
from zprl_core.tables import flat, markdown, write_csv

Array = NDArray[np.float32]
MAPPED = 1000
"""States that are drawn on the maps, each twice."""
FEW = 100
"""States below which means and percentiles say little."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run whose steering is looked at: its folder, name, task (with its lambda), and base policy."""

    folder: RunFolder
    name: str
    task: TaskConfig
    model: BaseModel

    @property
    def lambda_(self) -> float:
        """Of its actor."""
        assert self.task.rl.lambda_ is not None
        return self.task.rl.lambda_


@dataclass(frozen=True, eq=False)
class States:
    """Embeddings c (N, c_dim), and where they come from."""

    c: Array
    source: str


@dataclass(frozen=True, eq=False)
class Studied:
    """A run's effects: by training chunks of each kept state, and the last state's with actions."""

    run: Run
    effects: dict[int, Effect]
    last: Steered


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Training runs of one base policy or of several with the same embeddings.

    Raises:
        CheckpointError, DataError: no training run, or no state of its learner.
        DataError: their embeddings differ, so that one's states mean nothing to the other.
    """
    found = []
    for path in paths:
        policy = find_policy(path)
        if not policy.steers:
            raise DataError(f"{path}: a base policy steers nothing; name a folder of `zprl train`")
        if not path.is_dir():
            raise DataError(f"{path}: one state of a run; name the run's folder, of which all are looked at")
        if policy.task.rl.steering != "latent":
            raise DataError(f"{path}: steers by {policy.task.rl.steering}; this looks at latents only")
        folder = RunFolder.open(path)
        model, _, _ = load_base(policy.base, policy.task)
        found.append(Run(folder, path.name, load_task(folder.task_file), model))
    sizes = {run.model.policy.c_dim for run in found}
    if len(sizes) > 1:
        raise DataError(f"runs of different policies: their embeddings have {sorted(sizes)} numbers")
    for run in found[1:]:
        if not _same_policy(run.model, found[0].model):
            raise DataError(
                f"{run.folder.path}: has another base policy than {found[0].folder.path}, so their "
                "embeddings cannot be compared; look at each by itself"
            )
    names = [run.name for run in found]
    if len(set(names)) < len(names):
        found = [replace(run, name=f"{number}_{run.name}") for number, run in enumerate(found, 1)]
    return found


def _same_policy(a: BaseModel, b: BaseModel) -> bool:
    states = [model.policy.state_dict() for model in (a, b)]
    return states[0].keys() == states[1].keys() and all(
        value.shape == states[1][name].shape and bool((value == states[1][name]).all())
        for name, value in states[0].items()
    )


def visited(runs: Sequence[Run]) -> States:
    """States that the runs visited while they learned, as many of each.

    Raises:
        DataError: no transition was logged.
    """
    parts = []
    for run in runs:
        records = (record for _, record in record_log.read(run.folder.transitions_file))
        c = [record["c"] for record in records if "c" in record]
        if not c:
            raise DataError(f"{run.folder.transitions_file}: holds no transition, so no state was visited")
        parts.append(_some(np.stack(c), SAMPLES // len(runs)))
    mixed = _some(np.concatenate(parts), SAMPLES)  # the first of them, which are drawn, are of all runs
    return States(mixed, f"visited while learning, by {', '.join(run.name for run in runs)}")


def of_dataset(path: Path, run: Run) -> States:
    """States of a dataset, as the policy sees them.

    Raises:
        DataError: no dataset, or of another task.
    """
    from zprl_core.data.dataset import load_dataset
    from zprl_core.training.bottleneck import embed

    c = embed(run.model, run.task, load_dataset(path, run.task))
    return States(_some(np.asarray(c.numpy()), SAMPLES), f"the dataset {path}")


def of_bags(paths: Sequence[Path], run: Run, rig: str) -> States:
    """States at which chunks of bags were, or would be, planned.

    Raises:
        DataError: a bag cannot be read; see `zprl_core.replay.session`.
    """
    from zprl_core.config import load_rig
    from zprl_core.replay.episodes import filled_snapshots
    from zprl_core.replay.session import Bags
    from zprl_core.snapshot import SnapshotError

    policy = find_policy(run.folder.path)
    bags = Bags(list(paths), [policy], load_rig(rig) if rig else None, skip_bad=False)
    bags.look()
    runtime = PolicyRuntime(run.model, run.task, run.lambda_)
    rows = []
    for bag, episodes in bags.read():
        snapshots = filled_snapshots(bag.recording, run.task, lockstep=bag.lockstep)
        for episode in episodes:
            for moment in episode.moments:
                if moment.chunk == 0:
                    snapshots.begin_episode(moment.observed_ns)
                try:
                    found = snapshots.snapshot(moment.observed_ns)
                except SnapshotError:  # a hole in a stream: nothing was seen there
                    continue
                images = {name: np.stack(frames) for name, frames in found.images.items()}
                rows.append(runtime.encode(images, found.proprioception))
    if not rows:
        raise DataError(f"{', '.join(map(str, bags.paths))}: hold no moment at which a chunk is planned")
    return States(np.stack(rows), f"{len(bags.paths)} bags")


def _some(c: Array, most: int) -> Array:
    return c[np.random.default_rng(0).permutation(len(c))[:most]]


def studied(run: Run, states: States, seed: int) -> Studied:
    """The effects of every kept state of a run, and of its last one."""
    base = run.model.digest()
    runtime = PolicyRuntime(run.model, run.task, run.lambda_)
    effects: dict[int, Effect] = {}
    for chunks, path in run.folder.kept_checkpoints().items():
        runtime.set_actor(*load_actor(path, run.task, base))
        effects[chunks] = effect(steer(runtime, states.c, seed, actions=False), run.model.latents)
    runtime.set_actor(*load_actor(run.folder.path, run.task, base))
    trained = learned_transitions(run.folder.path)
    effects[trained] = effect(steer(runtime, states.c, seed, actions=False), run.model.latents)
    last = steer(runtime, states.c[:MAPPED], seed, actions=True)
    shift = effect(last, run.model.latents).action_shift
    effects[trained] = replace(effects[trained], action_shift=shift)
    return Studied(run, effects, last)


def plain(found: Sequence[Studied]) -> list[dict[str, Any]]:
    """For JSON; what is not known is None."""
    return [
        {
            "run": each.run.name,
            "lambda": each.run.lambda_,
            "effects": [
                {"chunks": chunks, **{k: None if v == "" else v for k, v in flat(row).items()}}
                for chunks, row in each.effects.items()
            ],
        }
        for each in found
    ]


def write_table(found: Sequence[Studied], path: Path) -> None:
    """A row for each state of each run."""
    rows = [
        {"run": each.run.name, "lambda": each.run.lambda_, "chunks": chunks, **flat(row)}
        for each in found
        for chunks, row in each.effects.items()
    ]
    write_csv(path, rows)


def written(found: Sequence[Studied], states: States, method: str) -> str:
    """The report."""
    header = ["run", "lambda", "after chunks", "RMS ratio (exploring)", "Mahalanobis of z~ (of z)",
              "beyond 99 %", "displacement (p95)"]  # fmt: skip
    rows = [_row(each.run, chunks, row) for each in found for chunks, row in each.effects.items()]
    maps = f"Maps of {min(MAPPED, len(states.c))} states: {method}."
    warnings = []
    if len(states.c) < FEW:
        warnings.append(f"**{len(states.c)} states are few**: these means need at least {FEW}.\n")
    if any(each.run.model.latents is None for each in found):
        warnings.append(
            "A base policy has no distribution of its offline latents, so distances are not known; "
            "`zprl pretrain --latents` adds it.\n"
        )
    parts = [
        "# What the steering does\n",
        f"{len(states.c)} states: {states.source}. z and w are the same with and without steering.\n",
        *warnings,
        markdown(header, rows),
        "\n".join(_guideline(each) for each in found) + "\n",
        f"![features, actions, distances](steering.png)\n\n{maps}\n",
    ]
    return "\n".join(parts)


def _row(run: Run, chunks: int, row: Effect) -> list[str]:
    known = math.isfinite(row.mahalanobis)
    return [
        run.name,
        f"{run.lambda_:g}",
        str(chunks),
        f"{row.rms_ratio:.1%} ({row.explored_ratio:.1%})",
        f"{row.mahalanobis:.2f} ({row.mahalanobis_base:.2f})" if known else "not known",
        f"{row.far:.1%}" if known else "not known",
        f"{row.displacement:.3g} ({row.displacement_p95:.3g})",
    ]


def _guideline(found: Studied) -> str:
    last = list(found.effects.values())[-1]
    kept = "; ".join(f"{what}: {'yes' if yes else 'NO'}" for what, yes in last.within().items())
    low = last.explored_ratio < GUIDELINE[0]
    small = f". Below {GUIDELINE[0]:.0%}, a larger lambda may learn faster" if low else ""
    return f"- {found.run.name}, its last state: {kept}{small}."


def draw(found: Sequence[Studied], path: Path, seed: int) -> str:
    """The paper's Fig. 11 (PNG): maps of features and actions, distances and displacements over training.

    Returns:
        How the maps were made.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10.0, 8.0), dpi=130, layout="constrained")
    axes = axes.ravel()
    method = _maps(axes[0], axes[1], found, seed)
    for number, each in enumerate(found):
        colour, label = COLOURS[number % len(COLOURS)], f"{each.run.name}, lambda {each.run.lambda_:g}"
        chunks, rows = list(each.effects), list(each.effects.values())
        style = {"color": colour, "marker": MARKERS[number % len(MARKERS)], "label": label}
        axes[2].plot(chunks, [row.mahalanobis for row in rows], **style)
        axes[2].axhline(rows[-1].mahalanobis_base, color=colour, linestyle=":", linewidth=1.5)
        if each.run.model.latents is not None:
            axes[2].axhline(each.run.model.latents.far, color=colour, linestyle="--", linewidth=1.0)
        axes[3].plot(chunks, [row.displacement for row in rows], **style)
    axes[3].axhline(DISPLACEMENT, color="black", linestyle="--", linewidth=1.0)
    axes[2].set(title="(c) distance of z~ to offline latents", xlabel="training chunks")
    axes[2].set(ylabel="Mahalanobis; dotted: of z, dashed: 99 % offline")
    axes[3].set(title="(d) displacement of g(z~)", xlabel="training chunks")
    axes[3].set(ylabel=f"L2, units of c; dashed: guideline {DISPLACEMENT:g}")
    axes[3].legend(frameon=False)
    if all(each.run.model.latents is None for each in found):
        axes[2].text(0.5, 0.5, "not known", ha="center", va="center", transform=axes[2].transAxes)
    for each_axes in axes[2:]:
        each_axes.set_ylim(0.0, 1.15 * each_axes.get_ylim()[1])
        each_axes.grid(alpha=0.3)
    figure.savefig(path)
    pyplot.close(figure)
    return method


def _maps(features: Any, actions: Any, found: Sequence[Studied], seed: int) -> str:
    """Not steered in grey, steered in colour; one map for all runs."""
    method = ""
    for axes, title, before, after in (
        (features, "(a) decoded feature", "feature", "steered_feature"),
        (actions, "(b) action chunk", "actions", "steered_actions"),
    ):
        clouds = [
            Cloud(each.run.name, getattr(each.last, before), getattr(each.last, after)) for each in found
        ]
        method = draw_map(axes, title, clouds, seed)
    features.legend(frameon=False, markerscale=2.0)
    return method
