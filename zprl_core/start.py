# SPDX-License-Identifier: Apache-2.0
"""From what a user asked for to a run folder and the graph that fills it.

Both `zprl` and launch/*.launch.py come through here, so that the same words start the same session.
Everything is checked before anything is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from zprl_core import wanted_evaluation
from zprl_core.config import Interface, RigConfig, TaskConfig, check_pair, load_rig, load_task
from zprl_core.host import check_host
from zprl_core.measured_policy import digests, measured_policy
from zprl_core.plan import Block, collection_plan, evaluation_plan, training_plan, write_plan
from zprl_core.prepared import Prepared, check_base, warn
from zprl_core.provenance import Provenance
from zprl_core.run_folder import RunFolder, RunSpec, new_run_id, refuse_used
from zprl_core.session_options import USUAL, SessionOptions

LIMIT_S = 60.0
"""Longest demonstration."""


def training(
    *,
    rig: str,
    task: str,
    base: Path,
    out: Path,
    chunks: int | None = None,
    seed: int = 0,
    eval_episodes: int | None = None,
    eval_every: int | None = None,
    lambda_: float | None = None,
    steering: Interface | None = None,
    options: SessionOptions = USUAL,
) -> Prepared:
    """A new training run. None means: as the task says.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that run with --resume")
    rig_config, task_config = _load(rig, task)
    in_lockstep = options.in_lockstep(rig_config)
    warning = check_base(base, task_config, Provenance.of(rig_config, task_config, lockstep=in_lockstep))
    task_config = _steered_by(task_config, steering or task_config.rl.steering)
    task_config = _with_lambda(task_config, base, lambda_)
    episodes = task_config.evaluation.episodes if eval_episodes is None else eval_episodes
    spec = RunSpec(
        run_id=new_run_id(),
        mode="train",
        task=task_config.name,
        rig=rig_config.name,
        base=str(base.absolute()),
        actor="",
        seed=seed,
        lockstep=in_lockstep,
        chunks=task_config.budget.chunks if chunks is None else chunks,
        eval_episodes=episodes,
        shadow=options.shadow,
        operator=options.operator,
        record=options.recorded(rig_config),
    )
    every = eval_every or task_config.evaluation.every_chunks
    plan = training_plan(spec.chunks, episodes, every)
    return _create(out, spec, rig_config, task_config, plan, [warning], options)


def evaluation(
    *,
    rig: str,
    task: str,
    policy: Path,
    out: Path,
    episodes: int | None = None,
    checkpoint: int | None = None,
    only: str | None = None,
    cases: Sequence[str] = (),
    error_rate: float | None = None,
    open_: bool = False,
    layouts: Path | None = None,
    seed: int = 0,
    options: SessionOptions = USUAL,
) -> Prepared:
    """A measurement, in turns on the same layouts: of a base checkpoint's two paths, or of a run's base
    policy and its steered one.

    Args:
        episodes: layouts; None: the task's.
        checkpoint: of a run: the state that it kept after so many training chunks; None: its last one.
        only: one policy of `zprl_core.wanted_evaluation.ONLY`; None: two in turns.
        cases: robustness cases of the task instead, by name, or `ALL_CASES`.
        error_rate: end as soon as the layouts so far decide, with at most this probability of an error; None:
            all layouts.
        layouts: file with preset layouts; None: the seed draws them.
        open_: people are told which policy drives; with one policy they are anyway.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that evaluation with --resume")
    rig_config, task_config = _load(rig, task)
    in_lockstep = options.in_lockstep(rig_config)
    now = Provenance.of(rig_config, task_config, lockstep=in_lockstep)
    base, actor, lambda_, task_config, warning = measured_policy(policy, checkpoint, task_config, now)
    modes = wanted_evaluation.modes(only, policy, steered=bool(actor))
    staged = wanted_evaluation.cases(rig_config, task_config, cases, options.teleop)
    wanted_evaluation.check_error_rate(error_rate, modes, staged)
    warnings = [warning, check_base(base, task_config, now)]
    task_config = _with_lambda(task_config, base, lambda_)
    if layouts is not None:
        task_config = wanted_evaluation.with_layouts(rig_config, task_config, layouts)
    count = wanted_evaluation.layouts_of(task_config, episodes)
    trials = {case.name: case.trials if episodes is None else episodes for case in staged}
    spec = RunSpec(
        run_id=new_run_id(),
        mode="evaluate",
        task=task_config.name,
        rig=rig_config.name,
        base=str(base.absolute()),
        actor=actor,
        seed=seed,
        lockstep=in_lockstep,
        chunks=0,
        eval_episodes=count,
        shadow=options.shadow,
        operator=options.operator,
        record=options.recorded(rig_config),
        blind=len(modes) > 1 and not open_,
        measured=digests(str(base), actor),
    )
    plan = evaluation_plan(modes, count, seed, cases=trials, error_rate=error_rate)
    return _create(out, spec, rig_config, task_config, plan, warnings, options)


def collection(
    *,
    rig: str,
    task: str,
    out: Path,
    episodes: int | None = None,
    seed: int = 0,
    limit_s: float = LIMIT_S,
    options: SessionOptions,
) -> Prepared:
    """A new collection of a person's demonstrations.

    Args:
        rig, task: names or files. out: folder, new or empty. seed: draws the layouts.
        episodes: demonstrations; None: the task's budget.
        limit_s: longest demonstration, s.
        options: of `SessionOptions.of_demonstrations`.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that collection with --resume")
    rig_config, task_config = _load(rig, task)
    count = task_config.budget.demonstrations if episodes is None else episodes
    spec = RunSpec(
        run_id=new_run_id(),
        mode="collect",
        task=task_config.name,
        rig=rig_config.name,
        base="",
        actor="",
        seed=seed,
        lockstep=options.in_lockstep(rig_config),
        chunks=0,
        eval_episodes=count,
        operator=options.operator,
        record=options.recorded(rig_config),
        limit_s=limit_s,
    )
    return _create(out, spec, rig_config, task_config, collection_plan(count), [], options)


def _load(rig: str, task: str) -> tuple[RigConfig, TaskConfig]:
    rig_config, task_config = load_rig(rig), load_task(task)
    check_pair(rig_config, task_config)
    from zprl_core.kinematics.home import check_homes

    check_homes(rig_config)
    return rig_config, task_config


def _steered_by(task: TaskConfig, steering: Interface) -> TaskConfig:
    """The task with this interface; lambda belongs to the latent, `residual_scale` to the action residual.

    Raises:
        ConfigError: another setting contradicts it.
    """
    lambda_ = task.rl.lambda_ if steering == "latent" == task.rl.steering else None
    changed = dataclasses.replace(task, rl=dataclasses.replace(task.rl, steering=steering, lambda_=lambda_))
    return TaskConfig.from_dict(changed.to_dict(), f"task {task.name} with --steering {steering}")


def _with_lambda(task: TaskConfig, base: Path, override: float | None) -> TaskConfig:
    """The task with its perturbation scale settled: override, the task's own, or proposed from the data."""
    value = override or task.rl.lambda_
    if value is None and task.rl.steering == "action_residual":
        value = task.rl.residual_scale
    if value is None:
        from zprl_core import perturbation

        value = perturbation.propose(base)
    return dataclasses.replace(task, rl=dataclasses.replace(task.rl, lambda_=value))


def _create(
    out: Path,
    spec: RunSpec,
    rig: RigConfig,
    task: TaskConfig,
    blocks: tuple[Block, ...],
    warnings: Sequence[str],
    options: SessionOptions,
) -> Prepared:
    """Check that the graph can be made and started here, then write the folder."""
    prepared = Prepared.of(RunFolder(out.absolute()), spec, rig, task, blocks, options)
    refuse_used(out, "continue that run with --resume")
    check_host(prepared.nodes)
    folder = RunFolder.create(out, spec, task, rig)
    write_plan(folder.plan_file, blocks)
    warn(folder, warnings)
    return prepared
